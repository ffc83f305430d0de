/*
 * question.c
 *		Is a question sound, and what of it may a student see?
 *
 * question_check() says everything that is wrong with a question before it is
 * stored, field by field.  A question that passes can be graded without an
 * error and somebody can earn its full marks.
 *
 * question_public() lets through what it knows to be harmless, member by
 * member: ids and texts of the options, never feedback or anything added later.
 * Where the stored order would give the answer away (ordering, the right sides
 * of a matching) the list comes in the order of a hash of its texts.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"

#include "extension/fold.h"
#include "extension/grade.h"

#define MAX_OPTIONS 100
#define MAX_ID_LENGTH 32

/* A question under examination, and where the complaints go. */
typedef struct Check
{
	QuestionType type;
	JsonbValue	options;
	JsonbValue	key;
	ReturnSetInfo *out;
} Check;

static void
complain(Check *c, const char *field, const char *code, const char *message)
{
	Datum		values[3] = {CStringGetTextDatum(field), CStringGetTextDatum(code), CStringGetTextDatum(message)};
	bool		nulls[3] = {false, false, false};

	tuplestore_putvalues(c->out->setResult, c->out->setDesc, values, nulls);
}

/* --- options ------------------------------------------------------------ */

/* Is there an option with this id? */
static bool
has_id(const JsonbValue *options, const JsonbValue *id)
{
	JsonbValue	o;
	JsonbValue	v;

	for (int i = 0; sc_jb_item(options, i, &o); i++)
		if (sc_jb_get(&o, "id", &v) && sc_jb_same_text(&v, id))
			return true;
	return false;
}

static bool
has_text_or_media(const JsonbValue *option)
{
	JsonbValue	v;

	if (sc_jb_get(option, "text", &v) && v.type == jbvString &&
		!sc_fold_is_blank(v.val.string.val, v.val.string.len))
		return true;
	return sc_jb_get(option, "media", &v) && sc_jb_length(&v) > 0;
}

/* A list of options: ids of their own, texts, at least min of them. */
static void
check_options(Check *c, const JsonbValue *list, const char *field, int min)
{
	JsonbValue	o;
	JsonbValue	id;

	if (!sc_jb_is_array(list))
	{
		complain(c, field, "not_a_list", "options must be a list of {\"id\", \"text\"}");
		return;
	}
	if (sc_jb_length(list) < min)
		complain(c, field, "too_few_options", "there are too few options");
	if (sc_jb_length(list) > MAX_OPTIONS)
	{
		complain(c, field, "too_many_options", "there are too many options");
		return;
	}
	for (int i = 0; sc_jb_item(list, i, &o); i++)
	{
		JsonbValue	earlier;
		JsonbValue	v;

		if (!sc_jb_get(&o, "id", &id) || id.type != jbvString ||
			id.val.string.len == 0 || id.val.string.len > MAX_ID_LENGTH)
		{
			complain(c, field, "bad_id", "every option needs an id of 1 to 32 characters");
			continue;
		}
		for (int j = 0; j < i; j++)
			if (sc_jb_item(list, j, &earlier) && sc_jb_get(&earlier, "id", &v) &&
				sc_jb_same_text(&v, &id))
			{
				complain(c, field, "duplicate_id", "two options have the same id");
				break;
			}
		if (!has_text_or_media(&o))
			complain(c, field, "empty_option", "an option has no text");
	}
}

/* --- keys --------------------------------------------------------------- */

static int
compare(Numeric a, Numeric b)
{
	return DatumGetInt32(DirectFunctionCall2(numeric_cmp, NumericGetDatum(a), NumericGetDatum(b)));
}

/* Is it a number in [-1, 1]? */
static bool
is_fraction(const JsonbValue *v, Numeric *n)
{
	return sc_jb_number(v, n) && compare(*n, int64_to_numeric(-1)) >= 0 &&
		compare(*n, int64_to_numeric(1)) <= 0;
}

/*
 * Weights by option.  Somebody must be able to earn full marks: one option of
 * a single choice weighs 1, the positive ones of a multiple choice 1 together.
 */
