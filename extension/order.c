/*
 * order.c
 *		The order in which an attempt shows questions and options.
 *
 * An attempt holds one seed.  Everything random about it follows from that
 * seed, by a generator of our own (splitmix64) whose sequence is part of the
 * stored data: a later release must show an old attempt as it was.
 *
 * Options that are shuffled are named anew, by place: the option shown at place
 * i goes by the id that the author gave to the option he wrote at place i.  So
 * neither order nor ids tell which option was written first, as the right one
 * often is.  What students send is turned back at once; stored answers name the
 * author's ids, and scoring and statistics know nothing of the shuffling.
 *
 * Single and multiple choice are shuffled where the exam says so.  The items of
 * an ordering and the right side of a matching always are: authors write them
 * in the right order.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "extension/jsonread.h"
#include "extension/order.h"

static uint64
next_random(uint64 *state)
{
	uint64		z = (*state += UINT64CONST(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64CONST(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64CONST(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* A seed of its own for a part of the attempt, such as a question. */
uint64
sc_order_seed(uint64 seed, uint64 salt)
{
	uint64		state = seed ^ (salt * UINT64CONST(0xd1342543de82ef95));

	return next_random(&state);
}

/* A random number below n, without the bias of a plain remainder. */
static int
random_below(uint64 *state, int n)
{
	uint64		limit = PG_UINT64_MAX - PG_UINT64_MAX % n;
	uint64		r;

	do
		r = next_random(state);
	while (r >= limit);
	return (int) (r % n);
}

/* Fill place[0..n-1] with a permutation of 0..n-1. */
void
sc_order_permutation(uint64 seed, int n, int *place)
{
	uint64		state = seed;

	for (int i = 0; i < n; i++)
		place[i] = i;
	for (int i = n - 1; i > 0; i--)
	{
		int			j = random_below(&state, i + 1);
		int			swap = place[i];

		place[i] = place[j];
		place[j] = swap;
	}
}

/* Does this type have options to shuffle, and should they be? */
bool
sc_order_applies(QuestionType type, bool shuffle_options)
{
	switch (type)
	{
		case Q_SINGLE_CHOICE:
		case Q_MULTIPLE_CHOICE:
			return shuffle_options;
		case Q_MATCHING:
		case Q_ORDERING:
			return true;
		default:
			return false;
	}
}

/* The list that is shuffled: all options, or the right side of a matching. */
static bool
movable_options(QuestionType type, Jsonb *options, JsonbValue *list)
{
	JsonbValue	root;

	sc_jb_root(options, &root);
	if (type == Q_MATCHING)
		return sc_jb_get(&root, "right", list) && sc_jb_is_array(list);
	*list = root;
	return sc_jb_is_array(list);
}

static void
push_container(JsonbParseState **state, const JsonbValue *v, bool element)
{
	JsonbValue	copy = *v;

	(void) pushJsonbValue(state, element ? WJB_ELEM : WJB_VALUE, &copy);
}

static void
push_key(JsonbParseState **state, const char *key, int len)
{
	JsonbValue	k = {.type = jbvString,.val.string = {.val = unconstify(char *, key), .len = len}};

	(void) pushJsonbValue(state, WJB_KEY, &k);
}

/* One option as shown: the members of one, the id of the other. */
static void
push_renamed(JsonbParseState **state, const JsonbValue *option, const JsonbValue *id)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	k;
	JsonbValue	v;

	(void) pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	it = JsonbIteratorInit(option->val.binary.data);
	(void) JsonbIteratorNext(&it, &k, true);
	while ((token = JsonbIteratorNext(&it, &k, true)) == WJB_KEY)
	{
		(void) JsonbIteratorNext(&it, &v, true);
		push_key(state, k.val.string.val, k.val.string.len);
		if (k.val.string.len == 2 && memcmp(k.val.string.val, "id", 2) == 0)
			push_container(state, id, false);
		else
			push_container(state, &v, false);
	}
	(void) pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

