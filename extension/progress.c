/*
 * progress.c
 *		What was watched of a video, and how far a course has come.
 *
 * The truth is the set of watched seconds.  A heartbeat adds to it and never
 * takes away, so that duplicates, late ones and two devices at once do no
 * harm.  Writers of one row queue at its lock and read it under the lock: no
 * second is lost.  Being completed is set once and kept.
 *
 * Where watched time is held against the clock (spans were sent, or the course
 * is strict), a heartbeat may add no more seconds than its budget: twice the
 * time since the last heartbeat or embed grant, plus 30.  What exceeds it is
 * cut off, never refused.  The 30 seconds are lent: those used up are paid
 * back by time, or else a burst of heartbeats could buy a whole video.  The
 * row keeps the budget as the instant from which time counts (budget_from),
 * up to 15 seconds ahead of the clock while in debt.
 */
#include "postgres.h"

#include <math.h>

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/tuplestore.h"

#include "extension/access.h"
#include "extension/coverage.h"
#include "extension/query.h"
#include "extension/student_coach.h"

#define MAX_SECONDS		86400	/* longest video; longer input is cut to it */
#define MAX_SPANS		200		/* of one row */
#define BUDGET_RATE		2
#define BUDGET_LOAN		30
#define NO_LIMIT		(2 * MAX_SECONDS)	/* more than any row can take */

/* The row of one user and video. */
typedef struct Progress
{
	SpanSet    *spans;
	int			covered;
	int			watched;
	int			total;
	int			percent;		/* in hundredths */
	int			position;
	bool		completed;
	TimestampTz completed_at;
	TimestampTz budget_from;	/* DT_NOBEGIN when neither granted nor beaten */
	TimestampTz heartbeat_at;	/* the same before the first heartbeat */
} Progress;

/* What a player reports, in whole seconds. */
typedef struct Heartbeat
{
	TimestampTz at;
	bool		has_watched;
	int			watched;
	int			total;
	bool		has_position;
	int			position;
	bool		has_spans;
	Datum		spans;
} Heartbeat;

SC_WRITE(Q_MARK_COMPLETED,
		 "UPDATE sc.video_progress SET completed_at = $3, completed_by = $4, updated_at = clock_timestamp()"
		 " WHERE user_id = $1 AND video_id = $2 AND completed_at IS NULL",
		 INT8OID, INT8OID, TIMESTAMPTZOID, INT8OID);

SC_WRITE(Q_COURSE_OF_VIDEO,
		 "SELECT course_id FROM sc.videos WHERE id = $1",
		 INT8OID);

/* Two last videos completed at once: whoever comes second sees the first. */
SC_WRITE(Q_LOCK_ENROLLMENT,
		 "SELECT 1 FROM sc.enrollments"
		 " WHERE user_id = $1 AND course_id = $2 AND status = 'active' FOR NO KEY UPDATE",
		 INT8OID, INT8OID);

SC_WRITE(Q_COMPLETE_ENROLLMENT,
		 "UPDATE sc.enrollments SET status = 'completed', completed_at = coalesce(completed_at, $3)"
		 " WHERE user_id = $1 AND course_id = $2 AND status = 'active'"
		 " AND NOT EXISTS (SELECT FROM sc.videos AS v"
		 " LEFT JOIN sc.topics AS t ON t.id = v.topic_id"
		 " LEFT JOIN sc.video_progress AS p ON p.user_id = $1 AND p.video_id = v.id"
		 " WHERE v.course_id = $2 AND v.is_active AND coalesce(t.is_active, true)"
		 " AND p.completed_at IS NULL)",
		 INT8OID, INT8OID, TIMESTAMPTZOID);

#define SUM_COLUMNS \
	" v.id, v.duration, p.total_seconds, p.covered_seconds, p.watched_seconds, p.completed_at, p.heartbeat_at"

SC_READ(Q_SUM_ONE,
		"SELECT $1, $2," SUM_COLUMNS
		" FROM sc.videos AS v LEFT JOIN sc.topics AS t ON t.id = v.topic_id"
		" LEFT JOIN sc.video_progress AS p ON p.user_id = $1 AND p.video_id = v.id"
		" WHERE v.course_id = $2 AND v.is_active AND coalesce(t.is_active, true)",
		INT8OID, INT8OID);

