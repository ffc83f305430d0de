/*
 * grade.c
 *		What an answer is worth: a fraction of the question's marks.
 *
 * grade(type, key, answer) is a pure function.  It gives NULL for a blank
 * answer (nothing ticked, only white space) and for what no machine can mark
 * (essay, description); a fraction in [-1, 1] for everything else.  An answer
 * of the wrong shape is a wrong answer, never an error, so that one odd row
 * cannot stop the regrade of a whole school; a malformed key is an error.
 *
 * Arithmetic is decimal throughout: -11.72 lies within -11.7 +- 0.02.
 *
 * Shapes of keys and answers, by type (docs/questions.md has them in full):
 *
 *	single			{"correct": "b"} or {"weights": {"b": 1, "a": -0.25}}	"b"
 *	multiple		{"correct": ["a", "c"]} or {"weights": {...}}			["a", "c"]
 *	truefalse		{"correct": true}										true
 *	numeric			{"answers": [{"value": "3.14", "tolerance": "0.01"}]}	"3,14"
 *	short			{"answers": [{"text": "Ankara*"}]}						"ankara"
 *	matching		{"pairs": {"1": "b", "2": "a"}}							{"1": "b"}
 *	ordering		{"order": ["c", "a", "b"]}								["a", "c", "b"]
 *	essay			{}														"text"
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "extension/fold.h"
#include "extension/grade.h"

/* Sums of weights are rounded here: three thirds make a whole. */
#define WEIGHT_SCALE 5

const char *const sc_question_type_names[Q_TYPES] = {
	[Q_SINGLE_CHOICE] = "single",
	[Q_MULTIPLE_CHOICE] = "multiple",
	[Q_TRUE_FALSE] = "truefalse",
	[Q_NUMERIC] = "numeric",
	[Q_SHORT_ANSWER] = "short",
	[Q_MATCHING] = "matching",
	[Q_ORDERING] = "ordering",
	[Q_ESSAY] = "essay",
	[Q_DESCRIPTION] = "description",
};

/* Longer names that are understood as well. */
static const char *const long_names[Q_TYPES] = {
	[Q_SINGLE_CHOICE] = "single_choice",
	[Q_MULTIPLE_CHOICE] = "multiple_choice",
	[Q_TRUE_FALSE] = "true_false",
	[Q_SHORT_ANSWER] = "short_answer",
};

static bool
name_is(const char *name, const char *s, int len)
{
	return name != NULL && strlen(name) == len && memcmp(name, s, len) == 0;
}

/* Index of a type by its name, -1 if there is none. */
int
sc_question_type_find(const char *name, int len)
{
	for (int i = 0; i < Q_TYPES; i++)
		if (name_is(sc_question_type_names[i], name, len) ||
			name_is(long_names[i], name, len))
			return i;
	return -1;
}

/* The type of that name; raises an error if there is none. */
QuestionType
sc_question_type(text *name)
{
	int			type = sc_question_type_find(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));

	if (type < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown question type \"%s\"", text_to_cstring(name))));
	return (QuestionType) type;
}

/* --- numbers ------------------------------------------------------------ */

static Numeric
num_const(int64 n)
{
	return int64_to_numeric(n);
}

static int
num_cmp(Numeric a, Numeric b)
{
	return DatumGetInt32(DirectFunctionCall2(numeric_cmp, NumericGetDatum(a), NumericGetDatum(b)));
}

static Numeric
num_neg(Numeric a)
{
	return DatumGetNumeric(DirectFunctionCall1(numeric_uminus, NumericGetDatum(a)));
}

static Numeric
num_trim(Numeric a)
{
	return DatumGetNumeric(DirectFunctionCall1(numeric_trim_scale, NumericGetDatum(a)));
}

static Numeric
num_add(Numeric a, Numeric b)
{
	return numeric_add_opt_error(a, b, NULL);
}

static Numeric
num_sub(Numeric a, Numeric b)
{
	return numeric_sub_opt_error(a, b, NULL);
}

