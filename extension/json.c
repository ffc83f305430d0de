/*
 * json.c
 *		Strict reading of request bodies, fast writing of answers.
 *
 * Reading stands on PostgreSQL's JSON grammar and adds what jsonb forgives: a
 * name that occurs twice in an object, at any depth, is a fault, and so are
 * \u0000 and nesting beyond 64 levels.  Only the outermost level is taken
 * apart; what lies deeper stays text for the types' own input functions.
 *
 * Writing looks up once per type and backend how its values are written: as
 * JSON numbers and booleans, times as RFC 3339 in UTC, multiranges as
 * [{"from":1,"to":2}], json and jsonb as they are, what JSON cannot say (NaN,
 * infinity) as null, anything else as a string of its output function.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "common/jsonapi.h"
#include "common/shortest_dec.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/multirangetypes.h"
#include "utils/rangetypes.h"
#include "utils/syscache.h"
#include "utils/typcache.h"
#include "utils/uuid.h"

#include "extension/student_coach.h"

#define MAX_DEPTH 64

/* Reading */

/* The names seen in one object, to find one that occurs twice. */
typedef struct Names
{
	int			count;
	int			allocated;
	char	  **names;
} Names;

typedef struct Reader
{
	ScJsonDoc  *doc;
	JsonLexContext *lex;
	Names		objects[MAX_DEPTH + 1]; /* by level */
	bool		repeated;
	ScJsonValue current;
} Reader;

/*
 * Nesting is measured before the recursive parser runs.  Brackets in strings do
 * not count; text that is not JSON at all is the parser's to refuse.
 */
static bool
too_deep(const char *text, int len)
{
	int			depth = 0;
	bool		in_string = false;

	for (int i = 0; i < len; i++)
	{
		char		c = text[i];

		if (in_string)
		{
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		}
		else if (c == '"')
			in_string = true;
		else if (c == '{' || c == '[')
		{
			if (++depth > MAX_DEPTH)
				return true;
		}
		else if (c == '}' || c == ']')
			depth--;
	}
	return false;
}

