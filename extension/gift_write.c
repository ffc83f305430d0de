/*
 * gift_write.c
 *		Writing questions in GIFT.
 *
 * What is written reads back as the same question.  GIFT cannot say everything
 * our questions can (ordering, relative tolerance, rubrics, a space at the
 * start of an option): after writing, the text is read again, and whatever
 * came out differently goes into a comment in front of the question
 * (GIFT_DIRECTIVE), which other programs skip and gift.c obeys.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"

#include "extension/gift.h"

/* A question as the database has it; texts may be NULL. */
typedef struct Question
{
	QuestionType type;
	char	   *name;
	char	   *prompt;
	char	   *format;
	char	   *explanation;
	Jsonb	   *options_jsonb;
	Jsonb	   *key_jsonb;
	JsonbValue	options;
	JsonbValue	key;
} Question;

/* Append text so that none of it means anything to GIFT. */
void
sc_gift_escape(StringInfo out, const char *s, int len)
{
	for (int i = 0; i < len; i++)
	{
		if (s[i] == '\r')
			continue;
		if (s[i] == '\n')
			appendStringInfoString(out, "\\n");
		else
		{
			if (strchr("~=#{}:\\", s[i]) != NULL && s[i] != '\0')
				appendStringInfoChar(out, '\\');
			appendStringInfoChar(out, s[i]);
		}
	}
}

static void
put_value(StringInfo out, const JsonbValue *v)
{
	if (v->type == jbvString)
		sc_gift_escape(out, v->val.string.val, v->val.string.len);
	else if (v->type == jbvNumeric)
		appendStringInfoString(out, DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(v->val.numeric))));
}

/* "#feedback", if the object has any. */
static void
put_feedback(StringInfo out, const JsonbValue *object, const char *name)
{
	JsonbValue	v;

	if (sc_jb_get(object, name, &v) && v.type == jbvString)
	{
		appendStringInfoChar(out, '#');
		put_value(out, &v);
	}
}

/* "%12.5%" for a fraction. */
static void
put_weight(StringInfo out, double fraction)
{
	char		buf[64];
	int			n = snprintf(buf, sizeof(buf), "%.5f", fraction * 100);

	while (buf[n - 1] == '0')
		n--;
	if (buf[n - 1] == '.')
		n--;
	buf[n] = '\0';
	appendStringInfo(out, "%%%s%%", buf);
}

/* Member of an object as a number; the default if it is absent or none. */
static double
number_of(const JsonbValue *object, const char *name, double fallback)
{
	JsonbValue	v;
	Numeric		n;

	if (!sc_jb_get(object, name, &v) || !sc_jb_number(&v, &n))
		return fallback;
	return DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(n)));
}

/* Weight of an option by a key of either form. */
static double
weight_of(const Question *q, const JsonbValue *id)
{
	JsonbValue	v;

	if (id->type != jbvString)
		return 0;
	if (sc_jb_get(&q->key, "weights", &v))
		return number_of(&v, pnstrdup(id->val.string.val, id->val.string.len), 0);
	if (!sc_jb_get(&q->key, "correct", &v))
		return 0;
	if (q->type == Q_SINGLE_CHOICE)
		return v.type == jbvString && v.val.string.len == id->val.string.len &&
			memcmp(v.val.string.val, id->val.string.val, v.val.string.len) == 0;
	if (sc_jb_length(&v) == 0)
		return 0;
	return (sc_jb_has_text(&v, id) ? 1.0 : -1.0) / sc_jb_length(&v);
}

static void
write_choice(StringInfo out, const Question *q)
{
	JsonbValue	o;
	JsonbValue	v;

	for (int i = 0; sc_jb_item(&q->options, i, &o); i++)
	{
		double		w;

		(void) sc_jb_get(&o, "id", &v);
		w = weight_of(q, &v);
		appendStringInfoString(out, "\n\t");
		if (q->type == Q_SINGLE_CHOICE && w == 1)
			appendStringInfoChar(out, '=');
		else
		{
			appendStringInfoChar(out, '~');
			if (w != 0)
				put_weight(out, w);
		}
		if (sc_jb_get(&o, "format", &v) && v.type == jbvString)
			appendStringInfo(out, "[%.*s]", v.val.string.len, v.val.string.val);
		if (sc_jb_get(&o, "text", &v))
			put_value(out, &v);
		put_feedback(out, &o, "feedback");
	}
	appendStringInfoChar(out, '\n');
}