static Numeric
num_mul(Numeric a, Numeric b)
{
	return numeric_mul_opt_error(a, b, NULL);
}

/* part / whole, written as short as it goes. */
static Numeric
num_ratio(int64 part, int64 whole)
{
	return num_trim(numeric_div_opt_error(num_const(part), num_const(whole), NULL));
}

static Numeric
num_clamp(Numeric a, int low, int high)
{
	if (num_cmp(a, num_const(low)) < 0)
		return num_const(low);
	if (num_cmp(a, num_const(high)) > 0)
		return num_const(high);
	return num_trim(a);
}

/* --- the types ---------------------------------------------------------- */

static void
bad_key(QuestionType type)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("malformed key of a %s question", sc_question_type_names[type]),
			 errhint("sc.question_check() says what is wrong with it.")));
}

/* Weight that a key gives to one option: 0 if it names none. */
static Numeric
option_weight(const JsonbValue *weights, const JsonbValue *option)
{
	JsonbValue	w;
	Numeric		n;

	if (!sc_jb_is_object(weights))
		bad_key(Q_MULTIPLE_CHOICE);
	if (option->type != jbvString ||
		getKeyJsonValueFromContainer(weights->val.binary.data, option->val.string.val,
									 option->val.string.len, &w) == NULL)
		return num_const(0);
	if (!sc_jb_number(&w, &n))
		bad_key(Q_MULTIPLE_CHOICE);
	return n;
}

/* One option earns its weight; several marks are a wrong answer. */
static Numeric
grade_single(const JsonbValue *key, const JsonbValue *answer)
{
	JsonbValue	picked = *answer;
	JsonbValue	v;

	if (sc_jb_is_array(answer))
	{
		if (sc_jb_length(answer) != 1)
			return num_const(0);
		(void) sc_jb_item(answer, 0, &picked);
	}
	if (sc_jb_get(key, "weights", &v))
		return num_clamp(option_weight(&v, &picked), -1, 1);
	if (!sc_jb_get(key, "correct", &v) || v.type != jbvString)
		bad_key(Q_SINGLE_CHOICE);
	return num_const(sc_jb_same_text(&v, &picked) ? 1 : 0);
}

/*
 * Weights add up; without weights every right tick earns 1/n and every wrong
 * one takes 1/n away.  Never below zero.  An option counts once, however often
 * an answer repeats it.
 */
static Numeric
grade_multiple(const JsonbValue *key, const JsonbValue *answer)
{
	JsonbValue	weights;
	JsonbValue	correct;
	JsonbValue	v;
	bool		weighted = sc_jb_get(key, "weights", &weights);
	Numeric		sum = num_const(0);
	int			right = 0;
	int			wrong = 0;

	if (!weighted && (!sc_jb_get(key, "correct", &correct) || !sc_jb_is_array(&correct) ||
					  sc_jb_length(&correct) == 0))
		bad_key(Q_MULTIPLE_CHOICE);
	if (!sc_jb_is_array(answer))
	{
		/* A lone text is a single tick. */
		if (answer->type != jbvString)
			return num_const(0);
		if (weighted)
			sum = option_weight(&weights, answer);
		else if (sc_jb_has_text(&correct, answer))
			right = 1;
		else
			wrong = 1;
	}
	for (int i = 0; sc_jb_is_array(answer) && sc_jb_item(answer, i, &v); i++)
	{
		JsonbValue	earlier;
		bool		repeated = false;

		for (int j = 0; j < i && !repeated; j++)
			repeated = sc_jb_item(answer, j, &earlier) && sc_jb_same_text(&earlier, &v);
		if (repeated || v.type == jbvNull)
			continue;
		if (weighted)
			sum = num_add(sum, option_weight(&weights, &v));
		else if (sc_jb_has_text(&correct, &v))
			right++;
		else
			wrong++;
	}
	if (sc_jb_get(key, "all_or_nothing", &v) && v.type == jbvBool && v.val.boolean)
	{
		if (weighted)
			return num_const(num_cmp(num_clamp(sum, 0, 1), num_const(1)) == 0);
		return num_const(wrong == 0 && right == sc_jb_length(&correct));
	}
	if (!weighted)
		return num_ratio(Max(right - wrong, 0), sc_jb_length(&correct));
	sum = DatumGetNumeric(DirectFunctionCall2(numeric_round, NumericGetDatum(sum),
											  Int32GetDatum(WEIGHT_SCALE)));
	return num_clamp(sum, 0, 1);
}

