/*
 * answer.c
 *		Saving answers while an exam runs.
 *
 * The hottest writer there is: store.c locks the attempt, fetches what the rules
 * need, and stores the answer with its line in the log; here are the rules.
 *
 * A save carries the client's counter, seq.  A higher seq than the stored one
 * is stored; the same seq with the same answer is the repetition of a save
 * whose reply was lost, and fine; everything else is stale, and the caller is
 * told what is stored.  JSON null clears, and so does an answer without
 * content: both are stored as NULL, which is blank.
 *
 * Answers come in the ids that the attempt shows and are stored in the author's
 * (order.c).  Within the slack after the deadline one save of each question is
 * taken and flagged with its lateness.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "extension/exam.h"
#include "extension/jsonread.h"
#include "extension/order.h"
#include "extension/query.h"
#include "extension/store.h"
#include "extension/table.h"
#include "extension/student_coach.h"

#define MAX_SHORT 1000
#define MAX_ESSAY 50000
#define MAX_NUMBER 80

SC_WRITE(Q_QUESTION,
		 "SELECT v.type, v.options"
		 "  FROM sc.exam_attempts AS a"
		 "  JOIN sc.question_versions AS v ON v.id = a.version_ids[array_position(a.question_ids, $2)]"
		 " WHERE a.id = $1",
		 INT8OID, INT8OID);
SC_WRITE(Q_STORE,
		 "INSERT INTO sc.attempt_answers AS s (attempt_id, question_id, seq, answer, saved_at, elapsed_ms, late_ms)"
		 " VALUES ($1, $2, $3, $4, $5, $6, $7)"
		 " ON CONFLICT (attempt_id, question_id) DO UPDATE"
		 "   SET seq = excluded.seq, answer = excluded.answer, saved_at = excluded.saved_at,"
		 "       elapsed_ms = excluded.elapsed_ms, late_ms = excluded.late_ms"
		 " WHERE s.seq < excluded.seq AND NOT (s.late_ms > 0 AND excluded.late_ms > 0)"
		 " RETURNING 1",
		 INT8OID, INT8OID, INT8OID, JSONBOID, TIMESTAMPTZOID, INT4OID, INT4OID);
SC_WRITE(Q_LOG,
		 "INSERT INTO sc.answer_log (at, attempt_id, question_id, seq, answer) VALUES ($1, $2, $3, $4, $5)",
		 TIMESTAMPTZOID, INT8OID, INT8OID, INT8OID, JSONBOID);
SC_WRITE(Q_STORED,
		 "SELECT seq, answer, saved_at, late_ms FROM sc.attempt_answers"
		 " WHERE attempt_id = $1 AND question_id = $2",
		 INT8OID, INT8OID);
SC_WRITE(Q_LATE,
		 "UPDATE sc.exam_attempts SET late_ms = greatest(late_ms, $2) WHERE id = $1",
		 INT8OID, INT4OID);

/* --- what counts as an answer --------------------------------------------- */

/* Is the text the id of one of the options? */
static bool
is_option(const JsonbValue *list, const JsonbValue *id)
{
	int			n = sc_jb_length(list);

	if (id->type != jbvString || !sc_jb_is_array(list))
		return false;
	for (int i = 0; i < n; i++)
	{
		JsonbValue	option;
		JsonbValue	name;

		if (sc_jb_item(list, i, &option) && sc_jb_get(&option, "id", &name) &&
			sc_jb_same_text(&name, id))
			return true;
	}
	return false;
}

/* A list of different options. */
static bool
is_option_list(const JsonbValue *list, const JsonbValue *answer)
{
	int			n = sc_jb_length(answer);

	if (!sc_jb_is_array(answer) || n > sc_jb_length(list))
		return false;
	for (int i = 0; i < n; i++)
	{
		JsonbValue	v;

		(void) sc_jb_item(answer, i, &v);
		if (!is_option(list, &v))
			return false;
		for (int j = 0; j < i; j++)
		{
			JsonbValue	before;

			(void) sc_jb_item(answer, j, &before);
			if (sc_jb_same_text(&before, &v))
				return false;
		}
	}
	return true;
}