static void
write_listed(StringInfo out, const Question *q)
{
	JsonbValue	answers;
	JsonbValue	a;
	JsonbValue	v;

	if (q->type == Q_NUMERIC)
		appendStringInfoChar(out, '#');
	(void) sc_jb_get(&q->key, "answers", &answers);
	for (int i = 0; sc_jb_item(&answers, i, &a); i++)
	{
		double		fraction = number_of(&a, "fraction", 1);
		bool		any = sc_jb_get(&a, "any", &v);

		appendStringInfoString(out, "\n\t");
		if (any && fraction == 0)
			appendStringInfoChar(out, '~');
		else
		{
			appendStringInfoChar(out, '=');
			if (fraction != 1)
				put_weight(out, fraction);
		}
		if (any && fraction != 0)
			appendStringInfoChar(out, '*');
		if (sc_jb_get(&a, "min", &v))
		{
			put_value(out, &v);
			appendStringInfoString(out, "..");
			if (sc_jb_get(&a, "max", &v))
				put_value(out, &v);
		}
		if (sc_jb_get(&a, q->type == Q_NUMERIC ? "value" : "text", &v))
			put_value(out, &v);
		if (q->type == Q_NUMERIC && sc_jb_get(&a, "tolerance", &v))
		{
			appendStringInfoChar(out, ':');
			put_value(out, &v);
		}
		put_feedback(out, &a, "feedback");
	}
	appendStringInfoChar(out, '\n');
}

/* Text of the option with that id in a list. */
static void
put_option(StringInfo out, const JsonbValue *list, const JsonbValue *id)
{
	JsonbValue	o;
	JsonbValue	v;

	for (int i = 0; sc_jb_item(list, i, &o); i++)
		if (sc_jb_get(&o, "id", &v) && v.type == jbvString && id->type == jbvString &&
			v.val.string.len == id->val.string.len &&
			memcmp(v.val.string.val, id->val.string.val, v.val.string.len) == 0)
		{
			if (sc_jb_get(&o, "text", &v))
				put_value(out, &v);
			return;
		}
}

static void
write_matching(StringInfo out, const Question *q)
{
	JsonbValue	left;
	JsonbValue	right;
	JsonbValue	pairs;
	JsonbValue	o;
	JsonbValue	v;
	JsonbValue	id;

	(void) sc_jb_get(&q->options, "left", &left);
	(void) sc_jb_get(&q->options, "right", &right);
	(void) sc_jb_get(&q->key, "pairs", &pairs);
	for (int i = 0; sc_jb_item(&left, i, &o); i++)
	{
		appendStringInfoString(out, "\n\t=");
		if (sc_jb_get(&o, "text", &v))
			put_value(out, &v);
		appendStringInfoString(out, " -> ");
		if (sc_jb_get(&o, "id", &v) && v.type == jbvString &&
			sc_jb_get(&pairs, pnstrdup(v.val.string.val, v.val.string.len), &id))
			put_option(out, &right, &id);
	}
	/* Right sides that belong to nothing. */
	for (int i = 0; sc_jb_item(&right, i, &o); i++)
	{
		JsonbIterator *it;
		JsonbIteratorToken token;
		bool		used = false;

		if (!sc_jb_get(&o, "id", &id) || !sc_jb_is_object(&pairs))
			continue;
		it = JsonbIteratorInit(pairs.val.binary.data);
		while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
			used |= token == WJB_VALUE && v.type == jbvString && id.type == jbvString &&
				v.val.string.len == id.val.string.len &&
				memcmp(v.val.string.val, id.val.string.val, v.val.string.len) == 0;
		if (!used && sc_jb_get(&o, "text", &v))
		{
			appendStringInfoString(out, "\n\t= -> ");
			put_value(out, &v);
		}
	}
	appendStringInfoChar(out, '\n');
}

static void
write_true_false(StringInfo out, const Question *q)
{
	JsonbValue	v;
	JsonbValue	right;

	appendStringInfoString(out, sc_jb_get(&q->key, "correct", &v) && v.type == jbvBool &&
						   v.val.boolean ? "TRUE" : "FALSE");
	if (sc_jb_get(&q->key, "feedback_right", &right))
	{
		appendStringInfoChar(out, '#');
		if (sc_jb_get(&q->key, "feedback_wrong", &v))
			put_value(out, &v);
		appendStringInfoChar(out, '#');
		put_value(out, &right);
	}
	else
		put_feedback(out, &q->key, "feedback_wrong");
}

/* The question in GIFT, without comments. */
static void
write_question(StringInfo out, const Question *q)
{
	if (q->name != NULL && q->name[0] != '\0')
	{
		appendStringInfoString(out, "::");
		sc_gift_escape(out, q->name, strlen(q->name));
		appendStringInfoString(out, "::");
	}
	appendStringInfo(out, "[%s]", q->format);
	sc_gift_escape(out, q->prompt, strlen(q->prompt));
	if (q->type == Q_DESCRIPTION)
	{
		appendStringInfoChar(out, '\n');
		return;
	}
	appendStringInfoString(out, " {");
	switch (q->type)
	{
		case Q_SINGLE_CHOICE:
		case Q_MULTIPLE_CHOICE:
			write_choice(out, q);
			break;
		case Q_NUMERIC:
		case Q_SHORT_ANSWER:
			write_listed(out, q);
			break;
		case Q_MATCHING:
			write_matching(out, q);
			break;
		case Q_TRUE_FALSE:
			write_true_false(out, q);
			break;
		case Q_ORDERING:
		case Q_ESSAY:
		case Q_DESCRIPTION:
			break;
	}
	if (q->explanation != NULL && q->explanation[0] != '\0')
	{
		appendStringInfoString(out, "####");
		sc_gift_escape(out, q->explanation, strlen(q->explanation));
	}
	appendStringInfoString(out, "}\n");
}

