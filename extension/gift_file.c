/*
 * gift_file.c
 *		A GIFT file: a sequence of questions.
 *
 * Blank lines part the questions.  "//" at the start of a line is a comment,
 * "$CATEGORY: path" names the shelf of what follows.  Two comments mean
 * something: "// [tag:x]" gives the next question a tag, and GIFT_DIRECTIVE
 * carries what the grammar cannot say (see gift_write.c).
 */
#include "postgres.h"

#include <ctype.h>

#include "catalog/pg_type.h"
#include "common/jsonapi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"

#include "extension/gift.h"

/* A line of the file, without its end. */
typedef struct Line
{
	const char *s;
	int			len;
} Line;

static bool
next_line(const char **p, const char *end, Line *line)
{
	const char *nl;

	if (*p >= end)
		return false;
	nl = memchr(*p, '\n', end - *p);
	line->s = *p;
	line->len = (nl ? nl : end) - *p;
	*p = nl ? nl + 1 : end;
	if (line->len > 0 && line->s[line->len - 1] == '\r')
		line->len--;
	return true;
}

static bool
line_starts(const Line *line, const char *what)
{
	int			n = strlen(what);

	return line->len >= n && memcmp(line->s, what, n) == 0;
}

static bool
line_blank(const Line *line)
{
	for (int i = 0; i < line->len; i++)
		if (!isspace((unsigned char) line->s[i]))
			return false;
	return true;
}

/* Text of a tag: what it may not hold is written %5D, %25, %0D or %0A. */
static char *
tag_text(const char *s, int len)
{
	static const char *const codes[] = {"%5D", "%25", "%0D", "%0A"};
	char	   *tag = palloc(len + 1);
	int			n = 0;

	for (int i = 0; i < len; i++)
	{
		char		c = s[i];

		for (int k = 0; c == '%' && k < lengthof(codes) && i + 2 < len; k++)
			if (memcmp(s + i, codes[k], 3) == 0)
			{
				c = "]%\r\n"[k];
				i += 2;
				break;
			}
		tag[n++] = c;
	}
	tag[n] = '\0';
	return tag;
}

/* Tags that a comment names: "// [tag:one] [tag:two]". */
static List *
comment_tags(List *tags, const Line *line)
{
	const char *end = line->s + line->len;

	for (const char *p = line->s; p + 5 < end; p++)
	{
		const char *close;

		if (memcmp(p, "[tag:", 5) != 0)
			continue;
		close = memchr(p, ']', end - p);
		if (close == NULL)
			break;
		if (close > p + 5)
			tags = lappend(tags, tag_text(p + 5, close - p - 5));
		p = close;
	}
	return tags;
}

/* What a directive says overrides what was read. */
static void
apply_directive(GiftQuestion *q, const char *json)
{
	JsonbValue	root;
	JsonbValue	v;
	Jsonb	   *jb = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json)));
	struct
	{
		const char *name;
		char	  **field;
		bool		json;
	}			fields[] = {
		{"name", &q->name, false},
		{"prompt", &q->prompt, false},
		{"explanation", &q->explanation, false},
		{"options", &q->options, true},
		{"key", &q->key, true},
	};

	sc_jb_root(jb, &root);
	if (sc_jb_get(&root, "type", &v) && v.type == jbvString)
		q->type = sc_question_type_find(v.val.string.val, v.val.string.len);
	for (int i = 0; i < lengthof(fields); i++)
	{
		if (!sc_jb_get(&root, fields[i].name, &v))
			continue;
		if (fields[i].json)
			*fields[i].field = JsonbToCString(NULL, &JsonbValueToJsonb(&v)->root, 0);
		else if (v.type == jbvString)
			*fields[i].field = pnstrdup(v.val.string.val, v.val.string.len);
	}

	/*
	 * The answers stood in for something else; what was wrong with them is
	 * nobody's fault.
	 */
	if (q->type >= 0)
		q->errors = NIL;
}

/* Is this text JSON?  Asked of comments only, so that none is ever an error. */
static bool
is_json(const char *s)
{
	JsonLexContext *lex = makeJsonLexContextCstringLen(pstrdup(s), strlen(s), GetDatabaseEncoding(), true);
	JsonSemAction none = {0};

	return pg_parse_json(lex, &none) == JSON_SUCCESS;
}

/*
 * Read a whole file.  Returns a list of GiftQuestion; a question with errors
 * is in it as far as it could be read.
 */