static ScJsonKind
token_kind(JsonTokenType token)
{
	switch (token)
	{
		case JSON_TOKEN_STRING:
			return SC_JSON_STRING;
		case JSON_TOKEN_NUMBER:
			return SC_JSON_NUMBER;
		case JSON_TOKEN_TRUE:
		case JSON_TOKEN_FALSE:
			return SC_JSON_BOOL;
		default:
			return SC_JSON_NULL;
	}
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

static void
read_object_start(void *state)
{
	Reader	   *reader = state;

	if (reader->lex->lex_level == 0)
		reader->doc->kind = SC_JSON_OBJECT;
	reader->objects[reader->lex->lex_level].count = 0;
}

static void
read_object_end(void *state)
{
	Reader	   *reader = state;
	Names	   *names = &reader->objects[reader->lex->lex_level];

	if (names->count < 2)
		return;
	qsort(names->names, names->count, sizeof(char *), compare_names);
	for (int i = 1; i < names->count; i++)
		if (strcmp(names->names[i - 1], names->names[i]) == 0)
			reader->repeated = true;
}

static void
read_array_start(void *state)
{
	Reader	   *reader = state;

	if (reader->lex->lex_level == 0)
		reader->doc->kind = SC_JSON_ARRAY;
}

/* A member or element of the outermost level begins at the current token. */
static void
start_item(Reader *reader, const char *name)
{
	JsonTokenType token = reader->lex->token_type;

	reader->current = (ScJsonValue) {.name = name, .raw = reader->lex->token_start};
	if (token == JSON_TOKEN_OBJECT_START)
		reader->current.kind = SC_JSON_OBJECT;
	else if (token == JSON_TOKEN_ARRAY_START)
		reader->current.kind = SC_JSON_ARRAY;
	else
		reader->current.kind = token_kind(token);
}

static void
end_item(Reader *reader)
{
	ScJsonDoc  *doc = reader->doc;

	reader->current.raw_len = reader->lex->prev_token_terminator - reader->current.raw;
	if (doc->count == doc->allocated)
	{
		doc->allocated = Max(8, doc->allocated * 2);
		doc->items = doc->items == NULL
			? palloc(doc->allocated * sizeof(ScJsonValue))
			: repalloc(doc->items, doc->allocated * sizeof(ScJsonValue));
	}
	doc->items[doc->count++] = reader->current;
}

static void
read_field_start(void *state, char *name, bool isnull)
{
	Reader	   *reader = state;
	int			level = reader->lex->lex_level;
	Names	   *names = &reader->objects[level - 1];

	CHECK_FOR_INTERRUPTS();
	if (names->count == names->allocated)
	{
		names->allocated = Max(8, names->allocated * 2);
		names->names = names->names == NULL
			? palloc(names->allocated * sizeof(char *))
			: repalloc(names->names, names->allocated * sizeof(char *));
	}
	names->names[names->count++] = name;
	if (level == 1)
		start_item(reader, name);
}

static void
read_field_end(void *state, char *name, bool isnull)
{
	Reader	   *reader = state;

	if (reader->lex->lex_level == 1)
		end_item(reader);
}

static void
read_element_start(void *state, bool isnull)
{
	Reader	   *reader = state;

	CHECK_FOR_INTERRUPTS();
	if (reader->lex->lex_level == 1 && reader->doc->kind == SC_JSON_ARRAY)
		start_item(reader, NULL);
}

static void
read_element_end(void *state, bool isnull)
{
	Reader	   *reader = state;

	if (reader->lex->lex_level == 1 && reader->doc->kind == SC_JSON_ARRAY)
		end_item(reader);
}

static void
read_scalar(void *state, char *token, JsonTokenType type)
{
	Reader	   *reader = state;

	if (reader->lex->lex_level == 0)
		reader->doc->kind = token_kind(type);
	else if (reader->lex->lex_level == 1)
		reader->current.text = token;
}

/*
 * Take the outermost level of a JSON text apart.  False with doc->fault set if
 * the text is no JSON or one that we refuse.  The text must be valid in the
 * database's encoding and must outlive doc.
 */
bool
sc_json_parse(ScJsonDoc *doc, const char *text, int len)
{
	Reader		reader = {.doc = doc};
	JsonSemAction actions = {
		.semstate = &reader,
		.object_start = read_object_start,
		.object_end = read_object_end,
		.array_start = read_array_start,
		.object_field_start = read_field_start,
		.object_field_end = read_field_end,
		.array_element_start = read_element_start,
		.array_element_end = read_element_end,
		.scalar = read_scalar,
	};
	JsonParseErrorType result;

	memset(doc, 0, sizeof(*doc));
	doc->fault_offset = -1;
	if (too_deep(text, len))
	{
		doc->fault = "json_too_deep";
		return false;
	}
	reader.lex = makeJsonLexContextCstringLen(unconstify(char *, text), len, GetDatabaseEncoding(), true);
	result = pg_parse_json(reader.lex, &actions);
	if (result != JSON_SUCCESS)
	{
		doc->fault = "invalid_json";
		doc->fault_offset = reader.lex->token_start != NULL ? reader.lex->token_start - text : len;

		return false;
	}
	if (reader.repeated)
	{
		doc->fault = "repeated_name";
		return false;
	}
	return true;
}

/* Writing */

typedef enum WriteKind
{
	WRITE_BOOL,
	WRITE_INT2,
	WRITE_INT4,
	WRITE_INT8,
	WRITE_FLOAT4,
	WRITE_FLOAT8,
	WRITE_NUMERIC,
	WRITE_TEXT,					/* any type that is text inside */
	WRITE_TIMESTAMPTZ,
	WRITE_DATE,
	WRITE_UUID,
	WRITE_JSON,
	WRITE_JSONB,
	WRITE_ARRAY,
	WRITE_COMPOSITE,
	WRITE_MULTIRANGE,
	WRITE_OUTPUT				/* a string of the output function */
} WriteKind;

/* How values of a type are written; kept for the backend's life. */
typedef struct Writer
{
	Oid			type;			/* hash key */
	bool		valid;
	WriteKind	kind;
	FmgrInfo	output;			/* WRITE_OUTPUT, WRITE_NUMERIC */
	Oid			element;		/* arrays */
	int16		element_len;
	bool		element_byval;
	char		element_align;
	TypeCacheEntry *typcache;	/* multiranges */
	uint64		desc_id;		/* composites: what keys were made from */
	int			ncolumns;
	char	  **keys;			/* ready to append: ,"name": */
	MemoryContext mcxt;			/* of keys */
} Writer;

static HTAB *writers = NULL;

static void write_with(StringInfo out, Datum value, Writer *writer);

/* Append a JSON string. */
void
sc_json_string(StringInfo out, const char *s, int len)
{
	const char *end = s + len;
	const char *plain = s;

	enlargeStringInfo(out, len + 2);
	appendStringInfoCharMacro(out, '"');
	for (const char *p = s; p < end; p++)
	{
		unsigned char c = *p;
		char		escape;

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		appendBinaryStringInfo(out, plain, p - plain);
		plain = p + 1;
		switch (c)
		{
			case '"':
			case '\\':
				escape = c;
				break;
			case '\b':
				escape = 'b';
				break;
			case '\f':
				escape = 'f';
				break;
			case '\n':
				escape = 'n';
				break;
			case '\r':
				escape = 'r';
				break;
			case '\t':
				escape = 't';
				break;
			default:
				appendStringInfo(out, "\\u%04x", c);
				continue;
		}
		appendStringInfoCharMacro(out, '\\');
		appendStringInfoCharMacro(out, escape);
	}
	appendBinaryStringInfo(out, plain, end - plain);
	appendStringInfoCharMacro(out, '"');
}

void
sc_json_cstring(StringInfo out, const char *s)
{
	sc_json_string(out, s, strlen(s));
}

static void
write_jsonb_scalar(StringInfo out, const JsonbValue *v)
{
	switch (v->type)
	{
		case jbvString:
			sc_json_string(out, v->val.string.val, v->val.string.len);
			break;
		case jbvNumeric:
			appendStringInfoString(out, DatumGetCString(DirectFunctionCall1(numeric_out,
																			NumericGetDatum(v->val.numeric))));
			break;
		case jbvBool:
			appendStringInfoString(out, v->val.boolean ? "true" : "false");
			break;
		default:
			appendBinaryStringInfo(out, "null", 4);
			break;
	}
}

/* Append a jsonb without the blanks that its output function puts in. */
void
sc_json_jsonb(StringInfo out, Jsonb *jsonb)
{
	JsonbIterator *it = JsonbIteratorInit(&jsonb->root);
	JsonbIteratorToken token;
	JsonbValue	v;
	bool		first = true;
	bool		scalar = JB_ROOT_IS_SCALAR(jsonb);

	while ((token = JsonbIteratorNext(&it, &v, false)) != WJB_DONE)
	{
		bool		opens = token == WJB_BEGIN_OBJECT || token == WJB_BEGIN_ARRAY;

		CHECK_FOR_INTERRUPTS();
		if (!first && (opens || token == WJB_KEY || token == WJB_ELEM))
			appendStringInfoChar(out, ',');
		first = opens || token == WJB_KEY;
		if (token == WJB_BEGIN_OBJECT)
			appendStringInfoChar(out, '{');
		else if (token == WJB_END_OBJECT)
			appendStringInfoChar(out, '}');
		else if (token == WJB_BEGIN_ARRAY && !scalar)
			appendStringInfoChar(out, '[');
		else if (token == WJB_END_ARRAY && !scalar)
			appendStringInfoChar(out, ']');
		else if (token == WJB_KEY || token == WJB_VALUE || token == WJB_ELEM)
			write_jsonb_scalar(out, &v);
		if (token == WJB_KEY)
			appendStringInfoChar(out, ':');
	}
}

static WriteKind
kind_of(Oid type, Writer *writer)
{
	Oid			output;
	bool		is_varlena;

	switch (type)
	{
		case BOOLOID:
			return WRITE_BOOL;
		case INT2OID:
			return WRITE_INT2;
		case INT4OID:
			return WRITE_INT4;
		case INT8OID:
			return WRITE_INT8;
		case FLOAT4OID:
			return WRITE_FLOAT4;
		case FLOAT8OID:
			return WRITE_FLOAT8;
		case NUMERICOID:
			return WRITE_NUMERIC;
		case TEXTOID:
		case VARCHAROID:
			return WRITE_TEXT;
		case TIMESTAMPTZOID:
			return WRITE_TIMESTAMPTZ;
		case DATEOID:
			return WRITE_DATE;
		case UUIDOID:
			return WRITE_UUID;
		case JSONOID:
			return WRITE_JSON;
		case JSONBOID:
			return WRITE_JSONB;
	}
	if (type_is_rowtype(type))
		return WRITE_COMPOSITE;
	if (type_is_multirange(type))
	{
		writer->typcache = lookup_type_cache(type, TYPECACHE_MULTIRANGE_INFO);
		return WRITE_MULTIRANGE;
	}
	writer->element = get_element_type(type);
	if (OidIsValid(writer->element))
	{
		get_typlenbyvalalign(writer->element, &writer->element_len,
							 &writer->element_byval, &writer->element_align);
		return WRITE_ARRAY;
	}
	getTypeOutputInfo(type, &output, &is_varlena);
	fmgr_info_cxt(output, &writer->output, CacheMemoryContext);
	return WRITE_OUTPUT;
}

static Writer *
writer_of(Oid type)
{
	Writer	   *writer;
	bool		found;

	if (writers == NULL)
	{
		HASHCTL		ctl = {.keysize = sizeof(Oid), .entrysize = sizeof(Writer), .hcxt = CacheMemoryContext};

		writers = hash_create("sc JSON writers", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	writer = hash_search(writers, &type, HASH_ENTER, &found);
	if (!found)
	{
		/* valid only when complete: looking a type up may fail half-way */
		memset(writer, 0, sizeof(*writer));
		writer->type = type;
	}
	if (!writer->valid)
	{
		writer->kind = kind_of(getBaseType(type), writer);
		writer->valid = true;
	}
	return writer;
}

/* Make the keys of a composite type anew if it has changed. */
static void
refresh_keys(Writer *writer, TupleDesc desc, uint64 desc_id)
{
	MemoryContext mcxt;
	MemoryContext caller;
	char	  **keys;

	if (writer->keys != NULL && writer->desc_id == desc_id)
		return;
	mcxt = AllocSetContextCreate(CacheMemoryContext, "sc JSON keys", ALLOCSET_SMALL_SIZES);
	caller = MemoryContextSwitchTo(mcxt);
	keys = palloc0(desc->natts * sizeof(char *));
	for (int i = 0; i < desc->natts; i++)
	{
		StringInfoData key;

		initStringInfo(&key);
		appendStringInfoChar(&key, ',');
		sc_json_cstring(&key, NameStr(TupleDescAttr(desc, i)->attname));
		appendStringInfoChar(&key, ':');
		keys[i] = key.data;
	}
	MemoryContextSwitchTo(caller);
	if (writer->mcxt != NULL)
		MemoryContextDelete(writer->mcxt);
	writer->mcxt = mcxt;
	writer->keys = keys;
	writer->ncolumns = desc->natts;
	writer->desc_id = desc_id;
}

static void
write_columns(StringInfo out, TupleDesc desc, const Datum *values, const bool *nulls, char **keys)
{
	bool		first = true;

	appendStringInfoCharMacro(out, '{');
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (att->attisdropped)
			continue;
		if (keys != NULL)
			appendStringInfoString(out, first ? keys[i] + 1 : keys[i]);
		else
		{
			if (!first)
				appendStringInfoCharMacro(out, ',');
			sc_json_cstring(out, NameStr(att->attname));
			appendStringInfoCharMacro(out, ':');
		}
		first = false;
		if (nulls[i])
			appendBinaryStringInfo(out, "null", 4);
		else
			sc_json_datum(out, values[i], att->atttypid);
	}
	appendStringInfoCharMacro(out, '}');
}

/* Append a row as an object.  The descriptor may be anonymous. */
void
sc_json_row(StringInfo out, TupleDesc desc, const Datum *values, const bool *nulls)
{
	char	  **keys = NULL;

	check_stack_depth();
	if (desc->tdtypeid != RECORDOID)
	{
		Writer	   *writer = writer_of(desc->tdtypeid);

		refresh_keys(writer, desc, assign_record_type_identifier(desc->tdtypeid, desc->tdtypmod));
		keys = writer->keys;
	}
	write_columns(out, desc, values, nulls, keys);
}

static void
write_composite(StringInfo out, Datum value)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(value);
	TupleDesc	desc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header),
											  HeapTupleHeaderGetTypMod(header));
	HeapTupleData tuple = {
		.t_len = HeapTupleHeaderGetDatumLength(header),
		.t_data = header,
	};
	Datum	   *values = palloc(desc->natts * sizeof(Datum));
	bool	   *nulls = palloc(desc->natts * sizeof(bool));

	heap_deform_tuple(&tuple, desc, values, nulls);
	sc_json_row(out, desc, values, nulls);
	ReleaseTupleDesc(desc);
	pfree(values);
	pfree(nulls);
}

