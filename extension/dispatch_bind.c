/*
 * dispatch_bind.c
 *		From path, query and body to the arguments of a handler.
 *
 * Values are bound by name and strictly: a JSON number for a number, a string
 * for text, uuid, date, time and enum, a boolean for bool, element by element
 * for arrays; anything goes to a jsonb parameter.  In particular the input
 * functions of PostgreSQL never see "now" for a time or " 5 " for a number.
 *
 * Everything wrong with a request is collected, so that a client learns of it
 * at once.  The common types are checked here, without raising anything.  For
 * other types the input function must be asked, and it raises: call->binding
 * says which parameter it was, dispatch undoes the subtransaction, notes the
 * parameter as unfit and binds again.  That costs only those who send nonsense.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_type.h"
#include "common/jsonapi.h"
#include "common/string.h"
#include "executor/executor.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "extension/dispatch.h"

#define MAX_FAULTS 50
#define MAX_PER_PAGE 100
#define MAX_PAGE 10000000
#define MAX_NUMBER_LEN 100
#define MAX_EXPONENT_DIGITS 3

/* Note what is wrong with a field; of very many faults the first ones do. */
static void
fault(Call *call, const char *field, const char *code, const char *params)
{
	call->nfaults++;
	if (call->nfaults <= MAX_FAULTS)
		call->field_errors = lappend(call->field_errors, sc_field_error(field, code, params));
}

/* Grammar of the scalar types */

/* A JSON number; *integral says that it has neither fraction nor exponent. */
static bool
is_number(const char *s, bool *integral)
{
	*integral = true;
	if (*s == '-')
		s++;
	if (*s == '0')
		s++;
	else if (*s >= '1' && *s <= '9')
		while (isdigit((unsigned char) *s))
			s++;
	else
		return false;
	if (*s == '.')
	{
		*integral = false;
		if (!isdigit((unsigned char) *++s))
			return false;
		while (isdigit((unsigned char) *s))
			s++;
	}
	if (*s == 'e' || *s == 'E')
	{
		*integral = false;
		s++;
		if (*s == '+' || *s == '-')
			s++;
		if (!isdigit((unsigned char) *s))
			return false;
		while (isdigit((unsigned char) *s))
			s++;
	}
	return *s == '\0';
}

/* Would a numeric of this text be absurdly large?  1e131071 is valid SQL. */
static bool
is_huge(const char *s)
{
	const char *e = strpbrk(s, "eE");

	return strlen(s) > MAX_NUMBER_LEN || (e != NULL && strspn(e + 1, "+-0123456789") > MAX_EXPONENT_DIGITS + 1);
}

static bool
read_digits(const char **s, int n, int *value)
{
	*value = 0;
	for (int i = 0; i < n; i++, (*s)++)
	{
		if (!isdigit((unsigned char) **s))
			return false;
		*value = *value * 10 + (**s - '0');
	}
	return true;
}

static bool
read_char(const char **s, char c)
{
	if (**s != c)
		return false;
	(*s)++;
	return true;
}

/* YYYY-MM-DD, a day that exists. */
static bool
read_date(const char **s, struct pg_tm *tm)
{
	return read_digits(s, 4, &tm->tm_year) && read_char(s, '-') &&
		read_digits(s, 2, &tm->tm_mon) && read_char(s, '-') &&
		read_digits(s, 2, &tm->tm_mday) &&
		tm->tm_year >= 1 && tm->tm_mon >= 1 && tm->tm_mon <= MONTHS_PER_YEAR &&
		tm->tm_mday >= 1 && tm->tm_mday <= day_tab[isleap(tm->tm_year)][tm->tm_mon - 1];
}

static bool
parse_date(const char *s, Datum *value)
{
	struct pg_tm tm = {0};

	if (!read_date(&s, &tm) || *s != '\0')
		return false;
	*value = DateADTGetDatum(date2j(tm.tm_year, tm.tm_mon, tm.tm_mday) - POSTGRES_EPOCH_JDATE);
	return true;
}