static void
check_weights(Check *c, const JsonbValue *weights)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	k;
	JsonbValue	v;
	Numeric		w;
	Numeric		best = int64_to_numeric(0);
	Numeric		nearly = DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum("0.99999"),
															 ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));

	if (!sc_jb_is_object(weights))
	{
		complain(c, "key", "bad_weights", "weights must be an object of option ids");
		return;
	}
	it = JsonbIteratorInit(weights->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &k, true)) != WJB_DONE)
	{
		if (token != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&it, &v, true);
		if (!has_id(&c->options, &k))
			complain(c, "key", "unknown_option", "the key names an option that does not exist");
		if (!is_fraction(&v, &w))
		{
			complain(c, "key", "bad_weight", "a weight must be a number from -1 to 1");
			continue;
		}
		if (c->type == Q_MULTIPLE_CHOICE && compare(w, int64_to_numeric(0)) > 0)
			best = numeric_add_opt_error(best, w, NULL);
		else if (compare(w, best) > 0)
			best = w;
	}
	if (compare(best, nearly) < 0)
		complain(c, "key", "no_full_marks", "no answer earns full marks");
}

static void
check_choice_key(Check *c)
{
	JsonbValue	v;
	JsonbValue	id;

	if (sc_jb_get(&c->key, "weights", &v))
	{
		check_weights(c, &v);
		return;
	}
	if (!sc_jb_get(&c->key, "correct", &v))
	{
		complain(c, "key", "no_key", "the key must say which option is correct");
		return;
	}
	if (c->type == Q_SINGLE_CHOICE)
	{
		if (v.type != jbvString || !has_id(&c->options, &v))
			complain(c, "key", "unknown_option", "the key names an option that does not exist");
		return;
	}
	if (!sc_jb_is_array(&v) || sc_jb_length(&v) == 0)
	{
		complain(c, "key", "no_key", "the key must list the correct options");
		return;
	}
	for (int i = 0; sc_jb_item(&v, i, &id); i++)
	{
		JsonbValue	earlier;

		if (!has_id(&c->options, &id))
			complain(c, "key", "unknown_option", "the key names an option that does not exist");
		for (int j = 0; j < i; j++)
			if (sc_jb_item(&v, j, &earlier) && sc_jb_same_text(&earlier, &id))
				complain(c, "key", "duplicate_id", "the key names an option twice");
	}
}

/* One accepted answer of a numeric question. */
static void
check_numeric_answer(Check *c, const JsonbValue *a)
{
	JsonbValue	v;
	Numeric		low;
	Numeric		high;

	if (sc_jb_get(a, "any", &v) && v.type == jbvBool && v.val.boolean)
		return;
	if (sc_jb_get(a, "min", &v))
	{
		if (!sc_jb_number(&v, &low) || !sc_jb_get(a, "max", &v) || !sc_jb_number(&v, &high))
			complain(c, "key", "bad_number", "a range needs two numbers, min and max");
		else if (compare(low, high) > 0)
			complain(c, "key", "bad_range", "min must not be larger than max");
		return;
	}
	if (!sc_jb_get(a, "value", &v) || !sc_jb_number(&v, &low))
		complain(c, "key", "bad_number", "an accepted answer needs a number");
	if (sc_jb_get(a, "tolerance", &v) &&
		(!sc_jb_number(&v, &low) || compare(low, int64_to_numeric(0)) < 0))
		complain(c, "key", "bad_tolerance", "a tolerance must be a number, not negative");
	if (sc_jb_get(a, "tolerance_type", &v) && !sc_jb_text_is(&v, "nominal") &&
		!sc_jb_text_is(&v, "relative") && !sc_jb_text_is(&v, "geometric"))
		complain(c, "key", "bad_tolerance", "a tolerance is nominal, relative or geometric");
}

/* Numeric and short answers: a list, or one answer written flat. */
static void
check_listed_key(Check *c)
{
	JsonbValue	answers;
	JsonbValue	a;
	JsonbValue	v;
	Numeric		w;
	bool		flat = !sc_jb_get(&c->key, "answers", &answers);
	bool		full = false;

	if (!flat && (!sc_jb_is_array(&answers) || sc_jb_length(&answers) == 0))
	{
		complain(c, "key", "no_key", "the key must list the accepted answers");
		return;
	}
	for (int i = 0; flat ? i == 0 : sc_jb_item(&answers, i, &a); i++)
	{
		if (flat)
			a = c->key;
		if (c->type == Q_NUMERIC)
			check_numeric_answer(c, &a);
		else
		{
			v = a;
			if ((a.type != jbvString && (!sc_jb_get(&a, "text", &v) || v.type != jbvString)) ||
				sc_fold_is_blank(v.val.string.val, v.val.string.len))
				complain(c, "key", "empty_answer", "an accepted answer has no text");
		}
		if (!sc_jb_get(&a, "fraction", &v))
			full = true;
		else if (!is_fraction(&v, &w))
			complain(c, "key", "bad_weight", "a fraction must be a number from -1 to 1");
		else
			full |= compare(w, int64_to_numeric(1)) == 0;
	}
	if (!full)
		complain(c, "key", "no_full_marks", "no answer earns full marks");
}