/* Left ids, each with a right id or null. */
static bool
is_matching(const JsonbValue *options, const JsonbValue *answer)
{
	JsonbValue	left;
	JsonbValue	right;
	JsonbValue	k;
	JsonbValue	v;
	JsonbIterator *it;

	if (!sc_jb_is_object(answer) || !sc_jb_get(options, "left", &left) ||
		!sc_jb_get(options, "right", &right))
		return false;
	it = JsonbIteratorInit(answer->val.binary.data);
	(void) JsonbIteratorNext(&it, &k, true);
	while (JsonbIteratorNext(&it, &k, true) == WJB_KEY)
	{
		(void) JsonbIteratorNext(&it, &v, true);
		if (!is_option(&left, &k) || (v.type != jbvNull && !is_option(&right, &v)))
			return false;
	}
	return true;
}

static bool
is_text(const JsonbValue *v, int max_chars)
{
	return v->type == jbvString &&
		pg_mbstrlen_with_len(v->val.string.val, v->val.string.len) <= max_chars;
}

/* Is this an answer that the type of question can have? */
static bool
answer_fits(QuestionType type, Jsonb *options, Jsonb *answer)
{
	JsonbValue	list;
	JsonbValue	v;

	sc_jb_root(options, &list);
	sc_jb_root(answer, &v);
	switch (type)
	{
		case Q_SINGLE_CHOICE:
			return is_option(&list, &v);
		case Q_MULTIPLE_CHOICE:
		case Q_ORDERING:
			return is_option_list(&list, &v);
		case Q_TRUE_FALSE:
			return v.type == jbvBool;
		case Q_NUMERIC:
			return v.type == jbvNumeric || is_text(&v, MAX_NUMBER);
		case Q_SHORT_ANSWER:
			return is_text(&v, MAX_SHORT);
		case Q_MATCHING:
			return is_matching(&list, &v);
		case Q_ESSAY:
			return is_text(&v, MAX_ESSAY);
		case Q_DESCRIPTION:
			break;
	}
	return false;
}

/* --- one save --------------------------------------------------------------- */

static bool
same_answer(Jsonb *a, Jsonb *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return compareJsonbContainers(&a->root, &b->root) == 0;
}

static int
late_by(const Attempt *a, TimestampTz at)
{
	if (!a->has_deadline || at <= a->deadline)
		return 0;
	return (int) Min((at - a->deadline + 999) / 1000, PG_INT32_MAX);
}

/* What is stored of an answer, by SQL; false if nothing is. */
static bool
find_stored(int64 attempt_id, int64 question_id, StoredAnswer *stored)
{
	ScRows		rows;
	bool		found;
	bool		isnull;
	Datum		answer;

	sc_query_begin();
	rows = sc_query(&Q_STORED, SC_INT8(attempt_id), SC_INT8(question_id));
	found = rows.count > 0;
	if (found)
	{
		stored->seq = sc_get_int8(&rows, 0, 1);
		answer = sc_get_copy(&rows, 0, 2, &isnull);
		stored->answer = isnull ? NULL : DatumGetJsonbP(answer);
		stored->saved_at = sc_get_timestamptz(&rows, 0, 3);
		stored->late_ms = sc_get_int4(&rows, 0, 4);
	}
	sc_query_end();
	return found;
}

static void
log_by_sql(const SaveRow *row)
{
	sc_query_begin();
	(void) sc_query(&Q_LOG, SC_TIMESTAMPTZ(row->saved_at), SC_INT8(row->attempt_id),
					SC_INT8(row->question_id), SC_INT8(row->seq),
					SC_DATUM_OR_NULL(JsonbPGetDatum(row->answer), row->answer == NULL));
	sc_query_end();
}