/* One dimension of an array; advances *next and *index over what it writes. */
static void
write_dimension(StringInfo out, Writer *element, const Writer *array, int ndim, const int *dims,
				char **next, const bits8 *nulls, int *index)
{
	appendStringInfoCharMacro(out, '[');
	for (int i = 0; i < dims[0]; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (i > 0)
			appendStringInfoCharMacro(out, ',');
		if (ndim > 1)
		{
			write_dimension(out, element, array, ndim - 1, dims + 1, next, nulls, index);
			continue;
		}
		if (nulls != NULL && (nulls[*index / 8] & (1 << (*index % 8))) == 0)
			appendBinaryStringInfo(out, "null", 4);
		else
		{
			write_with(out, fetch_att(*next, array->element_byval, array->element_len), element);
			*next = att_addlength_pointer(*next, array->element_len, *next);
			*next = (char *) att_align_nominal(*next, array->element_align);
		}
		(*index)++;
	}
	appendStringInfoCharMacro(out, ']');
}

static void
write_array(StringInfo out, Datum value, const Writer *writer)
{
	ArrayType  *array = DatumGetArrayTypeP(value);
	char	   *next = ARR_DATA_PTR(array);
	int			index = 0;

	if (ARR_NDIM(array) == 0)
		appendBinaryStringInfo(out, "[]", 2);
	else
		write_dimension(out, writer_of(writer->element), writer, ARR_NDIM(array), ARR_DIMS(array),
						&next, ARR_NULLBITMAP(array), &index);
}