static void
check_matching(Check *c)
{
	JsonbValue	left;
	JsonbValue	right;
	JsonbValue	pairs;
	JsonbValue	o;
	JsonbValue	id;
	JsonbValue	v;

	if (!sc_jb_get(&c->options, "left", &left) || !sc_jb_get(&c->options, "right", &right))
	{
		complain(c, "options", "not_a_list", "options must be {\"left\": [...], \"right\": [...]}");
		return;
	}
	check_options(c, &left, "options.left", 2);
	check_options(c, &right, "options.right", 2);
	if (!sc_jb_get(&c->key, "pairs", &pairs) || !sc_jb_is_object(&pairs))
	{
		complain(c, "key", "no_key", "the key must pair every left side with a right one");
		return;
	}
	if (sc_jb_length(&pairs) != sc_jb_length(&left))
		complain(c, "key", "bad_pairs", "the key must pair every left side once");
	for (int i = 0; sc_jb_item(&left, i, &o); i++)
		if (!sc_jb_get(&o, "id", &id) || id.type != jbvString ||
			!sc_jb_get(&pairs, pnstrdup(id.val.string.val, id.val.string.len), &v) ||
			!has_id(&right, &v))
			complain(c, "key", "bad_pairs", "a left side has no partner on the right");
}

static void
check_ordering(Check *c)
{
	JsonbValue	order;
	JsonbValue	id;
	JsonbValue	earlier;
	JsonbValue	v;

	check_options(c, &c->options, "options", 2);
	if (!sc_jb_get(&c->key, "order", &order) || !sc_jb_is_array(&order))
	{
		complain(c, "key", "no_key", "the key must list all options in order");
		return;
	}
	if (sc_jb_length(&order) != sc_jb_length(&c->options))
		complain(c, "key", "bad_order", "the key must list all options once");
	for (int i = 0; i <= MAX_OPTIONS && sc_jb_item(&order, i, &id); i++)
	{
		if (!has_id(&c->options, &id))
			complain(c, "key", "unknown_option", "the key names an option that does not exist");
		for (int j = 0; j < i; j++)
			if (sc_jb_item(&order, j, &earlier) && sc_jb_same_text(&earlier, &id))
				complain(c, "key", "duplicate_id", "the key names an option twice");
	}
	if (sc_jb_get(&c->key, "scoring", &v) && !sc_jb_text_is(&v, "positions") &&
		!sc_jb_text_is(&v, "adjacent") && !sc_jb_text_is(&v, "exact"))
		complain(c, "key", "bad_scoring", "scoring is positions, adjacent or exact");
}