#define SUM_ENROLLED \
	" FROM sc.enrollments AS e" \
	" LEFT JOIN (sc.videos AS v LEFT JOIN sc.topics AS t ON t.id = v.topic_id)" \
	" ON v.course_id = e.course_id AND v.is_active AND coalesce(t.is_active, true)" \
	" LEFT JOIN sc.video_progress AS p ON p.user_id = e.user_id AND p.video_id = v.id" \
	" WHERE e.status <> 'cancelled' AND "

SC_READ(Q_SUM_COURSE,
		"SELECT e.user_id, e.course_id," SUM_COLUMNS SUM_ENROLLED
		"e.course_id = $1 ORDER BY e.user_id",
		INT8OID);

SC_READ(Q_SUM_USER,
		"SELECT e.user_id, e.course_id," SUM_COLUMNS SUM_ENROLLED
		"e.user_id = $1 ORDER BY e.course_id",
		INT8OID);

/* Whole seconds within [0, MAX_SECONDS]; NaN is nobody's number. */
static int
clamp_seconds(double seconds, const char *field)
{
	if (isnan(seconds))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is not a number", field)));
	if (seconds <= 0)
		return 0;
	if (seconds >= MAX_SECONDS)
		return MAX_SECONDS;
	return (int) floor(seconds);
}

/* A time of the row, DT_NOBEGIN where there is none. */
static TimestampTz
time_or_never(TupleTableSlot *row, int column)
{
	bool		isnull;
	Datum		at = sc_column(&sc_progress, row, column, &isnull);

	return isnull ? DT_NOBEGIN : DatumGetTimestampTz(at);
}

static int
given_int(TupleTableSlot *row, int column)
{
	return DatumGetInt32(sc_column_given(&sc_progress, row, column));
}

/* numeric(5, 2) as hundredths */
static int
hundredths(Datum percent)
{
	Datum		scaled = DirectFunctionCall2(numeric_mul, percent, NumericGetDatum(int64_to_numeric(100)));

	return DatumGetInt32(DirectFunctionCall1(numeric_int4, scaled));
}

static Progress
read_progress(TupleTableSlot *slot)
{
	Progress	row = {0};

	row.spans = sc_spans_new(CurrentMemoryContext);
	sc_spans_add_multirange(row.spans, sc_column_given(&sc_progress, slot, PROGRESS_SEGMENTS));
	row.covered = given_int(slot, PROGRESS_COVERED);
	row.watched = given_int(slot, PROGRESS_WATCHED);
	row.total = given_int(slot, PROGRESS_TOTAL);
	row.percent = hundredths(sc_column_given(&sc_progress, slot, PROGRESS_PERCENT));
	row.position = given_int(slot, PROGRESS_POSITION);
	row.completed_at = time_or_never(slot, PROGRESS_COMPLETED);
	row.completed = row.completed_at != DT_NOBEGIN;
	row.budget_from = time_or_never(slot, PROGRESS_BUDGET);
	row.heartbeat_at = time_or_never(slot, PROGRESS_HEARTBEAT);
	return row;
}