/* Store a row: true if it was, false if what is stored (*stored) stays. */
static bool
store(const SaveRow *row, StoredAnswer *stored)
{
	bool		done;

	switch (sc_store_answer(row, stored))
	{
		case STORE_DONE:
			return true;
		case STORE_KEPT:
			return false;
		case STORE_UNLOGGED:
			log_by_sql(row);
			return true;
		case STORE_NOT_PLAIN:
			break;
	}
	sc_query_begin();
	done = sc_query(&Q_STORE, SC_INT8(row->attempt_id), SC_INT8(row->question_id), SC_INT8(row->seq),
					SC_DATUM_OR_NULL(JsonbPGetDatum(row->answer), row->answer == NULL),
					SC_TIMESTAMPTZ(row->saved_at),
					SC_DATUM_OR_NULL(Int32GetDatum(row->elapsed_ms), !row->has_elapsed),
					SC_INT4(row->late_ms)).count > 0;
	sc_query_end();
	if (done)
		log_by_sql(row);
	else
		(void) find_stored(row->attempt_id, row->question_id, stored);
	return done;
}

static void
note_late(int64 attempt_id, int late_ms)
{
	sc_query_begin();
	(void) sc_query(&Q_LATE, SC_INT8(attempt_id), SC_INT4(late_ms));
	sc_query_end();
}

/*
 * Nothing was changed: say why, from what is stored.  The repetition of a save
 * whose reply was lost is fine, even when the attempt is over.
 */
static void
explain_unsaved(const SaveRow *row, const StoredAnswer *stored, SaveResult *result)
{
	result->seq = stored->seq;
	result->answer = stored->answer;
	result->saved_at = stored->saved_at;
	result->has_saved_at = true;
	result->late_ms = stored->late_ms;
	if (row->seq == stored->seq && same_answer(row->answer, stored->answer))
		result->status = SAVE_STORED;
	else if (row->seq <= stored->seq)
		result->status = SAVE_STALE;
}

/*
 * Save one answer into a locked attempt, unless it takes no answers any more
 * (open is false).  type and options are the question's.
 */
static SaveResult
save(const Attempt *a, const AnswerInput *in, QuestionType type, Jsonb *options,
	 bool open, TimestampTz at)
{
	SaveResult	result = {.question_id = in->question_id, .seq = in->seq, .status = SAVE_STORED};
	bool		renamed = sc_order_applies(type, a->shuffle_options);
	uint64		seed = sc_order_seed(a->seed, in->question_id);
	Jsonb	   *answer = in->answer;
	SaveRow		row;
	StoredAnswer stored;

	if (answer != NULL && sc_answer_blank(type, answer))
		answer = NULL;
	if (type == Q_DESCRIPTION || (answer != NULL && !answer_fits(type, options, answer)))
	{
		result.status = SAVE_INVALID;
		return result;
	}
	if (answer != NULL && renamed)
		answer = sc_order_answer(type, options, seed, answer, false);

	row = (SaveRow) {.attempt_id = a->id, .question_id = in->question_id, .seq = in->seq, .answer = answer, .saved_at = at, .has_elapsed = in->has_elapsed, .elapsed_ms = in->elapsed_ms, .late_ms = late_by(a, at)};
	result.late_ms = row.late_ms;
	if (open && store(&row, &stored))
	{
		result.answer = answer;
		result.saved_at = at;
		result.has_saved_at = true;
		if (row.late_ms > 0)
			note_late(a->id, row.late_ms);
	}
	else
	{
		result.status = SAVE_CLOSED;
		if (open || find_stored(a->id, in->question_id, &stored))
			explain_unsaved(&row, &stored, &result);
	}
	if (result.answer != NULL && renamed)
		result.answer = sc_order_answer(type, options, seed, result.answer, true);
	return result;
}

/* --- many at once ----------------------------------------------------------- */

static void
bad_item(int i, const char *member, const char *code)
{
	sc_invalid(psprintf("answers[%d].%s", i, member), code, NULL);
}