/* A rubric is a list of criteria with points. */
static void
check_essay(Check *c)
{
	JsonbValue	rubric;
	JsonbValue	r;
	JsonbValue	v;
	Numeric		n;

	if (!sc_jb_get(&c->key, "rubric", &rubric))
		return;
	if (!sc_jb_is_array(&rubric))
	{
		complain(c, "key", "bad_rubric", "a rubric is a list of {\"text\", \"points\"}");
		return;
	}
	for (int i = 0; sc_jb_item(&rubric, i, &r); i++)
		if (!has_text_or_media(&r) || !sc_jb_get(&r, "points", &v) || !sc_jb_number(&v, &n) ||
			compare(n, int64_to_numeric(0)) < 0)
			complain(c, "key", "bad_rubric", "a criterion needs a text and points");
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_question_check);
Datum
sc_question_check(PG_FUNCTION_ARGS)
{
	Check		c = {0};
	text	   *name;
	text	   *prompt;
	int			type;
	JsonbValue	v;

	InitMaterializedSRF(fcinfo, 0);
	c.out = (ReturnSetInfo *) fcinfo->resultinfo;
	c.options.type = c.key.type = jbvNull;
	if (!PG_ARGISNULL(2))
		sc_jb_root(PG_GETARG_JSONB_P(2), &c.options);
	if (!PG_ARGISNULL(3))
		sc_jb_root(PG_GETARG_JSONB_P(3), &c.key);

	prompt = PG_ARGISNULL(1) ? NULL : PG_GETARG_TEXT_PP(1);
	if (prompt == NULL || sc_fold_is_blank(VARDATA_ANY(prompt), VARSIZE_ANY_EXHDR(prompt)))
		complain(&c, "prompt", "empty_prompt", "the question has no text");
	name = PG_ARGISNULL(0) ? NULL : PG_GETARG_TEXT_PP(0);
	type = name == NULL ? -1 : sc_question_type_find(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	if (type < 0)
	{
		complain(&c, "type", "unknown_type", "there is no such type of question");
		PG_RETURN_VOID();
	}
	c.type = (QuestionType) type;
	if (c.type != Q_ESSAY && c.type != Q_DESCRIPTION && !sc_jb_is_object(&c.key))
	{
		complain(&c, "key", "no_key", "the key must be an object");
		PG_RETURN_VOID();
	}
	if (c.type != Q_MATCHING && c.type != Q_ORDERING && c.type != Q_SINGLE_CHOICE &&
		c.type != Q_MULTIPLE_CHOICE && c.options.type != jbvNull &&
		(c.options.type != jbvBinary || sc_jb_length(&c.options) > 0))
		complain(&c, "options", "no_options", "this type of question has no options");

	switch (c.type)
	{
		case Q_SINGLE_CHOICE:
		case Q_MULTIPLE_CHOICE:
			check_options(&c, &c.options, "options", 2);
			check_choice_key(&c);
			break;
		case Q_TRUE_FALSE:
			if (!sc_jb_get(&c.key, "correct", &v) || v.type != jbvBool)
				complain(&c, "key", "no_key", "the key must say true or false");
			break;
		case Q_NUMERIC:
		case Q_SHORT_ANSWER:
			check_listed_key(&c);
			break;
		case Q_MATCHING:
			check_matching(&c);
			break;
		case Q_ORDERING:
			check_ordering(&c);
			break;
		case Q_ESSAY:
			check_essay(&c);
			break;
		case Q_DESCRIPTION:
			break;
	}
	PG_RETURN_VOID();
}

/* --- what a student may see --------------------------------------------- */

typedef struct PublicOption
{
	uint64		hash;
	char	   *json;
} PublicOption;

static int
by_hash(const void *a, const void *b)
{
	const PublicOption *x = a;
	const PublicOption *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return strcmp(x->json, y->json);
}

/* A list of options with their harmless members; scrambled if asked. */
static void
put_options(StringInfo out, const JsonbValue *list, bool scramble)
{
	static const char *const members[] = {"id", "text", "format", "media"};
	int			n = sc_jb_is_array(list) ? sc_jb_length(list) : 0;
	PublicOption *options = palloc(sizeof(PublicOption) * Max(n, 1));

	for (int i = 0; i < n; i++)
	{
		StringInfoData one;
		JsonbValue	o;
		JsonbValue	v;

		(void) sc_jb_item(list, i, &o);
		initStringInfo(&one);
		for (int m = 0; m < lengthof(members); m++)
		{
			if (!sc_jb_get(&o, members[m], &v))
				continue;
			appendStringInfo(&one, "%s\"%s\":", one.len > 0 ? "," : "", members[m]);
			if (v.type == jbvString)
				escape_json(&one, pnstrdup(v.val.string.val, v.val.string.len));
			else
			{
				Jsonb	   *jb = JsonbValueToJsonb(&v);

				appendStringInfoString(&one, JsonbToCString(NULL, &jb->root, 0));
			}
		}
		options[i].json = one.data;
		options[i].hash = hash_bytes_extended((unsigned char *) one.data, one.len, 0);
	}
	if (scramble)
		qsort(options, n, sizeof(PublicOption), by_hash);
	appendStringInfoChar(out, '[');
	for (int i = 0; i < n; i++)
		appendStringInfo(out, "%s{%s}", i > 0 ? "," : "", options[i].json);
	appendStringInfoChar(out, ']');
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_options_public);
Datum
sc_options_public(PG_FUNCTION_ARGS)
{
	QuestionType type = sc_question_type(PG_GETARG_TEXT_PP(0));
	JsonbValue	options;
	JsonbValue	v;
	StringInfoData out;
	bool		scramble = PG_GETARG_BOOL(2);

	sc_jb_root(PG_GETARG_JSONB_P(1), &options);
	initStringInfo(&out);
	if (type == Q_MATCHING)
	{
		appendStringInfoString(&out, "{\"left\":");
		(void) sc_jb_get(&options, "left", &v);
		put_options(&out, &v, false);
		appendStringInfoString(&out, ",\"right\":");
		(void) sc_jb_get(&options, "right", &v);
		put_options(&out, &v, scramble);
		appendStringInfoChar(&out, '}');
	}
	else
		put_options(&out, &options, scramble && type == Q_ORDERING);
	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(out.data)));
}