static Numeric
grade_true_false(const JsonbValue *key, const JsonbValue *answer)
{
	JsonbValue	v;
	bool		given;

	if (!sc_jb_get(key, "correct", &v) || v.type != jbvBool)
		bad_key(Q_TRUE_FALSE);
	if (answer->type == jbvBool)
		given = answer->val.boolean;
	else if (sc_jb_text_is(answer, "true") || sc_jb_text_is(answer, "false"))
		given = sc_jb_text_is(answer, "true");
	else
		return num_const(0);
	return num_const(given == v.val.boolean);
}

/* Is x within the tolerance of value?  Compared without any division. */
static bool
within(Numeric x, Numeric value, Numeric tolerance, const JsonbValue *kind)
{
	Numeric		zero = num_const(0);
	Numeric		margin = tolerance;

	if (kind != NULL && sc_jb_text_is(kind, "geometric"))
	{
		Numeric		factor = num_add(num_const(1), tolerance);

		/* Mirror negative values, so that low <= high below. */
		if (num_cmp(value, zero) < 0)
		{
			value = num_neg(value);
			x = num_neg(x);
		}
		return num_cmp(num_mul(x, factor), value) >= 0 &&
			num_cmp(x, num_mul(value, factor)) <= 0;
	}
	if (kind != NULL && sc_jb_text_is(kind, "relative"))
	{
		margin = num_mul(value, tolerance);
		if (num_cmp(margin, zero) < 0)
			margin = num_neg(margin);
	}
	return num_cmp(x, num_sub(value, margin)) >= 0 &&
		num_cmp(x, num_add(value, margin)) <= 0;
}

/* Does one accepted answer of a numeric key take x (NULL: not a number)? */
static bool
numeric_takes(const JsonbValue *accepted, Numeric x)
{
	JsonbValue	v;
	JsonbValue	kind;
	Numeric		low;
	Numeric		high;
	bool		has_kind;

	if (sc_jb_get(accepted, "any", &v) && v.type == jbvBool && v.val.boolean)
		return true;
	if (sc_jb_get(accepted, "min", &v) && sc_jb_number(&v, &low) &&
		sc_jb_get(accepted, "max", &v) && sc_jb_number(&v, &high))
		return x != NULL && num_cmp(x, low) >= 0 && num_cmp(x, high) <= 0;
	if (!sc_jb_get(accepted, "value", &v) || !sc_jb_number(&v, &low))
		bad_key(Q_NUMERIC);
	high = num_const(0);
	if (sc_jb_get(accepted, "tolerance", &v) && !sc_jb_number(&v, &high))
		bad_key(Q_NUMERIC);
	has_kind = sc_jb_get(accepted, "tolerance_type", &kind);
	return x != NULL && within(x, low, high, has_kind ? &kind : NULL);
}

/* Fraction of an accepted answer: 1 unless it says otherwise. */
static Numeric
accepted_fraction(QuestionType type, const JsonbValue *accepted)
{
	JsonbValue	v;
	Numeric		n;

	if (!sc_jb_get(accepted, "fraction", &v))
		return num_const(1);
	if (!sc_jb_number(&v, &n))
		bad_key(type);
	return num_clamp(n, -1, 1);
}

/*
 * Numeric and short answers: the first accepted answer that takes it wins.
 * A key with one answer may be written flat, without the list.
 */