static bool
same(const char *a, const char *b)
{
	return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

static void
put_difference(StringInfo out, const char *name, const char *value, bool json)
{
	appendStringInfo(out, "%s\"%s\":", out->len > 1 ? "," : "", name);
	if (json)
		appendStringInfoString(out, value);
	else
		escape_json(out, value != NULL ? value : "");
}

/* A jsonb and JSON text: the same value? */
static bool
same_json(Jsonb *a, const char *b)
{
	Jsonb	   *read = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(b)));

	return compareJsonbContainers(&a->root, &read->root) == 0;
}

/* What the text lost, as a JSON object; NULL if nothing. */
static char *
lost(const Question *q, const StringInfo gift)
{
	List	   *back = sc_gift_read(gift->data, gift->len);
	GiftQuestion *r = back != NIL ? linitial(back) : NULL;
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfoChar(&out, '{');
	if (r == NULL || list_length(back) != 1 || r->type != q->type)
		put_difference(&out, "type", sc_question_type_names[q->type], false);
	if (r == NULL || !same(r->name, q->name))
		put_difference(&out, "name", q->name, false);
	if (r == NULL || !same(r->prompt, q->prompt))
		put_difference(&out, "prompt", q->prompt, false);
	if (r == NULL || !same(r->explanation, q->explanation))
		put_difference(&out, "explanation", q->explanation, false);
	if (r == NULL || !same_json(q->options_jsonb, r->options))
		put_difference(&out, "options", JsonbToCString(NULL, &q->options_jsonb->root, 0), true);
	if (r == NULL || !same_json(q->key_jsonb, r->key))
		put_difference(&out, "key", JsonbToCString(NULL, &q->key_jsonb->root, 0), true);
	/* Errors of the stand-in text must not come back. */
	if (out.len == 1 && r->errors != NIL)
		put_difference(&out, "type", sc_question_type_names[q->type], false);
	appendStringInfoChar(&out, '}');
	return out.len > 2 ? out.data : NULL;
}

static char *
text_arg(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

static Jsonb *
jsonb_arg(FunctionCallInfo fcinfo, int n, const char *otherwise)
{
	return PG_ARGISNULL(n) ? DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(otherwise)))
		: PG_GETARG_JSONB_P(n);
}

/* (type, prompt, options, key, name, explanation, format, tags) */
PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_gift_format);
Datum
sc_gift_format(PG_FUNCTION_ARGS)
{
	Question	q = {0};
	StringInfoData gift;
	StringInfoData out;
	char	   *directive;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	q.type = sc_question_type(PG_GETARG_TEXT_PP(0));
	q.prompt = text_arg(fcinfo, 1);
	q.options_jsonb = jsonb_arg(fcinfo, 2, "[]");
	q.key_jsonb = jsonb_arg(fcinfo, 3, "{}");
	q.name = text_arg(fcinfo, 4);
	q.explanation = text_arg(fcinfo, 5);
	q.format = text_arg(fcinfo, 6);
	if (q.format == NULL)
		q.format = "markdown";
	sc_jb_root(q.options_jsonb, &q.options);
	sc_jb_root(q.key_jsonb, &q.key);

	initStringInfo(&gift);
	write_question(&gift, &q);
	directive = lost(&q, &gift);

	initStringInfo(&out);
	if (!PG_ARGISNULL(7))
	{
		Datum	   *tags;
		bool	   *nulls;
		int			n;

		deconstruct_array(PG_GETARG_ARRAYTYPE_P(7), TEXTOID, -1, false, TYPALIGN_INT,
						  &tags, &nulls, &n);
		for (int i = 0; i < n; i++)
		{
			char	   *tag = nulls[i] ? "" : TextDatumGetCString(tags[i]);

			if (tag[0] == '\0')
				continue;
			appendStringInfo(&out, "%s[tag:", out.len == 0 ? "// " : " ");
			for (; *tag; tag++)
			{
				if (strchr("%]\r\n", *tag) != NULL)
					appendStringInfo(&out, "%%%02X", (unsigned char) *tag);
				else
					appendStringInfoChar(&out, *tag);
			}
			appendStringInfoChar(&out, ']');
		}
		if (out.len > 0)
			appendStringInfoChar(&out, '\n');
	}
	if (directive != NULL)
		appendStringInfo(&out, "%s%s\n", GIFT_DIRECTIVE, directive);
	appendBinaryStringInfo(&out, gift.data, gift.len);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out.data, out.len));
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_gift_escape_text);
Datum
sc_gift_escape_text(PG_FUNCTION_ARGS)
{
	text	   *t = PG_GETARG_TEXT_PP(0);
	StringInfoData out;

	initStringInfo(&out);
	sc_gift_escape(&out, VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t));
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out.data, out.len));
}