/* A member that must be a whole number from least on. */
static bool
read_whole(const JsonbValue *item, const char *member, int64 least, int64 *out)
{
	JsonbValue	v;
	bool		overflow = false;

	if (!sc_jb_get(item, member, &v) || v.type != jbvNumeric)
		return false;
	if (!DatumGetBool(DirectFunctionCall2(numeric_eq, NumericGetDatum(v.val.numeric),
										  DirectFunctionCall2(numeric_trunc, NumericGetDatum(v.val.numeric),
															  Int32GetDatum(0)))))
		return false;
	if (DatumGetBool(DirectFunctionCall2(numeric_gt, NumericGetDatum(v.val.numeric),
										 NumericGetDatum(int64_to_numeric(PG_INT64_MAX)))))
		overflow = true;
	if (overflow || DatumGetBool(DirectFunctionCall2(numeric_lt, NumericGetDatum(v.val.numeric),
													 NumericGetDatum(int64_to_numeric(least)))))
		return false;
	*out = DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(v.val.numeric)));
	return true;
}

static AnswerInput *
read_item(const JsonbValue *item, int i)
{
	AnswerInput *in = palloc0(sizeof(AnswerInput));
	JsonbValue	v;
	JsonbValue	key = {.type = jbvString,.val.string = {.val = "answer", .len = 6}};
	JsonbValue *answer;
	int64		elapsed;

	if (!sc_jb_is_object(item))
	{
		sc_invalid(psprintf("answers[%d]", i), "invalid_type", NULL);
		return in;
	}
	if (!read_whole(item, "question_id", 1, &in->question_id))
		bad_item(i, "question_id", "invalid_value");
	if (!read_whole(item, "seq", 0, &in->seq))
		bad_item(i, "seq", "invalid_value");
	answer = findJsonbValueFromContainer(item->val.binary.data, JB_FOBJECT, &key);
	if (answer == NULL)
		bad_item(i, "answer", "required");
	else if (answer->type != jbvNull)
		in->answer = JsonbValueToJsonb(answer);
	if (sc_jb_get(item, "elapsed_ms", &v))
	{
		if (!read_whole(item, "elapsed_ms", 0, &elapsed) || elapsed > PG_INT32_MAX)
			bad_item(i, "elapsed_ms", "invalid_value");
		else
		{
			in->has_elapsed = true;
			in->elapsed_ms = (int32) elapsed;
		}
	}
	return in;
}

/* A list of AnswerInput from [{"question_id":, "seq":, "answer":, "elapsed_ms":}]. */
List *
sc_read_answers(Jsonb *answers)
{
	List	   *inputs = NIL;
	JsonbValue	list;
	int			n;

	sc_jb_root(answers, &list);
	if (!sc_jb_is_array(&list))
		sc_invalid("answers", "invalid_type", NULL);
	n = sc_jb_is_array(&list) ? sc_jb_length(&list) : 0;
	if (n > MAX_BATCH)
		sc_invalid("answers", "batch_too_long", psprintf("{\"max\": %d}", MAX_BATCH));
	sc_check_valid();
	for (int i = 0; i < n; i++)
	{
		JsonbValue	item;

		(void) sc_jb_item(&list, i, &item);
		inputs = lappend(inputs, read_item(&item, i));
	}
	sc_check_valid();
	return inputs;
}

static const char *
status_name(SaveStatus status)
{
	switch (status)
	{
		case SAVE_STORED:
			return "saved";
		case SAVE_STALE:
			return "stale";
		case SAVE_CLOSED:
			return "attempt_closed";
		case SAVE_UNKNOWN:
			return "not_found";
		case SAVE_INVALID:
			return "invalid_answer";
	}
	return NULL;
}

static void
push_member(JsonbParseState **state, const char *name, JsonbValue *v)
{
	JsonbValue	k = {.type = jbvString,.val.string = {.val = unconstify(char *, name), .len = strlen(name)}};

	(void) pushJsonbValue(state, WJB_KEY, &k);
	(void) pushJsonbValue(state, WJB_VALUE, v);
}

