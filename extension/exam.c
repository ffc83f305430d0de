/*
 * exam.c
 *		What holds for whom: the window of an exam for one student.
 *
 * Each field comes from the student's own override; failing that from the
 * overrides of all groups the student is in on that day, taken together in the
 * student's favour (earliest opening, latest close, longest limit, most
 * attempts, where 0 means no limit and wins); failing that from the exam.
 * Extra seconds lengthen the time limit.  The deadline of a sitting is its
 * start plus the limit, or the close, whichever comes first.
 *
 * Who may sit: those listed as audience (students, members of groups); if
 * nobody is listed, the enrolled of the exam's course; everybody where the exam
 * says so; otherwise nobody.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "extension/exam.h"
#include "extension/query.h"
#include "extension/student_coach.h"

#define WINDOW_SQL(exams) \
	"SELECT e.is_active AND e.is_published, e.kind = 'online', u.is_active," \
	"       coalesce(o.opens_at, g.opens_at, e.opens_at)," \
	"       coalesce(o.closes_at, g.closes_at, e.closes_at)," \
	"       coalesce(o.time_limit, g.time_limit, e.time_limit, 0)," \
	"       coalesce(o.extra_seconds, g.extra_seconds, 0)," \
	"       coalesce(o.max_attempts, g.max_attempts, e.max_attempts)," \
	"       coalesce(o.password_hash, g.password_hash, e.password_hash)," \
	"       CASE WHEN e.is_open_to_all AND sc.can(u.id, 'exams.sit') THEN true" \
	"            WHEN EXISTS (SELECT FROM sc.exam_audience AS a WHERE a.exam_id = e.id)" \
	"            THEN EXISTS (SELECT FROM sc.exam_audience AS a" \
	"                         WHERE a.exam_id = e.id AND a.user_id = u.id)" \
	"              OR EXISTS (SELECT FROM sc.exam_audience AS a" \
	"                         JOIN sc.group_members AS m ON m.group_id = a.group_id" \
	"                         WHERE a.exam_id = e.id AND m.student_id = u.id" \
	"                           AND sc.in_force(m.valid_from, m.valid_to, d.day))" \
	"            ELSE EXISTS (SELECT FROM sc.enrollments AS n" \
	"                         WHERE n.course_id = e.course_id AND n.user_id = u.id" \
	"                           AND n.status IN ('active', 'completed')" \
	"                           AND coalesce(n.expires_at > $3, true))" \
	"       END," \
	"       t.used::int, t.running, e.id" \
	"  FROM sc.exams AS e" \
	" CROSS JOIN sc.users AS u" \
	" CROSS JOIN (SELECT sc.school_day($3) AS day) AS d" \
	"  LEFT JOIN sc.exam_overrides AS o ON o.exam_id = e.id AND o.user_id = u.id" \
	" CROSS JOIN LATERAL" \
	"       (SELECT min(x.opens_at) AS opens_at, max(x.closes_at) AS closes_at," \
	"               CASE WHEN bool_or(x.time_limit = 0) THEN 0 ELSE max(x.time_limit) END AS time_limit," \
	"               max(x.extra_seconds) AS extra_seconds," \
	"               CASE WHEN bool_or(x.max_attempts = 0) THEN 0 ELSE max(x.max_attempts) END AS max_attempts," \
	"               (array_agg(x.password_hash ORDER BY x.id) FILTER (WHERE x.password_hash IS NOT NULL))[1] AS password_hash" \
	"          FROM sc.exam_overrides AS x" \
	"         WHERE x.exam_id = e.id AND x.group_id IN" \
	"               (SELECT m.group_id FROM sc.group_members AS m" \
	"                 WHERE m.student_id = u.id AND sc.in_force(m.valid_from, m.valid_to, d.day))) AS g" \
	" CROSS JOIN LATERAL" \
	"       (SELECT count(*) FILTER (WHERE NOT a.is_preview AND a.state <> 'not_started') AS used," \
	"               coalesce(bool_or(a.state IN ('in_progress', 'overdue')), false) AS running" \
	"          FROM sc.exam_attempts AS a" \
	"         WHERE a.exam_id = e.id AND a.user_id = u.id) AS t" \
	" WHERE e.id " exams " AND u.id = $2"

SC_READ(Q_WINDOW, WINDOW_SQL("= $1"), INT8OID, INT8OID, TIMESTAMPTZOID);
SC_WRITE(Q_WINDOW_FRESH, WINDOW_SQL("= $1"), INT8OID, INT8OID, TIMESTAMPTZOID);
SC_READ(Q_WINDOWS, WINDOW_SQL("= ANY ($1)"), INT8ARRAYOID, INT8OID, TIMESTAMPTZOID);

/* Why a start at that instant would be refused, "ok" if it would not. */
static const char *
window_reason(const ScRows *rows, uint64 row, const ExamWindow *w, TimestampTz at)
{
	if (!sc_get_bool(rows, row, 1))
		return "exam_unpublished";
	if (!sc_get_bool(rows, row, 3))
		return "inactive_user";
	/* whose it is comes first: to others a paper exam does not exist either */
	if (!sc_get_bool(rows, row, 10))
		return "exam_not_yours";
	if (!sc_get_bool(rows, row, 2))
		return "exam_on_paper";
	if (sc_get_bool(rows, row, 12))
		return "in_progress";
	if (w->has_opens_at && at < w->opens_at)
		return "exam_not_open";
	if (w->has_closes_at && at >= w->closes_at)
		return "exam_closed";
	if (w->max_attempts > 0 && w->attempts_used >= w->max_attempts)
		return "no_attempts_left";
	return "ok";
}

