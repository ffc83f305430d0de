/*
 * error.c
 *		Refusals, field errors and problem documents (RFC 9457).
 *
 * A refusal is an ERROR whose SQLSTATE is SC and the HTTP status, whose message
 * is a code and whose detail is a JSON object of parameters.  The code's row in
 * sc.problems holds the words, in English and Turkish; "{name}" in them stands
 * for a parameter, and the parameters become members of the document too.
 *
 * sc_classify() says what any other error of a handler becomes.  What nobody
 * can answer for (cancellation, shut-down, resources, corruption) is not
 * answered but thrown on.  No document ever carries a text of PostgreSQL.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_type_d.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "catalog/namespace.h"

#include "extension/query.h"
#include "extension/student_coach.h"

SC_READ(Q_PROBLEM,
		"SELECT title_en, title_tr, detail_en, detail_tr FROM sc.problems WHERE code = $1",
		TEXTOID);
SC_READ(Q_CONSTRAINT,
		"SELECT status::int, code FROM sc.problems WHERE constraint_name = $1",
		TEXTOID);

/* Refuse the request: undoes the handler's writes and answers with a problem. */
void
sc_refuse(int status, const char *code, const char *params)
{
	if (status < 400 || status > 599)
		elog(ERROR, "status %d of \"%s\" is no refusal", status, code);
	ereport(ERROR,
			(errcode(MAKE_SQLSTATE('S', 'C', '0' + status / 100, '0' + status / 10 % 10,
								   '0' + status % 10)),
			 errmsg_internal("%s", code),
			 params != NULL ? errdetail_internal("%s", params) : 0));
}

ScFieldError *
sc_field_error(const char *field, const char *code, const char *params)
{
	ScFieldError *error = palloc(sizeof(ScFieldError));

	error->field = pstrdup(field);
	error->code = pstrdup(code);
	error->params = params != NULL ? pstrdup(params) : NULL;
	return error;
}

/* Collect a field error; the request is refused when its handler is done. */
void
sc_invalid(const char *field, const char *code, const char *params)
{
	StringInfoData detail;

	if (sc_call_collect(field, code, params))
		return;
	initStringInfo(&detail);
	appendStringInfoString(&detail, "{\"field\": ");
	sc_json_cstring(&detail, field);
	appendStringInfoChar(&detail, '}');
	sc_refuse(422, code, detail.data);
}

/* Stop now if field errors have been collected. */
void
sc_check_valid(void)
{
	if (sc_call_collected())
		sc_refuse(422, "invalid_fields", NULL);
}

/*
 * The only column of a constraint, or NULL where it has several: then there is
 * no one field to blame.
 */
static char *
constraint_column(const ErrorData *edata)
{
	Oid			namespace = edata->schema_name ? get_namespace_oid(edata->schema_name, true) : InvalidOid;
	Oid			relid = OidIsValid(namespace) && edata->table_name
	? get_relname_relid(edata->table_name, namespace) : InvalidOid;
	Oid			constraint;
	HeapTuple	tuple;
	Datum		key;
	bool		isnull;
	char	   *column = NULL;

	if (!OidIsValid(relid) || edata->constraint_name == NULL)
		return NULL;
	constraint = get_relation_constraint_oid(relid, edata->constraint_name, true);
	if (!OidIsValid(constraint))
		return NULL;
	tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(constraint));
	if (!HeapTupleIsValid(tuple))
		return NULL;
	key = SysCacheGetAttr(CONSTROID, tuple, Anum_pg_constraint_conkey, &isnull);
	if (!isnull)
	{
		ArrayType  *columns = DatumGetArrayTypeP(key);

		if (ARR_NDIM(columns) == 1 && ARR_DIMS(columns)[0] == 1)
			column = get_attname(relid, *(int16 *) ARR_DATA_PTR(columns), true);
	}
	ReleaseSysCache(tuple);
	return column;
}

/* A violated constraint: its own code, if a domain gave it one. */
static ScProblem
classify_constraint(const ErrorData *edata, int status, const char *code)
{
	ScProblem	problem = {.status = status, .code = code};
	char	   *column = NULL;

	if (edata->sqlerrcode == ERRCODE_NOT_NULL_VIOLATION)
		column = edata->column_name;
	else if (edata->constraint_name != NULL)
	{
		ScRows		rows;

		column = constraint_column(edata);
		sc_query_begin();
		rows = sc_query(&Q_CONSTRAINT, SC_TEXT(edata->constraint_name));
		if (rows.count > 0)
		{
			problem.status = sc_get_int4(&rows, 0, 1);
			problem.code = sc_get_text(&rows, 0, 2);
		}
		sc_query_end();
	}
	if (problem.status == 422)
	{
		if (column != NULL)
			problem.fields = list_make1(sc_field_error(column, problem.code, NULL));
		if (column != NULL || problem.code == code)
			problem.code = "invalid_fields";
	}
	return problem;
}

