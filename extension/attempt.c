/*
 * attempt.c
 *		The states of an attempt.
 *
 *		not_started -> in_progress		start (start.c)
 *		in_progress -> submitted		the student hands in, or the time is up (autosubmit)
 *		in_progress -> overdue			the time is up (graceperiod): may hand in, not answer
 *		in_progress, overdue -> abandoned	the time is up (abandon), or the grace too
 *		overdue     -> submitted		handed in within the grace
 *		submitted   -> graded			a teacher has marked what waited for it
 *		submitted, graded, abandoned -> in_progress		reopened by staff
 *
 * The deadline stands on the attempt.  The server's clock decides, with a slack
 * for what was under way: until deadline + slack answers are taken (flagged as
 * late) and the attempt is not closed.  What closes it then, the sweep or the
 * student's own next call, leaves the same row: finished at the deadline.
 *
 * Every writer of an attempt or its answers first locks the attempt's row (FOR
 * NO KEY UPDATE), several of them in the order of their ids or with SKIP
 * LOCKED.  So an acknowledged answer is always in before the attempt is scored.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "extension/exam.h"
#include "extension/query.h"
#include "extension/student_coach.h"

SC_WRITE(Q_LOCK,
		 "SELECT a.user_id, a.exam_id, a.state, a.deadline_at, a.seed, e.shuffle_options,"
		 "       e.overdue_policy, e.grace_seconds, e.slack_seconds"
		 "  FROM sc.exam_attempts AS a JOIN sc.exams AS e ON e.id = a.exam_id"
		 " WHERE a.id = $1 FOR NO KEY UPDATE OF a",
		 INT8OID);
SC_WRITE(Q_FINISH,
		 "UPDATE sc.exam_attempts"
		 "   SET state = $2, finish_reason = $3, submitted_at = $4, finished_at = $5,"
		 "       last_seen_at = coalesce($6, last_seen_at), updated_at = clock_timestamp()"
		 " WHERE id = $1",
		 INT8OID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID);
SC_WRITE(Q_SCORE,
		 "SELECT CASE s.state WHEN 'final' THEN 'graded' ELSE 'submitted' END FROM sc.score_attempt($1) AS s",
		 INT8OID);
SC_WRITE(Q_DUE,
		 "SELECT a.id"
		 "  FROM sc.exam_attempts AS a JOIN sc.exams AS e ON e.id = a.exam_id"
		 " WHERE a.state IN ('in_progress', 'overdue') AND a.deadline_at < $1"
		 "   AND a.deadline_at + make_interval(secs => CASE a.state WHEN 'overdue'"
		 "           THEN greatest(e.grace_seconds, e.slack_seconds) ELSE e.slack_seconds END) < $1"
		 " ORDER BY a.deadline_at LIMIT $2 FOR NO KEY UPDATE OF a SKIP LOCKED",
		 TIMESTAMPTZOID, INT4OID);
SC_WRITE(Q_CLOSE_DUE,
		 "UPDATE sc.exam_attempts AS a"
		 "   SET state = n.state,"
		 "       finish_reason = CASE n.state WHEN 'submitted' THEN 'deadline' WHEN 'abandoned' THEN 'abandoned' END,"
		 "       submitted_at = CASE n.state WHEN 'submitted' THEN a.deadline_at END,"
		 "       finished_at = CASE n.state WHEN 'overdue' THEN NULL ELSE a.deadline_at END,"
		 "       updated_at = clock_timestamp()"
		 "  FROM (SELECT x.id, CASE WHEN e.overdue_policy = 'autosubmit' THEN 'submitted'"
		 "               WHEN e.overdue_policy = 'graceperiod'"
		 "                AND x.deadline_at + make_interval(secs => greatest(e.grace_seconds, e.slack_seconds)) >= $2"
		 "               THEN 'overdue' ELSE 'abandoned' END AS state"
		 "          FROM sc.exam_attempts AS x JOIN sc.exams AS e ON e.id = x.exam_id"
		 "         WHERE x.id = ANY ($1)) AS n"
		 " WHERE a.id = n.id"
		 " RETURNING a.id, n.state",
		 INT8ARRAYOID, TIMESTAMPTZOID);
SC_WRITE(Q_SCORE_EACH,
		 "SELECT sc.score_each($1)",
		 INT8ARRAYOID);
SC_WRITE(Q_SCORE_WAITING,
		 "SELECT sc.score_waiting($1)",
		 INT4OID);
SC_READ(Q_CLOCK,
		"SELECT a.user_id, a.state, a.deadline_at,"
		"       (SELECT array_agg(n.id ORDER BY n.id) FROM sc.exam_announcements AS n WHERE n.exam_id = a.exam_id),"
		"       e.slack_seconds"
		"  FROM sc.exam_attempts AS a JOIN sc.exams AS e ON e.id = a.exam_id WHERE a.id = $1",
		INT8OID);

int64
sc_ms_until(bool has_deadline, TimestampTz deadline, TimestampTz at)
{
	if (!has_deadline || deadline <= at)
		return 0;
	return (deadline - at + 999) / 1000;
}

/* remaining_ms(deadline, at) */
PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_remaining_ms);
Datum
sc_remaining_ms(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(sc_ms_until(true, PG_GETARG_TIMESTAMPTZ(0), PG_GETARG_TIMESTAMPTZ(1)));
}

