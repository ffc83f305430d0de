/*
 * source.c
 *		Files that people upload: CSV, and where in a JSON text a thing stands.
 *
 * CSV is RFC 4180 with what spreadsheets make of it: a byte order mark, a
 * "sep=;" line, semicolons or tabs instead of commas (told from the header),
 * and a quoted field may hold line breaks.  Every record carries the line it
 * begins on, so that errors can be found in an editor; a record whose quotes
 * are never closed has no fields.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

/* What is being read. */
typedef struct CsvReader
{
	const char *p;
	const char *end;
	char		delimiter;
	int			line;
} CsvReader;

/* The mark that the first line holds most of, outside of quotes. */
static char
guess_delimiter(const char *p, const char *end)
{
	static const char marks[] = {',', ';', '\t'};
	int			count[lengthof(marks)] = {0};
	bool		quoted = false;
	int			best = 0;

	for (; p < end && (quoted || (*p != '\n' && *p != '\r')); p++)
	{
		if (*p == '"')
			quoted = !quoted;
		for (int i = 0; !quoted && i < lengthof(marks); i++)
			count[i] += *p == marks[i];
	}
	for (int i = 1; i < lengthof(marks); i++)
		if (count[i] > count[best])
			best = i;
	return marks[best];
}

/* Skip the byte order mark and a "sep=" line, and find the delimiter. */
static void
open_csv(CsvReader *r, const char *text, int len)
{
	r->p = text;
	r->end = text +len;

	r->line = 1;
	if (len >= 3 && memcmp(r->p, "\xEF\xBB\xBF", 3) == 0)
		r->p += 3;
	if (r->end - r->p >= 5 && pg_strncasecmp(r->p, "sep=", 4) == 0)
	{
		r->delimiter = r->p[4];
		r->p += 5;
		while (r->p < r->end && *r->p != '\n')
			r->p++;
		if (r->p < r->end)
			r->p++;
		r->line++;
	}
	else
		r->delimiter = guess_delimiter(r->p, r->end);
}

/*
 * Read a field into buf; returns whether another one follows in the record.
 * A quote that is never closed takes the rest of the file and sets *open.
 */
static bool
read_field(CsvReader *r, StringInfo buf, bool *open)
{
	bool		quoted = r->p < r->end && *r->p == '"';

	resetStringInfo(buf);
	if (quoted)
	{
		for (r->p++;; r->p++)
		{
			if (r->p >= r->end)
			{
				*open = true;
				return false;
			}
			if (*r->p == '"')
			{
				if (r->p + 1 >= r->end || r->p[1] != '"')
					break;
				r->p++;
			}
			if (*r->p == '\n')
				r->line++;
			appendStringInfoChar(buf, *r->p);
		}
		r->p++;
	}
	while (r->p < r->end && *r->p != r->delimiter && *r->p != '\n' && *r->p != '\r')
		appendStringInfoChar(buf, *r->p++);
	if (r->p < r->end && *r->p == r->delimiter)
	{
		r->p++;
		return true;
	}
	if (r->p < r->end && *r->p == '\r')
		r->p++;
	if (r->p < r->end && *r->p == '\n')
		r->p++;
	r->line++;
	return false;
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_csv_parse);
Datum
sc_csv_parse(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	text	   *source = PG_GETARG_TEXT_PP(0);
	CsvReader	r;
	StringInfoData buf;

	InitMaterializedSRF(fcinfo, 0);
	initStringInfo(&buf);
	open_csv(&r, VARDATA_ANY(source), VARSIZE_ANY_EXHDR(source));
	while (r.p < r.end)
	{
		Datum		values[2];
		bool		nulls[2] = {false, false};
		ArrayBuildState *fields = NULL;
		bool		more;
		bool		blank = true;
		bool		open = false;

		CHECK_FOR_INTERRUPTS();
		values[0] = Int32GetDatum(r.line);
		do
		{
			more = read_field(&r, &buf, &open);
			blank &= buf.len == 0;
			fields = accumArrayResult(fields, PointerGetDatum(cstring_to_text_with_len(buf.data, buf.len)),
									  false, TEXTOID, CurrentMemoryContext);
		} while (more);
		/* Spreadsheets leave lines of delimiters behind. */
		if (blank && !open)
			continue;
		nulls[1] = open;
		values[1] = makeArrayResult(fields, CurrentMemoryContext);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	PG_RETURN_VOID();
}

/*
 * Lines on which the elements of the outermost list of a JSON text begin:
 * [...] or {"questions": [...]}.
 */
PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_json_lines);
Datum
sc_json_lines(PG_FUNCTION_ARGS)
{
	text	   *source = PG_GETARG_TEXT_PP(0);
	const char *p = VARDATA_ANY(source);
	const char *end = p + VARSIZE_ANY_EXHDR(source);
	ArrayBuildState *lines = NULL;
	int			depth = 0;
	int			list = 0;		/* depth of the list; 0: not seen yet */
	int			line = 1;
	bool		quoted = false;
	bool		expected = false;	/* an element of the list comes next */

	for (; p < end; p++)
	{
		if (*p == '\n')
			line++;
		if (expected && *p != ' ' && *p != '\t' && *p != '\r' && *p != '\n')
		{
			expected = false;
			if (*p != ']')
				lines = accumArrayResult(lines, Int32GetDatum(line), false, INT4OID,
										 CurrentMemoryContext);
		}
		if (quoted)
		{
			if (*p == '\\')
				p++;
			else if (*p == '"')
				quoted = false;
			continue;
		}
		switch (*p)
		{
			case '"':
				quoted = true;
				break;
			case '[':
				depth++;
				if (list == 0)
				{
					list = depth;
					expected = true;
				}
				break;
			case '{':
				depth++;
				break;
			case ',':
				expected = depth == list;
				break;
			case ']':
			case '}':
				depth--;
				/* The list is over; what follows is none of it. */
				if (list > 0 && depth < list)
					list = PG_INT32_MAX;
				break;
		}
	}
	if (lines == NULL)
		PG_RETURN_ARRAYTYPE_P(construct_empty_array(INT4OID));
	PG_RETURN_DATUM(makeArrayResult(lines, CurrentMemoryContext));
}