/* SC<status>: a refusal of our own. */
static ScProblem
classify_refusal(const ErrorData *edata)
{
	const char *state = unpack_sql_state(edata->sqlerrcode);
	ScProblem	problem = {.status = atoi(state + 2), .code = edata->message, .params = edata->detail};

	if (problem.status < 400 || problem.status > 599 || problem.code == NULL)
		problem.status = 0;

	/* RAISE in PL/pgSQL may carry any detail: only an object counts */
	if (problem.params != NULL)
	{
		ScJsonDoc	doc;

		if (!sc_json_parse(&doc, problem.params, strlen(problem.params)) || doc.kind != SC_JSON_OBJECT)
			problem.params = NULL;
	}
	return problem;
}

/* What an error caught from a handler becomes. */
ScProblem
sc_classify(const ErrorData *edata)
{
	int			category = ERRCODE_TO_CATEGORY(edata->sqlerrcode);

	if (category == MAKE_SQLSTATE('S', 'C', '0', '0', '0'))
		return classify_refusal(edata);
	switch (edata->sqlerrcode)
	{
		case ERRCODE_UNIQUE_VIOLATION:
		case ERRCODE_EXCLUSION_VIOLATION:
			return classify_constraint(edata, 409, "conflict");
		case ERRCODE_FOREIGN_KEY_VIOLATION:
		case ERRCODE_RESTRICT_VIOLATION:
			return classify_constraint(edata, 409, "reference_conflict");
		case ERRCODE_CHECK_VIOLATION:
			return classify_constraint(edata, 422, "invalid_value");
		case ERRCODE_NOT_NULL_VIOLATION:
			return classify_constraint(edata, 422, "required");
		case ERRCODE_T_R_SERIALIZATION_FAILURE:
		case ERRCODE_T_R_DEADLOCK_DETECTED:
		case ERRCODE_LOCK_NOT_AVAILABLE:
			return (ScProblem) {.status = 503, .code = "retry"};
		case ERRCODE_DIVISION_BY_ZERO:
			/* class 22, yet never the caller's doing */
			return (ScProblem) {.status = 500, .code = "internal_error"};
	}
	if (category == ERRCODE_DATA_EXCEPTION)
		return (ScProblem) {.status = 422, .code = "invalid_value"};
	switch (category)
	{
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_SYSTEM_ERROR:
		case ERRCODE_INTERNAL_ERROR:
			return (ScProblem) {.status = 0};
	}
	return (ScProblem) {.status = 500, .code = "internal_error"};
}

/*
 * Text with "{name}" replaced by members of params; NULL if one is missing,
 * since half a sentence is worse than none.
 */
static char *
fill(const char *text, Jsonb *params)
{
	StringInfoData out;

	if (text == NULL)
		return NULL;
	initStringInfo(&out);
	for (const char *p = text; *p; p++)
	{
		const char *end = *p == '{' ? p + 1 + strspn(p + 1, "abcdefghijklmnopqrstuvwxyz_") : NULL;
		JsonbValue *value = NULL;

		/* other braces are those of a sample */
		if (end != NULL && *end == '}' && end > p + 1)
		{
			JsonbValue	key = {.type = jbvString,.val.string = {.len = end - p - 1, .val = unconstify(char *, p + 1)}};

			if (params != NULL)
				value = findJsonbValueFromContainer(&params->root, JB_FOBJECT, &key);
			if (value == NULL)
				return NULL;
		}
		else
		{
			appendStringInfoChar(&out, *p);
			continue;
		}
		if (value->type == jbvString)
			appendBinaryStringInfo(&out, value->val.string.val, value->val.string.len);
		else if (value->type == jbvNumeric)
			appendStringInfoString(&out, DatumGetCString(DirectFunctionCall1(numeric_out,
																			 NumericGetDatum(value->val.numeric))));
		else if (value->type == jbvBool)
			appendStringInfoString(&out, value->val.boolean ? "true" : "false");
		p = end;
	}
	return out.data;
}

/* Title and detail of a code in a language; NULL where it has none. */
static void
describe(const char *code, const char *lang, Jsonb *params, char **title, char **detail)
{
	bool		turkish = lang != NULL && strcmp(lang, "tr") == 0;
	ScRows		rows;

	*title = *detail = NULL;
	sc_query_begin();
	rows = sc_query(&Q_PROBLEM, SC_TEXT(code));
	if (rows.count > 0)
	{
		*title = fill(sc_get_text(&rows, 0, turkish ? 2 : 1), params);
		*detail = fill(sc_get_text(&rows, 0, turkish ? 4 : 3), params);
	}
	sc_query_end();
}