static Numeric
grade_listed(QuestionType type, const JsonbValue *key, const JsonbValue *answer)
{
	JsonbValue	answers;
	JsonbValue	a;
	JsonbValue	v;
	bool		flat = !sc_jb_get(key, "answers", &answers);
	bool		case_sensitive = sc_jb_get(key, "case_sensitive", &v) &&
	v.type == jbvBool && v.val.boolean;
	Numeric		x = NULL;

	if (!flat && !sc_jb_is_array(&answers))
		bad_key(type);
	if (type == Q_NUMERIC && !sc_jb_number(answer, &x))
		x = NULL;
	for (int i = 0; flat ? i == 0 : sc_jb_item(&answers, i, &a); i++)
	{
		bool		takes;

		if (flat)
			a = *key;
		if (type == Q_NUMERIC)
			takes = numeric_takes(&a, x);
		else
		{
			JsonbValue	given = *answer;

			if (a.type == jbvString)
				v = a;
			else if (!sc_jb_get(&a, "text", &v) || v.type != jbvString)
				bad_key(type);
			/* "42" may arrive as a JSON number. */
			if (given.type == jbvNumeric)
			{
				given.val.string.val =
					DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(given.val.numeric)));
				given.val.string.len = strlen(given.val.string.val);
				given.type = jbvString;
			}
			takes = given.type == jbvString &&
				sc_fold_match(v.val.string.val, v.val.string.len,
							  given.val.string.val, given.val.string.len, case_sensitive);
		}
		if (takes)
			return accepted_fraction(type, &a);
	}
	return num_const(0);
}

/* Right pairs / all pairs. */
static Numeric
grade_matching(const JsonbValue *key, const JsonbValue *answer)
{
	JsonbValue	pairs;
	JsonbValue	k;
	JsonbValue	given;
	JsonbIterator *it;
	JsonbIteratorToken token;
	int			right = 0;

	if (!sc_jb_get(key, "pairs", &pairs) || !sc_jb_is_object(&pairs) || sc_jb_length(&pairs) == 0)
		bad_key(Q_MATCHING);
	if (!sc_jb_is_object(answer))
		return num_const(0);
	it = JsonbIteratorInit(pairs.val.binary.data);
	while ((token = JsonbIteratorNext(&it, &k, true)) != WJB_DONE)
	{
		JsonbValue	wanted;

		if (token != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&it, &wanted, true);
		if (getKeyJsonValueFromContainer(answer->val.binary.data, k.val.string.val,
										 k.val.string.len, &given) != NULL &&
			sc_jb_same_text(&wanted, &given))
			right++;
	}
	return num_ratio(right, sc_jb_length(&pairs));
}

/*
 * "positions" (the default): items at their place / items.  "adjacent": items
 * followed by the right next one / (items - 1).  "exact": all or nothing.
 */
static Numeric
grade_ordering(const JsonbValue *key, const JsonbValue *answer)
{
	JsonbValue	order;
	JsonbValue	scoring;
	JsonbValue	a;
	JsonbValue	b;
	int			n;
	int			right = 0;

	if (!sc_jb_get(key, "order", &order) || !sc_jb_is_array(&order) || sc_jb_length(&order) == 0)
		bad_key(Q_ORDERING);
	n = sc_jb_length(&order);
	if (!sc_jb_is_array(answer) || sc_jb_length(answer) > n)
		return num_const(0);
	if (sc_jb_get(key, "scoring", &scoring) && sc_jb_text_is(&scoring, "adjacent") && n > 1)
	{
		for (int i = 0; i + 1 < n; i++)
		{
			JsonbValue	c;
			JsonbValue	d;

			if (!sc_jb_item(&order, i, &a) || !sc_jb_item(&order, i + 1, &b))
				break;
			for (int j = 0; sc_jb_item(answer, j, &c) && sc_jb_item(answer, j + 1, &d); j++)
				if (sc_jb_same_text(&a, &c) && sc_jb_same_text(&b, &d))
				{
					right++;
					break;
				}
		}
		return num_ratio(right, n - 1);
	}
	for (int i = 0; sc_jb_item(answer, i, &a) && sc_jb_item(&order, i, &b); i++)
		right += sc_jb_same_text(&a, &b);
	if (sc_jb_get(key, "scoring", &scoring) && sc_jb_text_is(&scoring, "exact"))
		return num_const(right == n);
	return num_ratio(right, n);
}