/* Replace the locked row by what it has become; gives the columns of record_progress. */
static void
save_progress(TupleTableSlot *before, const Progress *p, Datum *values, bool *nulls)
{
	TupleTableSlot *row = sc_copy_row(&sc_progress, before);
	Datum		percent = NumericGetDatum(int64_div_fast_to_numeric(p->percent, 2));

	sc_set_column(&sc_progress, row, PROGRESS_SEGMENTS, sc_spans_to_multirange(p->spans), false);
	sc_set_column(&sc_progress, row, PROGRESS_COVERED, Int32GetDatum(p->covered), false);
	sc_set_column(&sc_progress, row, PROGRESS_WATCHED, Int32GetDatum(p->watched), false);
	sc_set_column(&sc_progress, row, PROGRESS_TOTAL, Int32GetDatum(p->total), false);
	sc_set_column(&sc_progress, row, PROGRESS_PERCENT, percent, false);
	sc_set_column(&sc_progress, row, PROGRESS_POSITION, Int32GetDatum(p->position), false);
	sc_set_column(&sc_progress, row, PROGRESS_COMPLETED, TimestampTzGetDatum(p->completed_at), !p->completed);
	sc_set_column(&sc_progress, row, PROGRESS_BUDGET, TimestampTzGetDatum(p->budget_from), false);
	sc_set_column(&sc_progress, row, PROGRESS_HEARTBEAT, TimestampTzGetDatum(p->heartbeat_at), false);
	sc_set_column(&sc_progress, row, PROGRESS_UPDATED, TimestampTzGetDatum(GetCurrentTimestamp()), false);
	sc_update_row(&sc_progress, before, row);

	memset(nulls, false, 6 * sizeof(bool));
	values[0] = percent;
	values[1] = Int32GetDatum(p->covered);
	values[2] = Int32GetDatum(p->position);
	values[3] = TimestampTzGetDatum(p->completed_at);
	nulls[3] = !p->completed;
	values[4] = Int32GetDatum(p->watched);
	values[5] = Int32GetDatum(p->total);
}

/*
 * The time at which a heartbeat counts: a late one as if it had come with the
 * latest, one from before the first grant with that.
 */
static TimestampTz
clock_of(const Progress *row, TimestampTz at)
{
	return Max(at, row->heartbeat_at != DT_NOBEGIN ? row->heartbeat_at : row->budget_from);
}

/* Microseconds of watching that the row's clock allows at that time. */
static int64
budget_of(const Progress *row, TimestampTz at)
{
	int64		elapsed = 0;

	if (row->budget_from != DT_NOBEGIN)
		elapsed = Min(at - row->budget_from, (int64) MAX_SECONDS * USECS_PER_SEC);
	return Max(elapsed * BUDGET_RATE + BUDGET_LOAN * USECS_PER_SEC, 0);
}

/* Start the next budget: unused time is forgotten, a used loan is not. */
static void
spend_budget(Progress *row, TimestampTz at, int64 budget, int64 added)
{
	int64		left = budget - added * USECS_PER_SEC;
	int64		debt = Max(BUDGET_LOAN * USECS_PER_SEC - left, 0);

	row->budget_from = at + debt / BUDGET_RATE;
}

/* The first "allowed" seconds of news that are not in have. */
static SpanSet *
unwatched(SpanSet *have, SpanSet *news, int64 allowed)
{
	SpanSet    *fresh = sc_spans_new(CurrentMemoryContext);
	int			next = 0;

	sc_spans_merge(have);
	sc_spans_merge(news);
	for (int i = 0; i < news->count; i++)
	{
		int64		lo = news->spans[i].lo;

		while (lo < news->spans[i].hi && allowed > 0)
		{
			int64		end = news->spans[i].hi;

			while (next < have->count && have->spans[next].hi <= lo)
				next++;
			if (next < have->count && have->spans[next].lo <= lo)
			{
				lo = have->spans[next].hi;
				continue;
			}
			if (next < have->count)
				end = Min(end, have->spans[next].lo);
			end = Min(end, lo + allowed);
			sc_spans_add(fresh, lo, end);
			allowed -= end - lo;
			lo = end;
		}
	}
	return fresh;
}

/*
 * Unite the row's seconds with the first "allowed" new ones; gives how many
 * were added.  If so many spans have to be joined that the gaps between them
 * exceed what is allowed, the row stays as it was.
 */
static int64
add_seconds(Progress *row, SpanSet *news, int64 allowed)
{
	SpanSet    *fresh = unwatched(row->spans, news, allowed);
	SpanSet    *sum = sc_spans_new(CurrentMemoryContext);
	int64		added;

	for (int i = 0; i < row->spans->count; i++)
		sc_spans_add(sum, row->spans->spans[i].lo, row->spans->spans[i].hi);
	for (int i = 0; i < fresh->count; i++)
		sc_spans_add(sum, fresh->spans[i].lo, fresh->spans[i].hi);
	sc_spans_compact(sum, MAX_SPANS);
	added = sc_spans_length(sum) - sc_spans_length(row->spans);
	if (added > allowed)
		return 0;
	row->spans = sum;
	return added;
}