List *
sc_gift_read(const char *text, int len)
{
	const char *p = text;
	const char *end = text +len;
	List	   *questions = NIL;
	List	   *tags = NIL;
	char	   *category = NULL;
	char	   *directive = NULL;
	StringInfoData block;
	int			block_line = 0;
	int			number = 0;
	Line		line;
	bool		more;

	/* A byte order mark is what Windows editors leave. */
	if (len >= 3 && memcmp(p, "\xEF\xBB\xBF", 3) == 0)
		p += 3;
	initStringInfo(&block);
	do
	{
		CHECK_FOR_INTERRUPTS();
		more = next_line(&p, end, &line);
		number++;
		if (!more || line_blank(&line))
		{
			if (block_line > 0)
			{
				GiftQuestion *q = palloc0(sizeof(GiftQuestion));

				q->line = block_line;
				q->type = -1;
				q->category = category;
				q->tags = tags;
				q->options = "[]";
				q->key = "{}";
				sc_gift_read_question(q, block.data, block.len);
				if (directive != NULL)
					apply_directive(q, directive);
				questions = lappend(questions, q);
				tags = NIL;
				directive = NULL;
			}
			resetStringInfo(&block);
			block_line = 0;
			continue;
		}

		/*
		 * Comments count as empty lines inside a block: the numbers stay
		 * right.
		 */
		if (line_starts(&line, "//"))
		{
			int			n = strlen(GIFT_DIRECTIVE);

			if (line_starts(&line, GIFT_DIRECTIVE))
			{
				char	   *json = pnstrdup(line.s + n, line.len - n);

				if (is_json(json))
					directive = json;
			}
			else
				tags = comment_tags(tags, &line);
			line.len = 0;
		}
		else if (block_line == 0 && line_starts(&line, "$CATEGORY:"))
		{
			category = sc_gift_unescape(line.s + 10, line.len - 10);
			continue;
		}
		else if (block_line == 0)
			block_line = number;
		if (block_line > 0)
		{
			appendBinaryStringInfo(&block, line.s, line.len);
			appendStringInfoChar(&block, '\n');
		}
	} while (more);
	return questions;
}

/* --- SQL ---------------------------------------------------------------- */

#define GIFT_COLUMNS 11

static Datum
errors_jsonb(List *errors)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	appendStringInfoChar(&buf, '[');
	foreach(lc, errors)
	{
		GiftError  *e = lfirst(lc);

		appendStringInfo(&buf, "%s{\"line\":%d,\"code\":\"%s\",\"message\":",
						 buf.len > 1 ? "," : "", e->line, e->code);
		escape_json(&buf, e->message);
		appendStringInfoChar(&buf, '}');
	}
	appendStringInfoChar(&buf, ']');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(buf.data));
}

static Datum
tags_array(List *tags)
{
	Datum	   *d = palloc(sizeof(Datum) * Max(list_length(tags), 1));
	int			n = 0;
	ListCell   *lc;

	foreach(lc, tags)
		d[n++] = CStringGetTextDatum(lfirst(lc));
	return PointerGetDatum(construct_array(d, n, TEXTOID, -1, false, TYPALIGN_INT));
}

static void
put_text(Datum *values, bool *nulls, int at, const char *s)
{
	nulls[at] = s == NULL;
	if (s != NULL)
		values[at] = CStringGetTextDatum(s);
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_gift_parse);
Datum
sc_gift_parse(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	text	   *source = PG_GETARG_TEXT_PP(0);
	List	   *questions;
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	questions = sc_gift_read(VARDATA_ANY(source), VARSIZE_ANY_EXHDR(source));
	foreach(lc, questions)
	{
		GiftQuestion *q = lfirst(lc);
		Datum		values[GIFT_COLUMNS] = {0};
		bool		nulls[GIFT_COLUMNS] = {false};

		values[0] = Int32GetDatum(q->line);
		put_text(values, nulls, 1, q->name);
		put_text(values, nulls, 2, q->category);
		put_text(values, nulls, 3, q->type >= 0 ? sc_question_type_names[q->type] : NULL);
		put_text(values, nulls, 4, q->prompt);
		put_text(values, nulls, 5, q->format);
		values[6] = DirectFunctionCall1(jsonb_in, CStringGetDatum(q->options));
		values[7] = DirectFunctionCall1(jsonb_in, CStringGetDatum(q->key));
		put_text(values, nulls, 8, q->explanation);
		values[9] = tags_array(q->tags);
		nulls[10] = q->errors == NIL;
		if (q->errors != NIL)
			values[10] = errors_jsonb(q->errors);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	PG_RETURN_VOID();
}
