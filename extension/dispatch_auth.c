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

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_type_d.h"
#include "nodes/value.h"
#include "parser/parse_func.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/snapmgr.h"

#include "extension/dispatch.h"
#include "extension/query.h"

SC_READ(Q_PERMISSION,
		"SELECT EXISTS ("
		"    SELECT FROM sc.users AS u"
		"    JOIN sc.roles AS r ON r.id = u.role_id OR r.id IN (SELECT x.role_id FROM sc.user_roles AS x WHERE x.user_id = u.id)"
		"    WHERE u.id = $1 AND u.is_active AND $2 = ANY (r.permissions))",
		INT8OID, TEXTOID);

/* Where the tables are; found again after any change of them. */
static struct
{
	bool		valid;
	bool		registered;
	Oid			users;
	AttrNumber	users_id;
	AttrNumber	users_active;
	AttrNumber	users_not_before;
	Oid			revoked;
	AttrNumber	revoked_jti;
} tables;

static void
on_relcache(Datum arg, Oid relid)
{
	if (relid == InvalidOid || relid == tables.users || relid == tables.revoked)
		tables.		valid = false;
}

static Oid
table_named(const char *name)
{
	Oid			relid = get_relname_relid(name, get_namespace_oid("sc", false));

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table sc.%s does not exist", name),
				 errhint("Run SELECT sc.install().")));
	return relid;
}

static void
find_tables(void)
{
	if (tables.valid)
		return;
	if (!tables.registered)
	{
		CacheRegisterRelcacheCallback(on_relcache, (Datum) 0);
		tables.		registered = true;
	}
	tables.		users = table_named("users");
	tables.		users_id = get_attnum(tables.users, "id");
	tables.		users_active = get_attnum(tables.users, "is_active");
	tables.		users_not_before = get_attnum(tables.users, "tokens_not_before");
	tables.		revoked = table_named("revoked_tokens");
	tables.		revoked_jti = get_attnum(tables.revoked, "jti");
	tables.		valid = true;
}

static bool
is_revoked(const pg_uuid_t *jti)
{
	Relation	rel = table_open(tables.revoked, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	bool		found;

	ScanKeyInit(&key, tables.revoked_jti, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(jti));
	scan = systable_beginscan(rel, RelationGetPrimaryKeyIndex(rel), true, GetActiveSnapshot(), 1, &key);
	found = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/* A problem code, or NULL if the user may use tokens issued at iat_ms. */
static const char *
user_fault(int64 user, int64 iat_ms)
{
	Relation	rel = table_open(tables.users, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	const char *fault = NULL;

	ScanKeyInit(&key, tables.users_id, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(user));
	scan = systable_beginscan(rel, RelationGetPrimaryKeyIndex(rel), true, GetActiveSnapshot(), 1, &key);
	tuple = systable_getnext(scan);
	if (!HeapTupleIsValid(tuple))
		fault = "inactive_user";
	else
	{
		TupleDesc	desc = RelationGetDescr(rel);
		bool		isnull;
		bool		active = DatumGetBool(heap_getattr(tuple, tables.users_active, desc, &isnull));
		Timestamp	not_before = DatumGetTimestampTz(heap_getattr(tuple, tables.users_not_before, desc, &isnull));

		if (!active)
			fault = "inactive_user";
		else if (!isnull && !TIMESTAMP_IS_NOBEGIN(not_before))
		{
			int64		epoch_us = (int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;

			/* issued in the millisecond of the cut: not after it, so void */
			if (TIMESTAMP_IS_NOEND(not_before) || iat_ms <= (not_before + epoch_us) / 1000)
				fault = "token_revoked";
		}
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return fault;
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
			find_tables();
			in->anonymous = false;
			/* the token proves itself; only the account can speak against it */
			fault = user_fault(in->actor, PG_INT64_MAX);
		}
	}
	else if (!in->anonymous)
	{
		find_tables();
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