/* Take in the watched time of a heartbeat. */
static void
apply_seconds(Progress *row, const VideoFacts *video, const Heartbeat *beat)
{
	bool		limited = beat->has_spans || video->strict_progress;
	int			end = row->total > 0 ? row->total : MAX_SECONDS;
	SpanSet    *reported = sc_spans_new(CurrentMemoryContext);
	SpanSet    *news = sc_spans_new(CurrentMemoryContext);
	TimestampTz at = clock_of(row, beat->at);
	int64		budget = limited ? budget_of(row, at) : 0;
	int64		allowed = limited ? budget / USECS_PER_SEC : NO_LIMIT;
	int64		added;

	if (beat->has_spans)
		sc_spans_add_multirange(reported, beat->spans);
	else if (beat->has_watched)
		sc_spans_add(reported, 0, beat->watched);
	for (int i = 0; i < reported->count; i++)
		sc_spans_add(news, Max(reported->spans[i].lo, 0), Min(reported->spans[i].hi, end));

	added = add_seconds(row, news, allowed);
	row->covered = (int) sc_spans_length(row->spans);

	if (beat->has_spans)
		row->watched = (int) Min(row->watched + Min(sc_spans_length(news), allowed), PG_INT32_MAX);
	else if (beat->has_watched)
		row->watched = Max(row->watched,
						   Min(beat->watched, video->strict_progress ? row->covered : end));

	if (limited)
		spend_budget(row, at, budget, added);
	else
		row->budget_from = Max(row->budget_from, at);

	/* a late heartbeat does not say where she is now */
	if (beat->at >= row->heartbeat_at)
	{
		int			position = row->position;

		if (beat->has_position)
			position = beat->position;
		else if (beat->has_spans && reported->count > 0)
			position = (int) Max(Min(reported->spans[reported->count - 1].hi, end), 0);
		else if (beat->has_watched)
			position = beat->watched;
		row->position = Min(position, end);
	}
	row->heartbeat_at = at;
}

/* Percent and completion follow from the seconds. */
static void
rate_progress(Progress *row, const VideoFacts *video, TimestampTz at)
{
	int64		covered;

	if (row->total <= 0)
		return;
	covered = Min(row->covered, row->total);
	row->percent = Max(row->percent, (int) (covered * 10000 / row->total));
	if (!row->completed && covered * 100 >= (int64) video->completion_percent * row->total)
	{
		row->completed = true;
		row->completed_at = at;
	}
}

/* After a video was completed: was it the last of the course? */
static void
complete_course(int64 user_id, int64 course_id, TimestampTz at)
{
	if (sc_query(&Q_LOCK_ENROLLMENT, SC_INT8(user_id), SC_INT8(course_id)).count > 0)
		sc_query(&Q_COMPLETE_ENROLLMENT, SC_INT8(user_id), SC_INT8(course_id), SC_TIMESTAMPTZ(at));
}

static void
read_heartbeat(FunctionCallInfo fcinfo, Heartbeat *beat)
{
	memset(beat, 0, sizeof(*beat));
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(6))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("user, video and time must not be null")));
	beat->at = PG_GETARG_TIMESTAMPTZ(6);
	if (TIMESTAMP_NOT_FINITE(beat->at))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the time must be finite")));
	beat->has_watched = !PG_ARGISNULL(2);
	if (beat->has_watched)
		beat->watched = clamp_seconds(PG_GETARG_FLOAT8(2), "watched_seconds");
	if (!PG_ARGISNULL(3))
		beat->total = clamp_seconds(PG_GETARG_FLOAT8(3), "total_seconds");
	beat->has_position = !PG_ARGISNULL(4);
	if (beat->has_position)
		beat->position = clamp_seconds(PG_GETARG_FLOAT8(4), "position_s");
	beat->has_spans = !PG_ARGISNULL(5);
	if (beat->has_spans)
		beat->spans = PG_GETARG_DATUM(5);
}