/* RFC 3339 date-time; digits beyond the microsecond are dropped. */
static bool
parse_timestamptz(const char *s, Datum *value)
{
	struct pg_tm tm = {0};
	fsec_t		fsec = 0;
	int			zone = 0;
	Timestamp	timestamp;

	if (!read_date(&s, &tm) || (*s != 'T' && *s != 't'))
		return false;
	s++;
	if (!read_digits(&s, 2, &tm.tm_hour) || !read_char(&s, ':') ||
		!read_digits(&s, 2, &tm.tm_min) || !read_char(&s, ':') ||
		!read_digits(&s, 2, &tm.tm_sec) ||
		tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 59)
		return false;
	if (*s == '.')
	{
		int			scale = USECS_PER_SEC / 10;

		s++;
		if (!isdigit((unsigned char) *s))
			return false;
		for (; isdigit((unsigned char) *s); s++, scale /= 10)
			fsec += (*s - '0') * scale;
	}
	if (*s == 'Z' || *s == 'z')
		s++;
	else
	{
		int			sign = *s == '-' ? 1 : -1;	/* PostgreSQL counts west as
												 * positive */
		int			hours;
		int			minutes;

		if (*s != '+' && *s != '-')
			return false;
		s++;
		if (!read_digits(&s, 2, &hours) || !read_char(&s, ':') || !read_digits(&s, 2, &minutes) ||
			hours > 23 || minutes > 59)
			return false;
		zone = sign * (hours * SECS_PER_HOUR + minutes * SECS_PER_MINUTE);
	}
	if (*s != '\0' || tm2timestamp(&tm, fsec, &zone, &timestamp) != 0)
		return false;
	*value = TimestampTzGetDatum(timestamp);
	return true;
}

static bool
parse_uuid(const char *s, Datum *value)
{
	if (strlen(s) != 36)
		return false;
	for (int i = 0; i < 36; i++)
	{
		bool		dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? s[i] != '-' : !isxdigit((unsigned char) s[i]))
			return false;
	}
	*value = DirectFunctionCall1(uuid_in, CStringGetDatum(s));
	return true;
}

static bool
parse_enum(const char *s, Oid type, Datum *value)
{
	HeapTuple	tuple;

	if (strlen(s) >= NAMEDATALEN)
		return false;
	tuple = SearchSysCache2(ENUMTYPOIDNAME, ObjectIdGetDatum(type), CStringGetDatum(s));
	if (!HeapTupleIsValid(tuple))
		return false;
	*value = ObjectIdGetDatum(((Form_pg_enum) GETSTRUCT(tuple))->oid);
	ReleaseSysCache(tuple);
	return true;
}

/* An integer of a type's range. */
static const char *
bind_integer(Oid type, const char *s, Datum *value)
{
	bool		integral;
	int64		number;

	if (!is_number(s, &integral) || !integral)
		return "invalid_type";
	errno = 0;
	number = strtoi64(s, NULL, 10);
	if (errno == ERANGE ||
		(type == INT4OID && (number < PG_INT32_MIN || number > PG_INT32_MAX)) ||
		(type == INT2OID && (number < PG_INT16_MIN || number > PG_INT16_MAX)))
		return "out_of_range";
	*value = type == INT8OID ? Int64GetDatum(number)
		: type == INT4OID ? Int32GetDatum((int32) number) : Int16GetDatum((int16) number);
	return NULL;
}

/*
 * A scalar of a type from its text.  Gives a problem code, or NULL when *value
 * is set.  kind is what JSON said; SC_JSON_NULL means that there was no JSON
 * (path or query), where the text alone decides.
 */