/* Is every member of this array or object null or an empty text? */
static bool
all_empty(const JsonbValue *container)
{
	JsonbIterator *it = JsonbIteratorInit(container->val.binary.data);
	JsonbIteratorToken token;
	JsonbValue	v;

	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
		if ((token == WJB_VALUE || token == WJB_ELEM) && v.type != jbvNull &&
			!(v.type == jbvString && v.val.string.len == 0))
			return false;
	return true;
}

/* Did the student leave it blank? */
bool
sc_answer_blank(QuestionType type, Jsonb *answer)
{
	JsonbValue	v;

	if (answer == NULL || type == Q_DESCRIPTION)
		return true;
	sc_jb_root(answer, &v);
	switch (v.type)
	{
		case jbvNull:
			return true;
		case jbvString:
			return sc_fold_is_blank(v.val.string.val, v.val.string.len);
		case jbvBinary:
			return all_empty(&v);
		default:
			return false;
	}
}

/*
 * Fraction of the marks that an answer earns, or NULL: left blank, or a type
 * that a person must mark.
 */
Numeric
sc_grade_answer(QuestionType type, Jsonb *key, Jsonb *answer)
{
	JsonbValue	k;
	JsonbValue	a;

	if (type == Q_ESSAY || type == Q_DESCRIPTION || sc_answer_blank(type, answer))
		return NULL;
	if (key == NULL)
		bad_key(type);
	sc_jb_root(key, &k);
	if (!sc_jb_is_object(&k))
		bad_key(type);
	sc_jb_root(answer, &a);
	switch (type)
	{
		case Q_SINGLE_CHOICE:
			return grade_single(&k, &a);
		case Q_MULTIPLE_CHOICE:
			return grade_multiple(&k, &a);
		case Q_TRUE_FALSE:
			return grade_true_false(&k, &a);
		case Q_NUMERIC:
		case Q_SHORT_ANSWER:
			return grade_listed(type, &k, &a);
		case Q_MATCHING:
			return grade_matching(&k, &a);
		case Q_ORDERING:
			return grade_ordering(&k, &a);
		case Q_ESSAY:
		case Q_DESCRIPTION:
			break;
	}
	return NULL;
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_grade);
Datum
sc_grade(PG_FUNCTION_ARGS)
{
	Numeric		fraction;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	fraction = sc_grade_answer(sc_question_type(PG_GETARG_TEXT_PP(0)),
							   PG_ARGISNULL(1) ? NULL : PG_GETARG_JSONB_P(1),
							   PG_ARGISNULL(2) ? NULL : PG_GETARG_JSONB_P(2));
	if (fraction == NULL)
		PG_RETURN_NULL();
	PG_RETURN_NUMERIC(fraction);
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_answer_is_blank);
Datum
sc_answer_is_blank(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_BOOL(sc_answer_blank(sc_question_type(PG_GETARG_TEXT_PP(0)),
								   PG_ARGISNULL(1) ? NULL : PG_GETARG_JSONB_P(1)));
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_net);
Datum
sc_net(PG_FUNCTION_ARGS)
{
	int32		correct;
	int32		wrong;
	Numeric		k;
	Numeric		top;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	correct = PG_GETARG_INT32(0);
	wrong = PG_GETARG_INT32(1);
	if (correct < 0 || wrong < 0)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("answer counts must not be negative"),
				 errdetail("Got %d correct and %d wrong.", correct, wrong)));
	if (PG_ARGISNULL(2))
		PG_RETURN_NUMERIC(num_const(correct));
	k = PG_GETARG_NUMERIC(2);
	if (numeric_is_nan(k) || numeric_is_inf(k) || num_cmp(k, num_const(0)) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("wrong answers per right one must not be negative")));
	if (num_cmp(k, num_const(0)) == 0)
		PG_RETURN_NUMERIC(num_const(correct));
	top = num_sub(num_mul(k, num_const(correct)), num_const(wrong));
	PG_RETURN_NUMERIC(num_trim(numeric_div_opt_error(top, k, NULL)));
}