/* The window that a row of WINDOW_SQL tells. */
static ExamWindow
window_of(const ScRows *rows, uint64 row, TimestampTz at)
{
	ExamWindow	w = {.found = true};

	w.has_opens_at = !sc_isnull(rows, row, 4);
	if (w.has_opens_at)
		w.opens_at = sc_get_timestamptz(rows, row, 4);
	w.has_closes_at = !sc_isnull(rows, row, 5);
	if (w.has_closes_at)
		w.closes_at = sc_get_timestamptz(rows, row, 5);
	w.time_limit = sc_get_int4(rows, row, 6);
	if (w.time_limit > 0)
		w.time_limit += sc_get_int4(rows, row, 7);
	w.max_attempts = sc_get_int4(rows, row, 8);
	w.password_hash = sc_get_text(rows, row, 9);
	w.attempts_used = sc_get_int4(rows, row, 11);

	w.has_deadline = w.time_limit > 0 || w.has_closes_at;
	w.deadline = w.closes_at;
	if (w.time_limit > 0 &&
		(!w.has_closes_at || at + SECONDS(w.time_limit) < w.closes_at))
		w.deadline = at + SECONDS(w.time_limit);

	w.reason = window_reason(rows, row, &w, at);
	w.allowed = strcmp(w.reason, "ok") == 0 || strcmp(w.reason, "in_progress") == 0;
	return w;
}

/*
 * The window of an exam for a student at an instant.  fresh: see what others
 * have committed since the statement began (needed after waiting for a lock).
 */
ExamWindow
sc_exam_window_at(int64 exam_id, int64 user_id, TimestampTz at, bool fresh)
{
	ExamWindow	w = {0};
	ScRows		rows;

	sc_query_begin();
	rows = sc_query(fresh ? &Q_WINDOW_FRESH : &Q_WINDOW,
					SC_INT8(exam_id), SC_INT8(user_id), SC_TIMESTAMPTZ(at));
	if (rows.count > 0)
		w = window_of(&rows, 0, at);
	sc_query_end();
	return w;
}

/* The eight columns of exam_window(). */
static void
window_columns(const ExamWindow *w, Datum *values, bool *nulls)
{
	values[0] = TimestampTzGetDatum(w->opens_at);
	nulls[0] = !w->has_opens_at;
	values[1] = TimestampTzGetDatum(w->closes_at);
	nulls[1] = !w->has_closes_at;
	values[2] = Int32GetDatum(w->time_limit);
	nulls[2] = w->time_limit == 0;
	values[3] = Int32GetDatum(w->max_attempts);
	values[4] = Int32GetDatum(w->attempts_used);
	values[5] = TimestampTzGetDatum(w->deadline);
	nulls[5] = !w->has_deadline;
	values[6] = BoolGetDatum(w->allowed);
	values[7] = CStringGetTextDatum(w->reason);
}

/* exam_window(exam_id, user_id, at) */
PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_exam_window);
Datum
sc_exam_window(PG_FUNCTION_ARGS)
{
	ExamWindow	w = sc_exam_window_at(PG_GETARG_INT64(0), PG_GETARG_INT64(1),
									  PG_GETARG_TIMESTAMPTZ(2), false);
	TupleDesc	desc;
	Datum		values[8];
	bool		nulls[8] = {false};

	if (!w.found)
		PG_RETURN_NULL();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "exam_window must return a row");

	window_columns(&w, values, nulls);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/*
 * exam_windows(exam_ids, user_id, at): the windows of many exams in one
 * statement, each with its exam and whether a password is asked.
 */
PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_exam_windows);
Datum
sc_exam_windows(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *out;
	TimestampTz at = PG_GETARG_TIMESTAMPTZ(2);
	ScRows		rows;

	InitMaterializedSRF(fcinfo, 0);
	out = (ReturnSetInfo *) fcinfo->resultinfo;
	sc_query_begin();
	rows = sc_query(&Q_WINDOWS, SC_DATUM(PG_GETARG_DATUM(0)), SC_INT8(PG_GETARG_INT64(1)), SC_TIMESTAMPTZ(at));
	for (uint64 i = 0; i < rows.count; i++)
	{
		ExamWindow	w = window_of(&rows, i, at);
		Datum		values[10];
		bool		nulls[10] = {false};

		values[0] = Int64GetDatum(sc_get_int8(&rows, i, 13));
		window_columns(&w, values + 1, nulls + 1);
		values[9] = BoolGetDatum(w.password_hash != NULL);
		tuplestore_putvalues(out->setResult, out->setDesc, values, nulls);
	}
	sc_query_end();
	PG_RETURN_VOID();
}
