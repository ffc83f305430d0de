/*
 * access.c
 *		Who may watch what, and the grant of a video.
 *
 * One statement gathers everything the rules look at; the rules themselves are
 * a list of questions, asked in the order in which their answers are told.
 * That order matters: what is not published must look as if it were not there,
 * whoever asks.
 *
 * A grant leaves two marks: a row in the access log (refusals too) and, on the
 * progress row of user and video, the instant from which watched time is
 * counted.
 */
#include "postgres.h"

#include "funcapi.h"
#include "utils/builtins.h"

#include "extension/access.h"
#include "extension/query.h"
#include "extension/student_coach.h"

SC_READ(Q_VIDEO_FACTS,
		"SELECT v.course_id, v.topic_id, t.order_index, v.youtube_id, v.title, v.duration,"
		" v.is_preview, v.embeddable, v.is_active AND c.is_active AND coalesce(t.is_active, true),"
		" c.is_published, coalesce(c.teacher_id = $1, false), c.completion_percent::int4,"
		" c.sequential, c.strict_progress, coalesce(t.unlocks_at, '-infinity'),"
		" coalesce(u.is_active, false), e.status, coalesce(e.expires_at, 'infinity')"
		" FROM sc.videos AS v"
		" JOIN sc.courses AS c ON c.id = v.course_id"
		" LEFT JOIN sc.topics AS t ON t.id = v.topic_id"
		" LEFT JOIN sc.users AS u ON u.id = $1"
		" LEFT JOIN sc.enrollments AS e ON e.user_id = $1 AND e.course_id = v.course_id"
		" WHERE v.id = $2",
		INT8OID, INT8OID);

/* Is there an unwatched video in the last topic before this one that has any? */
SC_READ(Q_PREVIOUS_TOPIC_OPEN,
		"SELECT 1 FROM sc.videos AS v"
		" LEFT JOIN sc.video_progress AS p ON p.user_id = $1 AND p.video_id = v.id"
		" WHERE v.is_active AND p.completed_at IS NULL AND v.topic_id ="
		" (SELECT t.id FROM sc.topics AS t"
		" WHERE t.course_id = $2 AND t.is_active AND t.order_index < $3"
		" AND EXISTS (SELECT FROM sc.videos AS w WHERE w.topic_id = t.id AND w.is_active)"
		" ORDER BY t.order_index DESC LIMIT 1)"
		" LIMIT 1",
		INT8OID, INT8OID, INT4OID);

SC_READ(Q_IS_ENROLLED,
		"SELECT 1 FROM sc.enrollments AS e"
		" WHERE e.user_id = $1 AND e.course_id = $2 AND e.status IN ('active', 'completed')"
		" AND (e.expires_at IS NULL OR e.expires_at > $3)",
		INT8OID, INT8OID, TIMESTAMPTZOID);

SC_WRITE(Q_LOG_ACCESS,
		 "INSERT INTO sc.video_access_log (at, user_id, video_id, granted, reason, ip, session_id, request_id)"
		 " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
		 TIMESTAMPTZOID, INT8OID, INT8OID, BOOLOID, TEXTOID, INETOID, UUIDOID, TEXTOID);

SC_WRITE(Q_MARK_GRANT,
		 "INSERT INTO sc.video_progress AS p (user_id, video_id, granted_at, budget_from)"
		 " VALUES ($1, $2, $3, $3)"
		 " ON CONFLICT (user_id, video_id) DO UPDATE SET"
		 " granted_at = excluded.granted_at,"
		 " budget_from = coalesce(p.budget_from, excluded.budget_from)"
		 " RETURNING p.position_s, p.percent, p.completed_at",
		 INT8OID, INT8OID, TIMESTAMPTZOID);

/* Gather what the rules need.  Texts are copied into the current context. */
VideoFacts
sc_video_facts(int64 user_id, int64 video_id)
{
	VideoFacts	video = {0};
	ScRows		rows;

	sc_query_begin();
	rows = sc_query(&Q_VIDEO_FACTS, SC_INT8(user_id), SC_INT8(video_id));
	if (rows.count > 0)
	{
		video.found = true;
		video.course_id = sc_get_int8(&rows, 0, 1);
		video.has_topic = !sc_isnull(&rows, 0, 2);
		if (video.has_topic)
		{
			video.topic_id = sc_get_int8(&rows, 0, 2);
			video.topic_order = sc_get_int4(&rows, 0, 3);
		}
		video.youtube_id = sc_get_text(&rows, 0, 4);
		video.title = sc_get_text(&rows, 0, 5);
		video.duration = sc_get_int4(&rows, 0, 6);
		video.is_preview = sc_get_bool(&rows, 0, 7);
		video.embeddable = sc_get_bool(&rows, 0, 8);
		video.is_live = sc_get_bool(&rows, 0, 9);
		video.is_published = sc_get_bool(&rows, 0, 10);
		video.is_teacher = sc_get_bool(&rows, 0, 11);
		video.completion_percent = sc_get_int4(&rows, 0, 12);
		video.sequential = sc_get_bool(&rows, 0, 13);
		video.strict_progress = sc_get_bool(&rows, 0, 14);
		video.unlocks_at = sc_get_timestamptz(&rows, 0, 15);
		video.user_active = sc_get_bool(&rows, 0, 16);
		video.enrollment = sc_get_text(&rows, 0, 17);
		video.expires_at = sc_get_timestamptz(&rows, 0, 18);
	}
	sc_query_end();
	return video;
}