static void
push_number(JsonbParseState **state, const char *name, int64 n)
{
	JsonbValue	v = {.type = jbvNumeric,.val.numeric = int64_to_numeric(n)};

	push_member(state, name, &v);
}

static void
push_result(JsonbParseState **state, const SaveResult *r)
{
	const char *status = status_name(r->status);
	JsonbValue	v = {.type = jbvString,.val.string = {.val = unconstify(char *, status), .len = strlen(status)}};

	(void) pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	push_number(state, "question_id", r->question_id);
	push_member(state, "status", &v);
	push_number(state, "seq", r->seq);
	if (r->answer != NULL)
		sc_jb_root(r->answer, &v);
	else
		v.type = jbvNull;
	push_member(state, "answer", &v);
	push_number(state, "late_ms", r->late_ms);
	(void) pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

/*
 * Save a list of AnswerInput into a locked attempt.  A bad one costs only
 * itself: gives a jsonb array that says of each what became of it.
 */
Jsonb *
sc_save_batch(const Attempt *a, List *inputs, TimestampTz at)
{
	JsonbParseState *state = NULL;
	ListCell   *cell;
	bool		open = sc_attempt_open(a, at);

	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	sc_scope_begin();
	foreach(cell, inputs)
	{
		const AnswerInput *in = lfirst(cell);
		SaveResult	result = {.question_id = in->question_id, .seq = in->seq, .status = SAVE_UNKNOWN};
		ScRows		rows;

		CHECK_FOR_INTERRUPTS();
		rows = sc_query(&Q_QUESTION, SC_INT8(a->id), SC_INT8(in->question_id));
		if (rows.count > 0)
		{
			bool		isnull;
			Datum		type = sc_get_copy(&rows, 0, 1, &isnull);
			Datum		options = sc_get_copy(&rows, 0, 2, &isnull);

			result = save(a, in, sc_question_type(DatumGetTextPP(type)), DatumGetJsonbP(options), open, at);
		}
		push_result(&state, &result);
	}
	sc_scope_end();
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}

/* --- the two ways in ---------------------------------------------------------- */

/* Refuse answers to an attempt that takes none any more. */
void
sc_refuse_closed(const Attempt *a, TimestampTz at)
{
	if (strcmp(a->state, "not_started") == 0)
		sc_refuse(409, "attempt_not_started", NULL);
	sc_refuse(409, "attempt_closed",
			  psprintf("{\"state\": \"%s\", \"late_ms\": %d}", a->state, late_by(a, at)));
}

static Attempt
begin_save(int64 attempt_id, bool any_user, int64 user_id, const AnswerInput *in, TimestampTz at,
		   QuestionType *type, Jsonb **options)
{
	Attempt		a;
	StoredQuestion question;

	if (!sc_store_begin(attempt_id, in->question_id, &a, &question) ||
		(!any_user && a.user_id != user_id) || question.type == NULL)
		sc_refuse(404, "not_found", NULL);
	if (!sc_attempt_open(&a, at))
		sc_refuse_closed(&a, at);
	*type = sc_question_type(question.type);
	*options = question.options;
	return a;
}

/* The answer to a single save, a row of sc_api.saved_answer. */
static Datum
saved_row(FunctionCallInfo fcinfo, const Attempt *a, const SaveResult *r, TimestampTz at)
{
	TupleDesc	desc;
	Datum		values[10];
	bool		nulls[10] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "a save must return a row");
	values[0] = Int64GetDatum(r->question_id);
	values[1] = Int64GetDatum(r->seq);
	values[2] = JsonbPGetDatum(r->answer);
	nulls[2] = r->answer == NULL;
	values[3] = BoolGetDatum(r->status == SAVE_STALE);
	values[4] = TimestampTzGetDatum(r->saved_at);
	nulls[4] = !r->has_saved_at;
	values[5] = Int32GetDatum(r->late_ms);
	values[6] = CStringGetTextDatum(a->state);
	values[7] = TimestampTzGetDatum(at);
	values[8] = TimestampTzGetDatum(a->deadline);
	nulls[8] = !a->has_deadline;
	values[9] = Int64GetDatum(sc_ms_until(a->has_deadline, a->deadline, at));
	nulls[9] = !a->has_deadline;
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

static Datum
save_single(FunctionCallInfo fcinfo, int64 attempt_id, bool any_user, int64 user_id,
			const AnswerInput *in, TimestampTz at)
{
	QuestionType type;
	Jsonb	   *options;
	Attempt		a;
	SaveResult	result;

	if (in->seq < 0)
		sc_invalid("seq", "invalid_value", NULL);
	if (in->has_elapsed && in->elapsed_ms < 0)
		sc_invalid("elapsed_ms", "invalid_value", NULL);
	sc_check_valid();

	sc_scope_begin();
	a = begin_save(attempt_id, any_user, user_id, in, at, &type, &options);
	result = save(&a, in, type, options, true, at);
	sc_scope_end();
	if (result.status == SAVE_CLOSED)
		sc_refuse_closed(&a, at);
	if (result.status == SAVE_INVALID)
	{
		sc_invalid("answer", "invalid_answer", NULL);
		sc_check_valid();
	}
	return saved_row(fcinfo, &a, &result, at);
}

/* save_answer(attempt_id, question_id, seq, answer, elapsed_ms, at) */
PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_save_answer);
Datum
sc_save_answer(PG_FUNCTION_ARGS)
{
	AnswerInput in = {0};

	for (int i = 0; i < 6; i++)
		if (PG_ARGISNULL(i) && i != 3 && i != 4)
			PG_RETURN_NULL();
	in.question_id = PG_GETARG_INT64(1);
	in.seq = PG_GETARG_INT64(2);
	in.answer = PG_ARGISNULL(3) ? NULL : PG_GETARG_JSONB_P(3);
	in.has_elapsed = !PG_ARGISNULL(4);
	in.elapsed_ms = in.has_elapsed ? PG_GETARG_INT32(4) : 0;
	return save_single(fcinfo, PG_GETARG_INT64(0), true, 0, &in, PG_GETARG_TIMESTAMPTZ(5));
}