/* Are answers taken at that instant? */
bool
sc_attempt_open(const Attempt *a, TimestampTz at)
{
	return strcmp(a->state, "in_progress") == 0 &&
		(!a->has_deadline || at <= a->deadline + SECONDS(a->slack_seconds));
}

/* Score a handed-in attempt: graded, unless something waits for a teacher. */
static void
score(Attempt *a)
{
	ScRows		rows = sc_query(&Q_SCORE, SC_INT8(a->id));

	a->state = sc_get_text(&rows, 0, 1);
}

/* Lock an attempt and read it; false if there is none. */
static bool
lock_attempt(int64 id, Attempt *a)
{
	ScRows		rows = sc_query(&Q_LOCK, SC_INT8(id));

	if (rows.count == 0)
		return false;
	a->id = id;
	a->user_id = sc_get_int8(&rows, 0, 1);
	a->exam_id = sc_get_int8(&rows, 0, 2);
	a->state = sc_get_text(&rows, 0, 3);
	a->has_deadline = !sc_isnull(&rows, 0, 4);
	a->deadline = a->has_deadline ? sc_get_timestamptz(&rows, 0, 4) : 0;
	a->seed = sc_get_int8(&rows, 0, 5);
	a->shuffle_options = sc_get_bool(&rows, 0, 6);
	a->overdue_policy = sc_get_text(&rows, 0, 7);
	a->grace_seconds = sc_get_int4(&rows, 0, 8);
	a->slack_seconds = sc_get_int4(&rows, 0, 9);
	return true;
}

/*
 * Close a locked attempt whose time is up, as its exam's policy says, and score
 * it if that hands it in.  False if its time is not up.
 */
static bool
close_locked(Attempt *a, TimestampTz at)
{
	bool		overdue = strcmp(a->state, "overdue") == 0;
	int			allowance = overdue ? Max(a->grace_seconds, a->slack_seconds) : a->slack_seconds;
	Datum		id = Int64GetDatum(a->id);
	ScRows		rows;

	if (!overdue && strcmp(a->state, "in_progress") != 0)
		return false;
	if (!a->has_deadline || at <= a->deadline + SECONDS(allowance))
		return false;

	rows = sc_query(&Q_CLOSE_DUE,
					SC_DATUM(PointerGetDatum(construct_array(&id, 1, INT8OID, sizeof(int64),
															 FLOAT8PASSBYVAL, TYPALIGN_DOUBLE))),
					SC_TIMESTAMPTZ(at));
	a->state = sc_get_text(&rows, 0, 2);
	if (strcmp(a->state, "submitted") == 0)
		score(a);
	return true;
}