static void
write_multirange(StringInfo out, Datum value, const Writer *writer)
{
	TypeCacheEntry *range = writer->typcache->rngtype;
	MultirangeType *multirange = DatumGetMultirangeTypeP(value);
	Writer	   *bound = writer_of(range->rngelemtype->type_id);

	appendStringInfoCharMacro(out, '[');
	for (int i = 0; i < multirange->rangeCount; i++)
	{
		RangeBound	lower;
		RangeBound	upper;

		multirange_get_bounds(range, multirange, i, &lower, &upper);
		appendStringInfoString(out, i > 0 ? ",{\"from\":" : "{\"from\":");
		if (lower.infinite)
			appendBinaryStringInfo(out, "null", 4);
		else
			write_with(out, lower.val, bound);
		appendStringInfoString(out, ",\"to\":");
		if (upper.infinite)
			appendBinaryStringInfo(out, "null", 4);
		else
			write_with(out, upper.val, bound);
		appendStringInfoCharMacro(out, '}');
	}
	appendStringInfoCharMacro(out, ']');
}

/* year-month-day; these, and times, are in nearly every answer, so printf is spared */
static char *
put_day(char *p, int year, int month, int day)
{
	p = pg_ultostr_zeropad(p, year, 4);
	*p++ = '-';
	p = pg_ultostr_zeropad(p, month, 2);
	*p++ = '-';
	return pg_ultostr_zeropad(p, day, 2);
}