static Jsonb *
params_jsonb(const char *params)
{
	if (params == NULL)
		return NULL;
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(params)));
}

static void
append_member(StringInfo out, const char *name, const char *value)
{
	if (value == NULL)
		return;
	appendStringInfo(out, ",\"%s\":", name);
	sc_json_cstring(out, value);
}

/*
 * Append the parameters of a refusal that do not carry a name of the document's
 * own.  A refusal without field errors may bring a list of errors itself.
 */
static void
append_params(StringInfo out, const char *params, bool errors_taken)
{
	static const char *const reserved[] = {"type", "title", "status", "detail", "code", "request_id"};
	ScJsonDoc	doc;

	if (params == NULL || !sc_json_parse(&doc, params, strlen(params)) || doc.kind != SC_JSON_OBJECT)
		return;
	for (int i = 0; i < doc.count; i++)
	{
		bool		taken = errors_taken && strcmp(doc.items[i].name, "errors") == 0;

		for (int j = 0; j < lengthof(reserved); j++)
			taken = taken || strcmp(doc.items[i].name, reserved[j]) == 0;
		if (taken)
			continue;
		appendStringInfoChar(out, ',');
		sc_json_cstring(out, doc.items[i].name);
		appendStringInfoChar(out, ':');
		appendBinaryStringInfo(out, doc.items[i].raw, doc.items[i].raw_len);
	}
}

static void
append_fields(StringInfo out, List *fields, const char *lang)
{
	ListCell   *cell;

	if (fields == NIL)
		return;
	appendStringInfoString(out, ",\"errors\":[");
	foreach(cell, fields)
	{
		ScFieldError *error = lfirst(cell);
		char	   *title;
		char	   *detail;

		describe(error->code, lang, params_jsonb(error->params), &title, &detail);
		appendStringInfoString(out, foreach_current_index(cell) > 0 ? ",{\"field\":" : "{\"field\":");
		sc_json_cstring(out, error->field);
		append_member(out, "code", error->code);
		append_member(out, "message", detail != NULL ? detail : title != NULL ? title : error->code);
		append_params(out, error->params, true);
		appendStringInfoChar(out, '}');
	}
	appendStringInfoChar(out, ']');
}

/* The problem document of a refusal, in the caller's context. */
char *
sc_problem_document(const ScProblem *problem, const char *lang, const char *request_id)
{
	StringInfoData out;
	char	   *title;
	char	   *detail;

	describe(problem->code, lang, params_jsonb(problem->params), &title, &detail);
	initStringInfo(&out);
	appendStringInfoString(&out, "{\"type\":");
	sc_json_cstring(&out, psprintf("urn:student-coach:problem:%s", problem->code));
	append_member(&out, "title", title != NULL ? title : problem->code);
	appendStringInfo(&out, ",\"status\":%d", problem->status);
	append_member(&out, "detail", detail);
	append_member(&out, "code", problem->code);
	append_member(&out, "request_id", request_id);
	append_params(&out, problem->params, problem->fields != NIL);
	append_fields(&out, problem->fields, lang);
	appendStringInfoChar(&out, '}');
	return out.data;
}

static char *
jsonb_arg_text(FunctionCallInfo fcinfo, int n)
{
	Jsonb	   *params;

	if (PG_ARGISNULL(n))
		return NULL;
	params = PG_GETARG_JSONB_P(n);
	return JsonbToCString(NULL, &params->root, VARSIZE(params));
}

static char *
text_arg(FunctionCallInfo fcinfo, int n, const char *name)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", name)));
	return text_to_cstring(PG_GETARG_TEXT_PP(n));
}

PG_FUNCTION_INFO_V1(sc_api_refuse);
PGDLLEXPORT Datum
sc_api_refuse(PG_FUNCTION_ARGS)
{
	int			status = PG_ARGISNULL(0) ? 0 : PG_GETARG_INT32(0);

	if (status < 400 || status > 599)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("status of a refusal must lie between 400 and 599")));
	sc_refuse(status, text_arg(fcinfo, 1, "code"), jsonb_arg_text(fcinfo, 2));
}

PG_FUNCTION_INFO_V1(sc_api_invalid);
PGDLLEXPORT Datum
sc_api_invalid(PG_FUNCTION_ARGS)
{
	sc_invalid(text_arg(fcinfo, 0, "field"), text_arg(fcinfo, 1, "code"), jsonb_arg_text(fcinfo, 2));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(sc_api_check_valid);
PGDLLEXPORT Datum
sc_api_check_valid(PG_FUNCTION_ARGS)
{
	sc_check_valid();
	PG_RETURN_VOID();
}
