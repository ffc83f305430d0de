/*
 * dispatch_auth.c
 *		May this token, and this user, do this?
 *
 * The token's signature and expiry are the shim's business.  Whether its user
 * is active, whether the token was revoked by itself or with all tokens of the
 * user, and what the user may do is read here, from the tables, with every
 * request: two index probes, which cost a fifth of what a statement costs.
 * Roles and permissions are never believed from a token.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "nodes/value.h"
#include "parser/parse_func.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "extension/access.h"
#include "extension/dispatch.h"
#include "extension/query.h"

SC_READ(Q_PERMISSION,
		"SELECT EXISTS ("
		"    SELECT FROM sc.users AS u"
		"    JOIN sc.roles AS r ON r.id = u.role_id OR r.id IN (SELECT x.role_id FROM sc.user_roles AS x WHERE x.user_id = u.id)"
		"    WHERE u.id = $1 AND u.is_active AND $2 = ANY (r.permissions))",
		INT8OID, TEXTOID);

static ScTable revoked_tokens = {
	.name = "revoked_tokens",
	.keys = {F_UUID_EQ},
	.ncolumns = 1,
	.columns = {"jti"},
};

/* A problem code, or NULL if the user may use tokens issued at iat_ms. */
static const char *
user_fault(int64 user, int64 iat_ms)
{
	TupleTableSlot *row = sc_fetch(&sc_users, GetActiveSnapshot(), Int64GetDatum(user), 0);
	int64		epoch_us = (int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
	TimestampTz not_before;
	bool		isnull;

	if (row == NULL || !DatumGetBool(sc_column_given(&sc_users, row, USER_ACTIVE)))
		return "inactive_user";
	not_before = DatumGetTimestampTz(sc_column(&sc_users, row, USER_NOT_BEFORE, &isnull));
	if (isnull || TIMESTAMP_IS_NOBEGIN(not_before))
		return NULL;

	/* issued in the millisecond of the cut: not after it, so void */
	if (TIMESTAMP_IS_NOEND(not_before) || iat_ms <= (not_before + epoch_us) / 1000)
		return "token_revoked";
	return NULL;
}

static bool
is_revoked(const pg_uuid_t *jti)
{
	return sc_fetch(&revoked_tokens, GetActiveSnapshot(), UUIDPGetDatum(jti), 0) != NULL;
}

/* The attempt that the path names, 0 if it names none. */
static int64
attempt_in_path(Call *call)
{
	for (int i = 0; i < call->route->nparams; i++)
	{
		Parameter  *param = &call->route->params[i];

		if (param->source == FROM_PATH && strcmp(param->name, "attempt_id") == 0 &&
			param->path_index < call->in->npath)
			return strtoll(call->in->path[param->path_index], NULL, 10);
	}
	return 0;
}

/*
 * The user of an attempt token, which outlives the log-in and opens no other
 * attempt than the one it was given for.  The function that knows belongs to
 * the exams and is looked up late.
 */
static bool
attempt_user(Call *call, const char *token, int64 *user)
{
	Oid			argtypes[] = {TEXTOID, INT8OID};
	Oid			proc = LookupFuncName(list_make2(makeString("sc"), makeString("attempt_actor")), 2, argtypes, true);
	FmgrInfo	flinfo;

	LOCAL_FCINFO(fcinfo, 2);
	Datum		result;

	if (!OidIsValid(proc))
		return false;
	fmgr_info(proc, &flinfo);
	InitFunctionCallInfoData(*fcinfo, &flinfo, 2, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = CStringGetTextDatum(token);
	fcinfo->args[0].isnull = false;
	fcinfo->args[1].value = Int64GetDatum(attempt_in_path(call));
	fcinfo->args[1].isnull = false;
	result = FunctionCallInvoke(fcinfo);
	if (fcinfo->isnull)
		return false;
	*user = DatumGetInt64(result);
	return true;
}

/*
 * Does an active user hold a permission?  Permissions are the union over the
 * user's roles.
 */
bool
sc_has_permission(int64 actor, const char *permission)
{
	ScRows		rows;
	bool		held;

	sc_query_begin();
	rows = sc_query(&Q_PERMISSION, SC_INT8(actor), SC_TEXT(permission));
	held = sc_get_bool(&rows, 0, 1);
	sc_query_end();
	return held;
}

/* Let the request in, or fail it with 401 or 403. */
bool
dispatch_authenticate(Call *call)
{
	Input	   *in = call->in;
	const char *fault = NULL;

	if (in->anonymous && call->route->attempt_auth)
	{
		const char *token = dispatch_ctx(call, "attempt_token");

		if (token != NULL && !attempt_user(call, token, &in->actor))
			fault = "attempt_token_invalid";
		else if (token != NULL)
		{
			in->anonymous = false;
			/* the token proves itself; only the account can speak against it */
			fault = user_fault(in->actor, PG_INT64_MAX);
		}
	}
	else if (!in->anonymous)
	{
		fault = user_fault(in->actor, in->iat_ms);
		if (fault == NULL && in->jti != NULL && is_revoked(in->jti))
			fault = "token_revoked";
	}

	if (fault != NULL)
		dispatch_fail(call, 401, fault, NULL);
	else if (call->route->permission == NULL)
		return true;
	else if (in->anonymous)
		dispatch_fail(call, 401, "token_required", NULL);
	else if (strcmp(call->route->permission, "user") == 0 ||
			 sc_has_permission(in->actor, call->route->permission))
		return true;
	else
		dispatch_fail(call, 403, "forbidden", NULL);
	return false;
}

PG_FUNCTION_INFO_V1(sc_can);
PGDLLEXPORT Datum
sc_can(PG_FUNCTION_ARGS)
{
	char	   *permission;

	/* nobody is nobody: anonymous callers hold nothing */
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_BOOL(false);
	permission = text_to_cstring(PG_GETARG_TEXT_PP(1));
	PG_RETURN_BOOL(sc_has_permission(PG_GETARG_INT64(0), permission));
}