/* RFC 3339 in UTC, with as many digits of the second as there are. */
static void
write_timestamptz(StringInfo out, TimestampTz value)
{
	struct pg_tm tm;
	fsec_t		fsec;
	char		digits[40];
	char	   *p = digits;

	if (TIMESTAMP_NOT_FINITE(value) || timestamp2tm(value, NULL, &tm, &fsec, NULL, NULL) != 0 || tm.tm_year <= 0)
	{
		appendBinaryStringInfo(out, "null", 4);
		return;
	}
	*p++ = '"';
	p = put_day(p, tm.tm_year, tm.tm_mon, tm.tm_mday);
	*p++ = 'T';
	p = pg_ultostr_zeropad(p, tm.tm_hour, 2);
	*p++ = ':';
	p = pg_ultostr_zeropad(p, tm.tm_min, 2);
	*p++ = ':';
	p = pg_ultostr_zeropad(p, tm.tm_sec, 2);
	if (fsec != 0)
	{
		*p++ = '.';
		p = pg_ultostr_zeropad(p, fsec, 6);
		while (p[-1] == '0')
			p--;
	}
	*p++ = 'Z';
	*p++ = '"';
	appendBinaryStringInfo(out, digits, p - digits);
}

static void
write_date(StringInfo out, DateADT value)
{
	int			year;
	int			month;
	int			day;
	char		digits[40];

	j2date(value + POSTGRES_EPOCH_JDATE, &year, &month, &day);
	if (DATE_NOT_FINITE(value) || year <= 0)
	{
		appendBinaryStringInfo(out, "null", 4);
		return;
	}
	appendStringInfoChar(out, '"');
	appendBinaryStringInfo(out, digits, put_day(digits, year, month, day) - digits);
	appendStringInfoChar(out, '"');
}