static const char *
bind_scalar(Oid type, ScJsonKind kind, const char *s, Datum *value)
{
	bool		untyped = kind == SC_JSON_NULL;
	bool		string = untyped || kind == SC_JSON_STRING;
	bool		number = untyped || kind == SC_JSON_NUMBER;
	bool		integral;
	Oid			input;
	Oid			ioparam;

	switch (type)
	{
		case BOOLOID:
			if (!(untyped || kind == SC_JSON_BOOL) || (strcmp(s, "true") != 0 && strcmp(s, "false") != 0))
				return "invalid_type";
			*value = BoolGetDatum(*s == 't');
			return NULL;
		case INT2OID:
		case INT4OID:
		case INT8OID:
			return number ? bind_integer(type, s, value) : "invalid_type";
		case NUMERICOID:
		case FLOAT8OID:
			if (!number || !is_number(s, &integral))
				return "invalid_type";
			if (is_huge(s))
				return "out_of_range";
			if (type == NUMERICOID)
				*value = DirectFunctionCall3(numeric_in, CStringGetDatum(s),
											 ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
			else
			{
				/* strtod gives infinity where float8in would raise */
				double		d = strtod(s, NULL);

				if (isinf(d))
					return "out_of_range";
				*value = Float8GetDatum(d);
			}
			return NULL;
		case TEXTOID:
		case VARCHAROID:
			if (!string)
				return "invalid_type";
			*value = CStringGetTextDatum(s);
			return NULL;
		case UUIDOID:
			return !string ? "invalid_type" : parse_uuid(s, value) ? NULL : "invalid_value";
		case DATEOID:
			return !string ? "invalid_type" : parse_date(s, value) ? NULL : "invalid_value";
		case TIMESTAMPTZOID:
			return !string ? "invalid_type" : parse_timestamptz(s, value) ? NULL : "invalid_value";
	}
	if (!string)
		return "invalid_type";
	if (get_typtype(type) == TYPTYPE_ENUM)
		return parse_enum(s, type, value) ? NULL : "invalid_value";
	getTypeInputInfo(type, &input, &ioparam);
	*value = OidInputFunctionCall(input, unconstify(char *, s), ioparam, -1);
	return NULL;
}

/* An array from the elements of a JSON array, or from "a,b,c" in a query. */
static const char *
bind_array(Oid element, const ScJsonValue *json, const char *s, Datum *value)
{
	Datum	   *values;
	const char *code;
	int			n = 0;
	int16		len;
	bool		byval;
	char		align;

	get_typlenbyvalalign(element, &len, &byval, &align);
	if (json != NULL)
	{
		ScJsonDoc	doc;

		if (json->kind != SC_JSON_ARRAY)
			return "invalid_type";
		(void) sc_json_parse(&doc, json->raw, json->raw_len);	/* parsed once before */
		values = palloc(Max(doc.count, 1) * sizeof(Datum));
		for (; n < doc.count; n++)
		{
			const ScJsonValue *item = &doc.items[n];

			CHECK_FOR_INTERRUPTS();
			if (item->kind == SC_JSON_NULL || item->text == NULL)
				return "invalid_type";
			code = bind_scalar(element, item->kind, item->text, &values[n]);
			if (code != NULL)
				return code;
		}
	}
	else
	{
		char	   *rest = pstrdup(s);
		char	   *item;

		values = palloc((strlen(s) + 1) * sizeof(Datum));
		while ((item = strsep(&rest, ",")) != NULL)
		{
			code = bind_scalar(element, SC_JSON_NULL, item, &values[n++]);
			if (code != NULL)
				return code;
		}
	}
	*value = PointerGetDatum(construct_array(values, n, element, len, byval, align));
	return NULL;
}

/* What a parameter takes, as a parameter of the words for it; NULL where there is no short name. */
static const char *
expected_form(const Parameter *param)
{
	if (OidIsValid(param->element))
		return "{\"expected\":\"array\"}";
	switch (param->type)
	{
		case BOOLOID:
			return "{\"expected\":\"boolean\"}";
		case INT2OID:
		case INT4OID:
		case INT8OID:
			return "{\"expected\":\"integer\"}";
		case NUMERICOID:
		case FLOAT8OID:
			return "{\"expected\":\"number\"}";
		case TEXTOID:
		case VARCHAROID:
			return "{\"expected\":\"string\"}";
		case UUIDOID:
			return "{\"expected\":\"UUID\"}";
		case DATEOID:
			return "{\"expected\":\"YYYY-MM-DD\"}";
		case TIMESTAMPTZOID:
			return "{\"expected\":\"YYYY-MM-DDThh:mm:ss+hh:mm\"}";
		default:
			return NULL;
	}
}

/* Bind one parameter from JSON, or from the text s where json is NULL. */
static void
bind_value(Call *call, int n, const ScJsonValue *json, const char *s)
{
	const Parameter *param = &call->route->params[n];
	const char *code;

	if (bms_is_member(n, call->unfit))
	{
		fault(call, param->name, "invalid_value", NULL);
		return;
	}
	call->binding = n;
	if (param->type == JSONBOID || param->type == JSONOID)
	{
		char	   *text = json != NULL ? pnstrdup(json->raw, json->raw_len) : pstrdup(s);

		call->values[n] = param->type == JSONBOID
			? DirectFunctionCall1(jsonb_in, CStringGetDatum(text)) : CStringGetTextDatum(text);
		code = NULL;
	}
	else if (OidIsValid(param->element))
		code = bind_array(param->element, json, s, &call->values[n]);
	else if (json != NULL)
		code = json->text !=NULL ? bind_scalar(param->type, json->kind, json->text, &call->values[n]) : "invalid_type";
	else
		code = bind_scalar(param->type, SC_JSON_NULL, s, &call->values[n]);
	call->binding = -1;
	call->nulls[n] = code != NULL;
	if (code != NULL)
		fault(call, param->name, code, strcmp(code, "out_of_range") == 0 ? NULL : expected_form(param));
}

static void
bind_default(Call *call, int n)
{
	const Parameter *param = &call->route->params[n];

	if (param->default_expr != NULL)
	{
		EState	   *estate = CreateExecutorState();
		ExprState  *state = ExecPrepareExpr(param->default_expr, estate);
		Datum		value = ExecEvalExprSwitchContext(state, GetPerTupleExprContext(estate), &call->nulls[n]);
		int16		len;
		bool		byval;

		get_typlenbyval(param->type, &len, &byval);
		call->values[n] = call->nulls[n] ? (Datum) 0 : datumCopy(value, byval, len);
		FreeExecutorState(estate);
		return;
	}
	call->values[n] = param->default_value;
	call->nulls[n] = param->default_isnull;
}

/* Sources */

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = pg_tolower((unsigned char) c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decode len bytes of a query string; NULL if they are no valid text. */
static char *
decode_query(const char *s, int len)
{
	char	   *out = palloc(len + 1);
	int			n = 0;

	for (int i = 0; i < len; i++)
	{
		if (s[i] == '+')
			out[n++] = ' ';
		else if (s[i] == '%')
		{
			int			high = i + 2 < len ? hex_digit(s[i + 1]) : -1;
			int			low = i + 2 < len ? hex_digit(s[i + 2]) : -1;

			if (high < 0 || low < 0 || (high == 0 && low == 0))
				return NULL;
			out[n++] = high << 4 | low;
			i += 2;
		}
		else
			out[n++] = s[i];
	}
	out[n] = '\0';
	return pg_verify_mbstr(GetDatabaseEncoding(), out, n, true) ? out : NULL;
}

/* Split the query string into call->query_pairs; false: it is broken. */
static bool
split_query(Call *call)
{
	const char *s = call->in->query;

	while (s != NULL && *s != '\0')
	{
		const char *end = s + strcspn(s, "&");
		const char *equals = memchr(s, '=', end - s);
		Header	   *pair = palloc(sizeof(Header));

		if (end > s)
		{
			pair->name = decode_query(s, (equals != NULL ? equals : end) - s);
			pair->value = equals != NULL ? decode_query(equals + 1, end - equals - 1) : "";
			if (pair->name == NULL || pair->value == NULL)
				return false;
			call->query_pairs = lappend(call->query_pairs, pair);
		}
		s = *end == '\0' ? NULL : end + 1;
	}
	return true;
}

static int
find_param(const Route *route, ParamSource source, const char *name)
{
	for (int i = 0; i < route->nparams; i++)
		if (route->params[i].source == source && strcmp(route->params[i].name, name) == 0)
			return i;
	return -1;
}

static void
bind_query(Call *call, Bitmapset **bound)
{
	ListCell   *cell;

	foreach(cell, call->query_pairs)
	{
		Header	   *pair = lfirst(cell);
		int			n = find_param(call->route, FROM_QUERY, pair->name);

		if (n < 0)
			fault(call, pair->name, "unknown_parameter", NULL);
		else if (bms_is_member(n, *bound))
			fault(call, pair->name, "repeated_parameter", NULL);
		else
		{
			*bound = bms_add_member(*bound, n);
			bind_value(call, n, NULL, pair->value);
		}
	}
}

/* A path placeholder: a bad id is an address that does not exist. */
static bool
bind_path(Call *call, Bitmapset **bound)
{
	for (int i = 0; i < call->route->nparams; i++)
	{
		const Parameter *param = &call->route->params[i];
		const char *s;

		if (param->source != FROM_PATH)
			continue;
		s = call->in->path[param->path_index];
		if (param->type == INT8OID &&
			(*s < '1' || *s > '9' || strlen(s) > 19 || strspn(s, "0123456789") != strlen(s)))
			return false;
		if (bind_scalar(param->type, SC_JSON_NULL, s, &call->values[i]) != NULL)
			return false;
		call->nulls[i] = false;
		*bound = bms_add_member(*bound, i);
	}
	return true;
}

static void
bind_body(Call *call, Bitmapset **bound)
{
	ScJsonDoc  *doc = call->doc;

	for (int i = 0; doc != NULL && i < doc->count; i++)
	{
		const ScJsonValue *item = &doc->items[i];
		int			n = find_param(call->route, FROM_BODY, item->name);

		if (n < 0)
		{
			fault(call, item->name, "unknown_field", NULL);
			continue;
		}
		call->given = lappend(call->given, unconstify(char *, item->name));
		*bound = bms_add_member(*bound, n);
		if (item->kind != SC_JSON_NULL)
			bind_value(call, n, item, NULL);
		else if (call->route->params[n].required)
			fault(call, item->name, "required", NULL);
		else
			call->nulls[n] = true;
	}
}

static Datum
given_array(List *given)
{
	Datum	   *values = palloc(Max(list_length(given), 1) * sizeof(Datum));
	ListCell   *cell;

	foreach(cell, given)
		values[foreach_current_index(cell)] = CStringGetTextDatum(lfirst(cell));
	return PointerGetDatum(construct_array(values, list_length(given), TEXTOID, -1, false, TYPALIGN_INT));
}

/* Reserved parameters; false: not one. */
static bool
bind_reserved(Call *call, int n)
{
	Input	   *in = call->in;

	switch (call->route->params[n].source)
	{
		case FROM_ACTOR:
			call->values[n] = Int64GetDatum(in->actor);
			call->nulls[n] = in->anonymous;
			return true;
		case FROM_JTI:
			call->nulls[n] = in->jti == NULL;
			call->values[n] = UUIDPGetDatum(in->jti);
			return true;
		case FROM_GIVEN:
			call->values[n] = given_array(call->given);
			call->nulls[n] = false;
			return true;
		case FROM_WHOLE_BODY:
			call->nulls[n] = in->body == NULL || call->doc == NULL;
			if (!call->nulls[n])
				call->values[n] = DirectFunctionCall1(jsonb_in, CStringGetDatum(in->body));
			return true;
		case FROM_CTX:
			call->nulls[n] = in->ctx == NULL;
			if (in->ctx != NULL)
				call->values[n] = DirectFunctionCall1(jsonb_in, CStringGetDatum(in->ctx));
			return true;
		case FROM_RAW:
			call->nulls[n] = in->body == NULL;
			if (in->body != NULL)
				call->values[n] = PointerGetDatum(cstring_to_text_with_len(in->body, in->body_len));
			return true;
		default:
			return false;
	}
}

/* What is no number at all has been found wrong already, and is NULL here. */
static void
check_paging(Call *call)
{
	int			page = find_param(call->route, FROM_QUERY, "page");
	int			per_page = find_param(call->route, FROM_QUERY, "per_page");

	if (!call->route->paged || page < 0 || per_page < 0)
		return;
	call->page = DatumGetInt32(call->values[page]);
	call->per_page = DatumGetInt32(call->values[per_page]);
	if (!call->nulls[page] && (call->page < 1 || call->page > MAX_PAGE))
		fault(call, "page", "out_of_range", psprintf("{\"min\":1,\"max\":%d}", MAX_PAGE));
	if (!call->nulls[per_page] && (call->per_page < 1 || call->per_page > MAX_PER_PAGE))
		fault(call, "per_page", "out_of_range", psprintf("{\"min\":1,\"max\":%d}", MAX_PER_PAGE));
}

static bool
takes(const Route *route, ParamSource source)
{
	for (int i = 0; i < route->nparams; i++)
		if (route->params[i].source == source)
			return true;
	return false;
}

/* Read the body as JSON; false: the request has failed. */
static bool
parse_body(Call *call)
{
	Input	   *in = call->in;
	ScJsonDoc  *doc;

	if (!call->route->takes_json || in->body == NULL || in->body_len == 0)
		return true;
	if (takes(call->route, FROM_RAW))
		return true;
	doc = palloc(sizeof(ScJsonDoc));
	if (!sc_json_parse(doc, in->body, in->body_len))
	{
		dispatch_fail(call, 400, doc->fault,
					  doc->fault_offset >= 0 ? psprintf("{\"offset\":%d}", doc->fault_offset) : NULL);
		return false;
	}
	if (doc->kind != SC_JSON_OBJECT && !takes(call->route, FROM_WHOLE_BODY))
	{
		dispatch_fail(call, 422, "object_expected", NULL);
		return false;
	}
	call->doc = doc;
	return true;
}

/*
 * Bind every parameter.  False: the request has failed and call->problem says
 * how.  Raises only out of an input function, with call->binding set.
 */
bool
dispatch_bind(Call *call)
{
	const Route *route = call->route;
	Bitmapset  *bound = NULL;

	call->values = palloc0(Max(route->nparams, 1) * sizeof(Datum));
	call->nulls = palloc(Max(route->nparams, 1) * sizeof(bool));
	memset(call->nulls, true, Max(route->nparams, 1));
	call->field_errors = call->given = call->query_pairs = NIL;
	call->nfaults = 0;

	if (call->in->npath != route->npath || !bind_path(call, &bound))
	{
		dispatch_fail(call, 404, "not_found", NULL);
		return false;
	}
	if (!split_query(call))
	{
		dispatch_fail(call, 400, "invalid_query", NULL);
		return false;
	}
	if (!parse_body(call))
		return false;
	bind_query(call, &bound);
	if (call->doc != NULL && call->doc->kind == SC_JSON_OBJECT &&
		(takes(route, FROM_BODY) || !takes(route, FROM_WHOLE_BODY)))
		bind_body(call, &bound);
	for (int i = 0; i < route->nparams; i++)
	{
		if (bms_is_member(i, bound) || bind_reserved(call, i))
			continue;
		if (route->params[i].required)
			fault(call, route->params[i].name, "required", NULL);
		else
			bind_default(call, i);
	}
	check_paging(call);
	if (call->field_errors == NIL)
		return true;
	dispatch_fail(call, 422, "invalid_fields", NULL);
	return false;
}