/*
 * record_progress(user_id, video_id, watched_seconds, total_seconds,
 *				   position_s, segments, at)
 *		-> (percent, covered_seconds, position_s, completed_at,
 *			watched_seconds, total_seconds)
 *
 * Refuses (SC403 with the reason, SC404) whoever may not watch the video.
 */
PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_record_progress);
Datum
sc_record_progress(PG_FUNCTION_ARGS)
{
	Heartbeat	beat;
	VideoFacts	video;
	Progress	row;
	const char *refusal;
	bool		was_completed;
	TupleTableSlot *stored;
	TupleDesc	desc;
	Datum		values[6];
	bool		nulls[6];
	int64		user_id;
	int64		video_id;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "record_progress must return a row");
	read_heartbeat(fcinfo, &beat);
	user_id = PG_GETARG_INT64(0);
	video_id = PG_GETARG_INT64(1);
	video = sc_video_facts(user_id, video_id);
	refusal = sc_video_refusal(&video, user_id, beat.at);
	if (refusal != NULL)
		sc_refuse(strcmp(refusal, "unpublished") == 0 ? 404 : 403, refusal, NULL);

	sc_scope_begin();
	stored = sc_lock_progress(user_id, video_id);
	row = read_progress(stored);
	was_completed = row.completed;
	row.total = video.duration > 0 ? video.duration : Max(row.total, beat.total);
	apply_seconds(&row, &video, &beat);
	rate_progress(&row, &video, beat.at);
	save_progress(stored, &row, values, nulls);
	sc_scope_end();
	if (row.completed && !was_completed)
	{
		sc_query_begin();
		complete_course(user_id, video.course_id, beat.at);
		sc_query_end();
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* complete_video(user_id, video_id, by, at): false if it was completed already */
PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_complete_video);
Datum
sc_complete_video(PG_FUNCTION_ARGS)
{
	int64		user_id = PG_GETARG_INT64(0);
	int64		video_id = PG_GETARG_INT64(1);
	TimestampTz at = PG_GETARG_TIMESTAMPTZ(3);
	ScRows		rows;
	int64		course_id;
	bool		marked;

	sc_query_begin();
	rows = sc_query(&Q_COURSE_OF_VIDEO, SC_INT8(video_id));
	if (rows.count == 0)
		sc_refuse(404, "not_found", NULL);
	course_id = sc_get_int8(&rows, 0, 1);
	sc_scope_begin();
	(void) sc_lock_progress(user_id, video_id);
	sc_scope_end();
	marked = sc_query(&Q_MARK_COMPLETED, SC_INT8(user_id), SC_INT8(video_id),
					  SC_TIMESTAMPTZ(at), SC_ARG(2)).count > 0;
	if (marked)
		complete_course(user_id, course_id, at);
	sc_query_end();
	PG_RETURN_BOOL(marked);
}

/* How far one user has come in one course. */
typedef struct CourseSum
{
	bool		started;		/* there is a user and course to report */
	int64		user_id;
	int64		course_id;
	int			videos;
	int			completed;
	int64		watched;
	int64		covered;
	int64		total;
	TimestampTz last;			/* DT_NOBEGIN when nothing was watched */
	Tuplestorestate *store;		/* where finished sums go */
	TupleDesc	desc;
} CourseSum;

#define SUM_WIDTH 9

/*
 * Fill the columns of course_progress.  The percentage counts completed
 * videos, as the status of the enrolment does.
 */
static void
form_sum(const CourseSum *sum, Datum *values, bool *nulls)
{
	double		percent = sum->videos == 0 ? 0 : floor(10000.0 * sum->completed / sum->videos) / 100;

	memset(nulls, false, SUM_WIDTH * sizeof(bool));
	values[0] = Int64GetDatum(sum->user_id);
	values[1] = Int64GetDatum(sum->course_id);
	values[2] = Int32GetDatum(sum->videos);
	values[3] = Int32GetDatum(sum->completed);
	values[4] = Int64GetDatum(sum->watched);
	values[5] = Int64GetDatum(sum->covered);
	values[6] = Int64GetDatum(sum->total);
	values[7] = DirectFunctionCall2(numeric_round,
									DirectFunctionCall1(float8_numeric, Float8GetDatum(percent)),
									Int32GetDatum(2));
	values[8] = TimestampTzGetDatum(sum->last);
	nulls[8] = sum->last == DT_NOBEGIN;
}