static void
write_uuid(StringInfo out, const pg_uuid_t *uuid)
{
	static const char hex[] = "0123456789abcdef";
	char		buf[38];
	char	   *p = buf;

	*p++ = '"';
	for (int i = 0; i < UUID_LEN; i++)
	{
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = hex[uuid->data[i] >> 4];
		*p++ = hex[uuid->data[i] & 0x0f];
	}
	*p++ = '"';
	appendBinaryStringInfo(out, buf, sizeof(buf));
}

static void
write_number(StringInfo out, double value, bool single)
{
	char		buf[64];

	if (isnan(value) || isinf(value))
	{
		appendBinaryStringInfo(out, "null", 4);
		return;
	}
	if (single)
		float_to_shortest_decimal_buf((float) value, buf);
	else
		double_to_shortest_decimal_buf(value, buf);
	appendStringInfoString(out, buf);
}

static void
write_text(StringInfo out, Datum value)
{
	text	   *t = DatumGetTextPP(value);

	sc_json_string(out, VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t));
	if ((Pointer) t != DatumGetPointer(value))
		pfree(t);
}

static void
write_with(StringInfo out, Datum value, Writer *writer)
{
	char		buf[MAXINT8LEN + 1];

	switch (writer->kind)
	{
		case WRITE_BOOL:
			if (DatumGetBool(value))
				appendBinaryStringInfo(out, "true", 4);
			else
				appendBinaryStringInfo(out, "false", 5);
			break;
		case WRITE_INT2:
			appendBinaryStringInfo(out, buf, pg_ltoa(DatumGetInt16(value), buf));
			break;
		case WRITE_INT4:
			appendBinaryStringInfo(out, buf, pg_ltoa(DatumGetInt32(value), buf));
			break;
		case WRITE_INT8:
			appendBinaryStringInfo(out, buf, pg_lltoa(DatumGetInt64(value), buf));
			break;
		case WRITE_FLOAT4:
			write_number(out, DatumGetFloat4(value), true);
			break;
		case WRITE_FLOAT8:
			write_number(out, DatumGetFloat8(value), false);
			break;
		case WRITE_NUMERIC:
			{
				Numeric		number = DatumGetNumeric(value);

				if (numeric_is_nan(number) || numeric_is_inf(number))
					appendBinaryStringInfo(out, "null", 4);
				else
					appendStringInfoString(out, DatumGetCString(DirectFunctionCall1(numeric_out, value)));
				break;
			}
		case WRITE_TEXT:
			write_text(out, value);
			break;
		case WRITE_TIMESTAMPTZ:
			write_timestamptz(out, DatumGetTimestampTz(value));
			break;
		case WRITE_DATE:
			write_date(out, DatumGetDateADT(value));
			break;
		case WRITE_UUID:
			write_uuid(out, DatumGetUUIDP(value));
			break;
		case WRITE_JSON:
			{
				text	   *t = DatumGetTextPP(value);

				appendBinaryStringInfo(out, VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t));
				break;
			}
		case WRITE_JSONB:
			sc_json_jsonb(out, DatumGetJsonbP(value));
			break;
		case WRITE_ARRAY:
			write_array(out, value, writer);
			break;
		case WRITE_COMPOSITE:
			write_composite(out, value);
			break;
		case WRITE_MULTIRANGE:
			write_multirange(out, value, writer);
			break;
		case WRITE_OUTPUT:
			sc_json_cstring(out, OutputFunctionCall(&writer->output, value));
			break;
	}
}

/* Append a value of any type as JSON. */
void
sc_json_datum(StringInfo out, Datum value, Oid type)
{
	write_with(out, value, writer_of(type));
}

PG_FUNCTION_INFO_V1(sc_api_as_json);
PGDLLEXPORT Datum
sc_api_as_json(PG_FUNCTION_ARGS)
{
	StringInfoData out;

	initStringInfo(&out);
	if (PG_ARGISNULL(0))
		appendStringInfoString(&out, "null");
	else
		sc_json_datum(&out, PG_GETARG_DATUM(0), get_fn_expr_argtype(fcinfo->flinfo, 0));
	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(out.data)));
}