static JsonbValue *
push_list(JsonbParseState **state, const JsonbValue *list, uint64 seed)
{
	int			n = sc_jb_length(list);
	int		   *place = palloc(sizeof(int) * Max(n, 1));

	sc_order_permutation(seed, n, place);
	(void) pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < n; i++)
	{
		JsonbValue	shown;
		JsonbValue	author;
		JsonbValue	id;

		if (sc_jb_item(list, place[i], &shown) && sc_jb_item(list, i, &author) &&
			sc_jb_is_object(&shown) && sc_jb_get(&author, "id", &id))
			push_renamed(state, &shown, &id);
		else
			push_container(state, &shown, true);
	}
	pfree(place);
	return pushJsonbValue(state, WJB_END_ARRAY, NULL);
}

/* The options of a question as this seed shows them. */
Jsonb *
sc_order_options(QuestionType type, Jsonb *options, uint64 seed)
{
	JsonbParseState *state = NULL;
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	list;
	JsonbValue	k;
	JsonbValue	v;

	if (!movable_options(type, options, &list))
		return options;
	if (type != Q_MATCHING)
		return JsonbValueToJsonb(push_list(&state, &list, seed));

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	it = JsonbIteratorInit(&options->root);
	(void) JsonbIteratorNext(&it, &k, true);
	while ((token = JsonbIteratorNext(&it, &k, true)) == WJB_KEY)
	{
		(void) JsonbIteratorNext(&it, &v, true);
		push_key(&state, k.val.string.val, k.val.string.len);
		if (k.val.string.len == 5 && memcmp(k.val.string.val, "right", 5) == 0)
			(void) push_list(&state, &list, seed);
		else
			push_container(&state, &v, false);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* Ids of a list of options in the author's order. */
typedef struct OptionIds
{
	int			n;
	JsonbValue *ids;
	int		   *place;			/* what stands at each place */
} OptionIds;

/* The other name of an option id; an id that is not there stays as it is. */
static JsonbValue
rename_id(const OptionIds *o, const JsonbValue *id, bool to_shown)
{
	for (int i = 0; i < o->n; i++)
	{
		if (!to_shown && sc_jb_same_text(&o->ids[i], id))
			return o->ids[o->place[i]];
		if (to_shown && sc_jb_same_text(&o->ids[o->place[i]], id))
			return o->ids[i];
	}
	return *id;
}

static OptionIds
read_ids(const JsonbValue *list, uint64 seed)
{
	OptionIds	o;

	o.n = sc_jb_length(list);
	o.ids = palloc(sizeof(JsonbValue) * Max(o.n, 1));
	o.place = palloc(sizeof(int) * Max(o.n, 1));
	for (int i = 0; i < o.n; i++)
	{
		JsonbValue	option;

		(void) sc_jb_item(list, i, &option);
		(void) sc_jb_get(&option, "id", &o.ids[i]);
	}
	sc_order_permutation(seed, o.n, o.place);
	return o;
}

static void
push_other(JsonbParseState **state, const OptionIds *o, const JsonbValue *id, bool to_shown,
		   JsonbIteratorToken token)
{
	JsonbValue	v = *id;

	if (id->type == jbvString)
		v = rename_id(o, id, to_shown);
	(void) pushJsonbValue(state, token, &v);
}

static JsonbValue *
push_other_list(JsonbParseState **state, const OptionIds *o, const JsonbValue *list, bool to_shown)
{
	(void) pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < sc_jb_length(list); i++)
	{
		JsonbValue	v;

		(void) sc_jb_item(list, i, &v);
		push_other(state, o, &v, to_shown, WJB_ELEM);
	}
	return pushJsonbValue(state, WJB_END_ARRAY, NULL);
}

/* An object whose values are ids, or whose names are (by_name). */
static JsonbValue *
push_other_object(JsonbParseState **state, const OptionIds *o, const JsonbValue *object,
				  bool to_shown, bool by_name)
{
	JsonbIterator *it = JsonbIteratorInit(object->val.binary.data);
	JsonbValue	k;
	JsonbValue	v;

	(void) pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	(void) JsonbIteratorNext(&it, &k, true);
	while (JsonbIteratorNext(&it, &k, true) == WJB_KEY)
	{
		(void) JsonbIteratorNext(&it, &v, true);
		if (by_name)
		{
			push_other(state, o, &k, to_shown, WJB_KEY);
			(void) pushJsonbValue(state, WJB_VALUE, &v);
		}
		else
		{
			(void) pushJsonbValue(state, WJB_KEY, &k);
			push_other(state, o, &v, to_shown, WJB_VALUE);
		}
	}
	return pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

/*
 * An answer in the author's ids from one in shown ids, or the other way round.
 * What is not of the type's shape comes back unchanged.
 */
Jsonb *
sc_order_answer(QuestionType type, Jsonb *options, uint64 seed, Jsonb *answer, bool to_shown)
{
	JsonbParseState *state = NULL;
	JsonbValue	root;
	JsonbValue	list;
	OptionIds	o;

	if (!movable_options(type, options, &list))
		return answer;
	o = read_ids(&list, seed);
	sc_jb_root(answer, &root);
	if (root.type == jbvString)
	{
		root = rename_id(&o, &root, to_shown);
		return JsonbValueToJsonb(&root);
	}
	if (sc_jb_is_array(&root))
		return JsonbValueToJsonb(push_other_list(&state, &o, &root, to_shown));
	if (sc_jb_is_object(&root))
		return JsonbValueToJsonb(push_other_object(&state, &o, &root, to_shown, false));
	return answer;
}

/* The key in shown ids, for the review. */
static Jsonb *
order_key(QuestionType type, Jsonb *options, uint64 seed, Jsonb *key)
{
	JsonbParseState *state = NULL;
	JsonbIterator *it;
	JsonbValue	list;
	JsonbValue	k;
	JsonbValue	v;
	OptionIds	o;

	if (!JB_ROOT_IS_OBJECT(key) || !movable_options(type, options, &list))
		return key;
	o = read_ids(&list, seed);
	it = JsonbIteratorInit(&key->root);
	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	(void) JsonbIteratorNext(&it, &k, true);
	while (JsonbIteratorNext(&it, &k, true) == WJB_KEY)
	{
		bool		names = sc_jb_text_is(&k, "weights");

		(void) JsonbIteratorNext(&it, &v, true);
		(void) pushJsonbValue(&state, WJB_KEY, &k);
		if (!names && !sc_jb_text_is(&k, "correct") && !sc_jb_text_is(&k, "order") && !sc_jb_text_is(&k, "pairs"))
			push_container(&state, &v, false);
		else if (sc_jb_is_array(&v))
			(void) push_other_list(&state, &o, &v, true);
		else if (sc_jb_is_object(&v))
			(void) push_other_object(&state, &o, &v, true, names);
		else
			push_other(&state, &o, &v, true, WJB_VALUE);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* shown_options(type, options, seed, question_id, shuffle_options) */
PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_shown_options);
Datum
sc_shown_options(PG_FUNCTION_ARGS)
{
	QuestionType type = sc_question_type(PG_GETARG_TEXT_PP(0));
	Jsonb	   *options = PG_GETARG_JSONB_P(1);

	if (!sc_order_applies(type, PG_GETARG_BOOL(4)))
		PG_RETURN_JSONB_P(options);
	PG_RETURN_JSONB_P(sc_order_options(type, options,
									   sc_order_seed(PG_GETARG_INT64(2), PG_GETARG_INT64(3))));
}

/* shown_answer(type, options, seed, question_id, shuffle_options, answer) */
PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_shown_answer);
Datum
sc_shown_answer(PG_FUNCTION_ARGS)
{
	QuestionType type = sc_question_type(PG_GETARG_TEXT_PP(0));
	Jsonb	   *answer = PG_GETARG_JSONB_P(5);

	if (!sc_order_applies(type, PG_GETARG_BOOL(4)))
		PG_RETURN_JSONB_P(answer);
	PG_RETURN_JSONB_P(sc_order_answer(type, PG_GETARG_JSONB_P(1),
									  sc_order_seed(PG_GETARG_INT64(2), PG_GETARG_INT64(3)),
									  answer, true));
}

/* shown_key(type, options, seed, question_id, shuffle_options, key) */
PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_shown_key);
Datum
sc_shown_key(PG_FUNCTION_ARGS)
{
	QuestionType type = sc_question_type(PG_GETARG_TEXT_PP(0));
	Jsonb	   *key = PG_GETARG_JSONB_P(5);

	if (!sc_order_applies(type, PG_GETARG_BOOL(4)))
		PG_RETURN_JSONB_P(key);
	PG_RETURN_JSONB_P(order_key(type, PG_GETARG_JSONB_P(1),
								sc_order_seed(PG_GETARG_INT64(2), PG_GETARG_INT64(3)), key));
}