/* Hand out a finished sum. */
static void
put_sum(CourseSum *sum)
{
	Datum		values[SUM_WIDTH];
	bool		nulls[SUM_WIDTH];

	form_sum(sum, values, nulls);
	tuplestore_putvalues(sum->store, sum->desc, values, nulls);
}

static void
reset_sum(CourseSum *sum, int64 user_id, int64 course_id)
{
	sum->started = true;
	sum->user_id = user_id;
	sum->course_id = course_id;
	sum->videos = sum->completed = 0;
	sum->watched = sum->covered = sum->total = 0;
	sum->last = DT_NOBEGIN;
}

/* Add a row of the Q_SUM statements: one video, or none, of a user's course. */
static void
add_to_sum(TupleTableSlot *slot, void *arg)
{
	CourseSum  *sum = arg;
	Datum	   *v;
	bool	   *isnull;
	int64		user_id;
	int64		course_id;
	int64		total;

	slot_getallattrs(slot);
	v = slot->tts_values;
	isnull = slot->tts_isnull;
	user_id = DatumGetInt64(v[0]);
	course_id = DatumGetInt64(v[1]);
	if (sum->store != NULL &&
		(!sum->started || user_id != sum->user_id || course_id != sum->course_id))
	{
		if (sum->started)
			put_sum(sum);
		reset_sum(sum, user_id, course_id);
	}
	if (isnull[2])
		return;
	sum->videos++;
	total = DatumGetInt32(v[3]);
	if (total == 0 && !isnull[4])
		total = DatumGetInt32(v[4]);
	sum->total += total;
	if (!isnull[5])
		sum->covered += total > 0 ? Min(DatumGetInt32(v[5]), total) : DatumGetInt32(v[5]);
	if (!isnull[6])
		sum->watched += DatumGetInt32(v[6]);
	if (!isnull[7])
		sum->completed++;
	if (!isnull[8])
		sum->last = Max(sum->last, DatumGetTimestampTz(v[8]));
}

/* course_progress(user_id, course_id): one row, all zero if there is nothing */
PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_course_progress);
Datum
sc_course_progress(PG_FUNCTION_ARGS)
{
	CourseSum	sum = {0};
	TupleDesc	desc;
	Datum		values[SUM_WIDTH];
	bool		nulls[SUM_WIDTH];

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "course_progress must return a row");
	reset_sum(&sum, PG_GETARG_INT64(0), PG_GETARG_INT64(1));
	sc_query_begin();
	sc_query_each(&Q_SUM_ONE, add_to_sum, &sum, SC_ARG(0), SC_ARG(1));
	sc_query_end();
	form_sum(&sum, values, nulls);

	/* the caller has named user and course; the row begins behind them */
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values + 2, nulls + 2)));
}

/* The sums of all courses of a user or of all users of a course. */
static Datum
sums_of(FunctionCallInfo fcinfo, ScQuery *query)
{
	CourseSum	sum = {0};

	InitMaterializedSRF(fcinfo, 0);
	sum.store = ((ReturnSetInfo *) fcinfo->resultinfo)->setResult;
	sum.desc = ((ReturnSetInfo *) fcinfo->resultinfo)->setDesc;
	sc_query_begin();
	sc_query_each(query, add_to_sum, &sum, SC_ARG(0));
	sc_query_end();
	if (sum.started)
		put_sum(&sum);
	return (Datum) 0;
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_course_progress_of_students);
Datum
sc_course_progress_of_students(PG_FUNCTION_ARGS)
{
	return sums_of(fcinfo, &Q_SUM_COURSE);
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_course_progress_of_user);
Datum
sc_course_progress_of_user(PG_FUNCTION_ARGS)
{
	return sums_of(fcinfo, &Q_SUM_USER);
}