/* Was this member of the body given? */
static bool
given_has(ArrayType *given, const char *name)
{
	Datum	   *names;
	bool	   *isnull;
	int			n;

	deconstruct_array(given, TEXTOID, -1, false, TYPALIGN_INT, &names, &isnull, &n);
	for (int i = 0; i < n; i++)
		if (!isnull[i] && strcmp(TextDatumGetCString(names[i]), name) == 0)
			return true;
	return false;
}

/*
 * sc_api.answer_save(actor, attempt_id, question_id, seq, answer, elapsed_ms,
 * given): PUT of one answer.  Leaving "answer" out is not clearing it.
 */
PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_api_answer_save);
Datum
sc_api_answer_save(PG_FUNCTION_ARGS)
{
	AnswerInput in = {0};

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		sc_refuse(404, "not_found", NULL);
	if (PG_ARGISNULL(3))
		sc_invalid("seq", "required", NULL);
	if (PG_ARGISNULL(4) && !PG_ARGISNULL(6) && !given_has(PG_GETARG_ARRAYTYPE_P(6), "answer"))
		sc_invalid("answer", "required", NULL);
	sc_check_valid();
	in.question_id = PG_GETARG_INT64(2);
	in.seq = PG_GETARG_INT64(3);
	if (!PG_ARGISNULL(4))
		in.answer = PG_GETARG_JSONB_P(4);
	if (in.answer != NULL)
	{
		JsonbValue	v;

		sc_jb_root(in.answer, &v);
		if (v.type == jbvNull)
			in.answer = NULL;
	}
	in.has_elapsed = !PG_ARGISNULL(5);
	in.elapsed_ms = in.has_elapsed ? PG_GETARG_INT32(5) : 0;
	return save_single(fcinfo, PG_GETARG_INT64(1), false, PG_GETARG_INT64(0), &in, GetCurrentTimestamp());
}