/* Mean weight of the options; NULL when nobody says how many there are. */
static Numeric
guess_single(const JsonbValue *key, const JsonbValue *options)
{
	JsonbValue	v;
	JsonbValue	w;
	JsonbIterator *it;
	JsonbIteratorToken token;
	Numeric		sum = num_const(1);
	int			n = sc_jb_length(options);

	if (sc_jb_get(key, "weights", &v) && sc_jb_is_object(&v))
	{
		sum = num_const(0);
		it = JsonbIteratorInit(v.val.binary.data);
		while ((token = JsonbIteratorNext(&it, &w, true)) != WJB_DONE)
			if (token == WJB_VALUE)
			{
				Numeric		x;

				if (!sc_jb_number(&w, &x))
					bad_key(Q_SINGLE_CHOICE);
				sum = num_add(sum, x);
			}
		if (n == 0)
			n = sc_jb_length(&v);
	}
	if (n == 0)
		return NULL;
	return num_trim(numeric_div_opt_error(sum, num_const(n), NULL));
}

/* Fraction that a lone star, or "any number", earns; else 0. */
static Numeric
guess_listed(QuestionType type, const JsonbValue *key)
{
	JsonbValue	answers;
	JsonbValue	a;
	JsonbValue	v;

	if (!sc_jb_get(key, "answers", &answers))
		return num_const(0);
	for (int i = 0; sc_jb_item(&answers, i, &a); i++)
	{
		bool		takes_all;

		if (type == Q_NUMERIC)
			takes_all = sc_jb_get(&a, "any", &v) && v.type == jbvBool && v.val.boolean;
		else
			takes_all = sc_jb_text_is(&a, "*") ||
				(sc_jb_get(&a, "text", &v) && sc_jb_text_is(&v, "*"));
		if (takes_all)
			return accepted_fraction(type, &a);
	}
	return num_const(0);
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_random_guess_score);
Datum
sc_random_guess_score(PG_FUNCTION_ARGS)
{
	QuestionType type;
	JsonbValue	key;
	JsonbValue	options = {.type = jbvNull};
	JsonbValue	v;
	Numeric		score = NULL;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	type = sc_question_type(PG_GETARG_TEXT_PP(0));
	sc_jb_root(PG_GETARG_JSONB_P(1), &key);
	if (!PG_ARGISNULL(2))
		sc_jb_root(PG_GETARG_JSONB_P(2), &options);

	switch (type)
	{
		case Q_SINGLE_CHOICE:
			score = guess_single(&key, &options);
			break;
		case Q_TRUE_FALSE:
			score = num_ratio(1, 2);
			break;
		case Q_NUMERIC:
		case Q_SHORT_ANSWER:
			score = guess_listed(type, &key);
			break;
		case Q_MATCHING:
			if (sc_jb_get(&options, "right", &v) && sc_jb_length(&v) > 0)
				score = num_ratio(1, sc_jb_length(&v));
			else if (sc_jb_get(&key, "pairs", &v) && sc_jb_length(&v) > 0)
				score = num_ratio(1, sc_jb_length(&v));
			break;
		case Q_ORDERING:
			if (sc_jb_get(&key, "order", &v) && sc_jb_length(&v) > 0)
			{
				int			n = sc_jb_length(&v);

				if (sc_jb_get(&key, "scoring", &v) && sc_jb_text_is(&v, "exact"))
				{
					score = num_const(1);
					for (int i = 2; i <= Min(n, 20); i++)
						score = numeric_div_opt_error(score, num_const(i), NULL);
					score = num_trim(score);
				}
				else
					score = num_ratio(1, n);
			}
			break;
		case Q_MULTIPLE_CHOICE:
		case Q_ESSAY:
		case Q_DESCRIPTION:
			break;
	}
	if (score == NULL)
		PG_RETURN_NULL();
	PG_RETURN_NUMERIC(score);
}