/* Is a topic of a sequential course still waiting for the one before it? */
static bool
waits_for_previous_topic(const VideoFacts *video, int64 user_id)
{
	bool		waits;

	if (!video->sequential || !video->has_topic)
		return false;
	sc_query_begin();
	waits = sc_query(&Q_PREVIOUS_TOPIC_OPEN, SC_INT8(user_id), SC_INT8(video->course_id),
					 SC_INT4(video->topic_order)).count > 0;
	sc_query_end();
	return waits;
}

/* Why somebody without office in the course may not watch; NULL if she may. */
static const char *
student_refusal(const VideoFacts *video, int64 user_id, TimestampTz at)
{
	if (!video->is_published)
		return "unpublished";
	if (video->is_preview)
		return NULL;
	if (video->enrollment == NULL || strcmp(video->enrollment, "cancelled") == 0)
		return "not_enrolled";
	if (strcmp(video->enrollment, "suspended") == 0)
		return "suspended";
	if (strcmp(video->enrollment, "expired") == 0 || video->expires_at <= at)
		return "expired";
	if (video->unlocks_at > at || waits_for_previous_topic(video, user_id))
		return "locked";
	return NULL;
}

/*
 * Why the user may not watch the video at that time; NULL if she may.
 *
 * The course's teacher and those who manage courses may watch whatever is not
 * deleted; a preview is for everybody who is logged in.
 */
const char *
sc_video_refusal(const VideoFacts *video, int64 user_id, TimestampTz at)
{
	const char *refusal;

	if (!video->found)
		return "unpublished";
	if (!video->user_active)
		return "inactive_user";
	if (!video->is_live)
		return "unpublished";
	if (video->is_teacher)
		return NULL;
	refusal = student_refusal(video, user_id, at);
	if (refusal != NULL && sc_has_permission(user_id, "courses.manage"))
		return NULL;
	return refusal;
}

/* is_enrolled(user_id, course_id, at): an enrolment that gives access. */
PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_is_enrolled);
Datum
sc_is_enrolled(PG_FUNCTION_ARGS)
{
	bool		enrolled;

	sc_query_begin();
	enrolled = sc_query(&Q_IS_ENROLLED, SC_ARG(0), SC_ARG(1), SC_ARG(2)).count > 0;
	sc_query_end();
	PG_RETURN_BOOL(enrolled);
}

/* video_access(user_id, video_id, at) -> (can_access, reason) */
PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_video_access);
Datum
sc_video_access(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	const char *refusal = "inactive_user";
	Datum		values[2];
	bool		nulls[2] = {false, false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "video_access must return a row");
	if (PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the time must not be null")));
	if (PG_ARGISNULL(1))
		refusal = "unpublished";
	else if (!PG_ARGISNULL(0))
	{
		VideoFacts	video = sc_video_facts(PG_GETARG_INT64(0), PG_GETARG_INT64(1));

		refusal = sc_video_refusal(&video, PG_GETARG_INT64(0), PG_GETARG_TIMESTAMPTZ(2));
	}
	values[0] = BoolGetDatum(refusal == NULL);
	values[1] = CStringGetTextDatum(refusal == NULL ? "ok" : refusal);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/*
 * grant_video(user_id, video_id, ip, session_id, request_id, at)
 *		-> (can_access, reason, youtube_id, title, duration, embeddable,
 *			position_s, percent, completed_at)
 *
 * Checks access, logs the answer and, if it is yes, starts the clock of the
 * time budget.  A video that does not exist is not logged: anybody could fill
 * the log with numbers.  After a refusal everything behind reason is NULL.
 */
PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_grant_video);
Datum
sc_grant_video(PG_FUNCTION_ARGS)
{
	int64		user_id = PG_GETARG_INT64(0);
	int64		video_id = PG_GETARG_INT64(1);
	TimestampTz at = PG_GETARG_TIMESTAMPTZ(5);
	TupleDesc	desc;
	VideoFacts	video;
	const char *refusal;
	Datum		values[9] = {0};
	bool		nulls[9];

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "grant_video must return a row");
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(5))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("user, video and time must not be null")));
	video = sc_video_facts(user_id, video_id);
	refusal = sc_video_refusal(&video, user_id, at);

	memset(nulls, true, sizeof(nulls));
	values[0] = BoolGetDatum(refusal == NULL);
	values[1] = CStringGetTextDatum(refusal == NULL ? "ok" : refusal);
	nulls[0] = nulls[1] = false;

	sc_query_begin();
	if (video.found)
		sc_query(&Q_LOG_ACCESS, SC_TIMESTAMPTZ(at), SC_INT8(user_id), SC_INT8(video_id),
				 SC_BOOL(refusal == NULL), SC_DATUM(values[1]), SC_ARG(2), SC_ARG(3), SC_ARG(4));
	if (refusal == NULL)
	{
		ScRows		rows = sc_query(&Q_MARK_GRANT, SC_INT8(user_id), SC_INT8(video_id),
									SC_TIMESTAMPTZ(at));

		values[2] = CStringGetTextDatum(video.youtube_id);
		values[3] = CStringGetTextDatum(video.title);
		values[4] = Int32GetDatum(video.duration);
		values[5] = BoolGetDatum(video.embeddable);
		memset(nulls, false, sizeof(nulls));
		for (int i = 0; i < 3; i++)
			values[6 + i] = sc_get_copy(&rows, 0, 1 + i, &nulls[6 + i]);
	}
	sc_query_end();
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