/* Close an attempt if its time is up; is it over then? */
bool
sc_attempt_over(int64 attempt_id, TimestampTz at)
{
	Attempt		a;

	if (!lock_attempt(attempt_id, &a))
		return true;
	(void) close_locked(&a, at);
	return strcmp(a.state, "in_progress") != 0 && strcmp(a.state, "overdue") != 0;
}

/* close_if_due(attempt_id, at): the state the attempt is in then */
PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_close_if_due);
Datum
sc_close_if_due(PG_FUNCTION_ARGS)
{
	Attempt		a;
	bool		found;

	sc_query_begin();
	found = lock_attempt(PG_GETARG_INT64(0), &a);
	if (found)
		(void) close_locked(&a, PG_GETARG_TIMESTAMPTZ(1));
	sc_query_end();
	if (!found)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(a.state));
}

/*
 * close_overdue(lim, at): close what is past its time, oldest deadline first.
 * Others may do the same at the same time: nobody waits, nothing is done twice.
 */
PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_close_overdue);
Datum
sc_close_overdue(PG_FUNCTION_ARGS)
{
	TimestampTz at = PG_GETARG_TIMESTAMPTZ(1);
	int			closed = 0;
	ScRows		rows;

	sc_query_begin();
	rows = sc_query(&Q_DUE, SC_TIMESTAMPTZ(at), SC_DATUM(Int32GetDatum(Max(PG_GETARG_INT32(0), 0))));
	if (rows.count > 0)
	{
		Datum	   *ids = palloc(sizeof(Datum) * rows.count);
		int			submitted = 0;

		for (uint64 i = 0; i < rows.count; i++)
			ids[i] = Int64GetDatum(sc_get_int8(&rows, i, 1));
		rows = sc_query(&Q_CLOSE_DUE,
						SC_DATUM(PointerGetDatum(construct_array(ids, rows.count, INT8OID, sizeof(int64),
																 FLOAT8PASSBYVAL, TYPALIGN_DOUBLE))),
						SC_TIMESTAMPTZ(at));
		closed = (int) rows.count;
		for (uint64 i = 0; i < rows.count; i++)
			if (strcmp(sc_get_text(&rows, i, 2), "submitted") == 0)
				ids[submitted++] = Int64GetDatum(sc_get_int8(&rows, i, 1));
		if (submitted > 0)
			(void) sc_query(&Q_SCORE_EACH,
							SC_DATUM(PointerGetDatum(construct_array(ids, submitted, INT8OID, sizeof(int64),
																	 FLOAT8PASSBYVAL, TYPALIGN_DOUBLE))));
	}
	(void) sc_query(&Q_SCORE_WAITING, SC_INT4(100));
	sc_query_end();
	PG_RETURN_INT32(closed);
}

/* Hand in a locked attempt; work past the deadline counts until the deadline. */
static void
finish(Attempt *a, const char *reason, TimestampTz at)
{
	TimestampTz finished = a->has_deadline ? Min(at, a->deadline) : at;

	(void) sc_query(&Q_FINISH, SC_INT8(a->id), SC_TEXT("submitted"), SC_TEXT(reason),
					SC_TIMESTAMPTZ(at), SC_TIMESTAMPTZ(finished),
					strcmp(reason, "student") == 0 ? SC_TIMESTAMPTZ(at) : SC_NULL);
	score(a);
}

/*
 * submit_attempt(attempt_id, user_id, answers, reason, at) -> (state, answers)
 *
 * Hands in, with a last batch of answers.  Doing it again changes nothing.
 * Past the time the attempt is closed by its policy instead, and the batch is
 * not taken; the caller sees the state and commits.
 */
PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_submit_attempt);
Datum
sc_submit_attempt(PG_FUNCTION_ARGS)
{
	TimestampTz at;
	Attempt		a;
	Jsonb	   *saved = NULL;
	TupleDesc	desc;
	Datum		values[2];
	bool		nulls[2] = {false};

	if (PG_ARGISNULL(0) || PG_ARGISNULL(3) || PG_ARGISNULL(4))
		sc_refuse(404, "not_found", NULL);
	at = PG_GETARG_TIMESTAMPTZ(4);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "submit_attempt must return a row");

	sc_query_begin();
	if (!lock_attempt(PG_GETARG_INT64(0), &a) ||
		(!PG_ARGISNULL(1) && a.user_id != PG_GETARG_INT64(1)))
		sc_refuse(404, "not_found", NULL);
	if (strcmp(a.state, "not_started") == 0)
		sc_refuse(409, "attempt_not_started", NULL);
	(void) close_locked(&a, at);
	if (!PG_ARGISNULL(2))
		saved = sc_save_batch(&a, sc_read_answers(PG_GETARG_JSONB_P(2)), at);
	if (strcmp(a.state, "in_progress") == 0 || strcmp(a.state, "overdue") == 0)
		finish(&a, text_to_cstring(PG_GETARG_TEXT_PP(3)), at);
	sc_query_end();

	values[0] = CStringGetTextDatum(a.state);
	values[1] = JsonbPGetDatum(saved);
	nulls[1] = saved == NULL;
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* save_answers(attempt_id, user_id, answers, at) -> jsonb, a member per answer */
PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_save_answers);
Datum
sc_save_answers(PG_FUNCTION_ARGS)
{
	Attempt		a;
	TimestampTz at;
	Jsonb	   *saved;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(2) || PG_ARGISNULL(3))
		sc_refuse(404, "not_found", NULL);
	at = PG_GETARG_TIMESTAMPTZ(3);
	sc_query_begin();
	if (!lock_attempt(PG_GETARG_INT64(0), &a) ||
		(!PG_ARGISNULL(1) && a.user_id != PG_GETARG_INT64(1)))
		sc_refuse(404, "not_found", NULL);
	if (!sc_attempt_open(&a, at))
		sc_refuse_closed(&a, at);
	saved = sc_save_batch(&a, sc_read_answers(PG_GETARG_JSONB_P(2)), at);
	sc_query_end();
	PG_RETURN_JSONB_P(saved);
}

/*
 * sc_api.attempt_clock(actor, attempt_id): what every client polls.
 */
PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_api_attempt_clock);
Datum
sc_api_attempt_clock(PG_FUNCTION_ARGS)
{
	TimestampTz at = GetCurrentTimestamp();
	Attempt		a = {0};
	bool		over;
	ScRows		rows;
	TupleDesc	desc;
	Datum		values[7];
	bool		nulls[7] = {false};

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		sc_refuse(404, "not_found", NULL);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "attempt_clock must return a row");

	sc_query_begin();
	rows = sc_query(&Q_CLOCK, SC_INT8(PG_GETARG_INT64(1)));
	if (rows.count == 0 || sc_get_int8(&rows, 0, 1) != PG_GETARG_INT64(0))
		sc_refuse(404, "not_found", NULL);
	a.state = sc_get_text(&rows, 0, 2);
	a.has_deadline = !sc_isnull(&rows, 0, 3);
	a.deadline = a.has_deadline ? sc_get_timestamptz(&rows, 0, 3) : 0;
	a.slack_seconds = sc_get_int4(&rows, 0, 5);
	values[5] = sc_get_copy(&rows, 0, 4, &nulls[5]);
	sc_query_end();

	if (nulls[5])
	{
		values[5] = PointerGetDatum(construct_empty_array(INT8OID));
		nulls[5] = false;
	}
	values[0] = Int64GetDatum(PG_GETARG_INT64(1));
	values[1] = CStringGetTextDatum(a.state);
	values[2] = TimestampTzGetDatum(at);
	values[3] = TimestampTzGetDatum(a.deadline);
	nulls[3] = !a.has_deadline;
	over = strcmp(a.state, "submitted") == 0 || strcmp(a.state, "graded") == 0 || strcmp(a.state, "abandoned") == 0;
	values[4] = Int64GetDatum(over ? 0 : sc_ms_until(a.has_deadline, a.deadline, at));
	nulls[4] = !over && !a.has_deadline;
	values[6] = BoolGetDatum(sc_attempt_open(&a, at));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
