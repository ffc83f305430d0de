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

#include "access/xact.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "extension/access.h"
#include "extension/query.h"
#include "extension/student_coach.h"

ScTable		sc_videos = {
	.name = "videos",
	.keys = {F_INT8EQ},
	.ncolumns = VIDEO_COLUMNS,
	.columns = {"id", "course_id", "topic_id", "youtube_id", "title", "description", "duration", "order_index",
	"is_preview", "embeddable", "is_active", "updated_at"},
};

ScTable		sc_courses = {
	.name = "courses",
	.keys = {F_INT8EQ},
	.ncolumns = COURSE_COLUMNS,
	.columns = {"id", "teacher_id", "is_active", "is_published", "completion_percent", "sequential", "strict_progress"},
};

ScTable		sc_topics = {
	.name = "topics",
	.keys = {F_INT8EQ},
	.ncolumns = TOPIC_COLUMNS,
	.columns = {"id", "is_active", "order_index", "unlocks_at"},
};

ScTable		sc_progress = {
	.name = "video_progress",
	.keys = {F_INT8EQ, F_INT8EQ},
	.ncolumns = PROGRESS_COLUMNS,
	.columns = {"user_id", "video_id", "percent", "covered_seconds", "watched_seconds", "total_seconds", "position_s",
	"completed_at", "segments", "granted_at", "heartbeat_at", "budget_from", "updated_at"},
};

enum
{
	ENROLLMENT_USER, ENROLLMENT_COURSE, ENROLLMENT_STATUS, ENROLLMENT_EXPIRES
};
static ScTable enrollments = {
	.name = "enrollments",
	.keys = {F_INT8EQ, F_INT8EQ},
	.ncolumns = 4,
	.columns = {"user_id", "course_id", "status", "expires_at"},
};

ScTable		sc_users = {
	.name = "users",
	.keys = {F_INT8EQ},
	.ncolumns = USER_COLUMNS,
	.columns = {"id", "is_active", "tokens_not_before"},
};

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

SC_WRITE(Q_NEW_PROGRESS,
		 "INSERT INTO sc.video_progress (user_id, video_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
		 INT8OID, INT8OID);

enum
{
	LOG_AT, LOG_USER, LOG_VIDEO, LOG_GRANTED, LOG_REASON, LOG_IP, LOG_SESSION, LOG_REQUEST
};
static ScTable log_parent = {
	.name = "video_access_log",
	.ncolumns = 8,
	.columns = {"at", "user_id", "video_id", "granted", "reason", "ip", "session_id", "request_id"},
};
static ScTable log_leaf = {
	.name = "video_access_log",
	.ncolumns = 8,
	.columns = {"at", "user_id", "video_id", "granted", "reason", "ip", "session_id", "request_id"},
};

/* What the topic of a video says; true if it is not deleted. */
static bool
read_topic(VideoFacts *video, Snapshot snapshot)
{
	TupleTableSlot *row = sc_fetch(&sc_topics, snapshot, Int64GetDatum(video->topic_id), 0);
	TimestampTz unlocks_at;
	bool		isnull;

	if (row == NULL)
		return false;
	video->topic_order = DatumGetInt32(sc_column_given(&sc_topics, row, TOPIC_ORDER));
	unlocks_at = DatumGetTimestampTz(sc_column(&sc_topics, row, TOPIC_UNLOCKS, &isnull));
	if (!isnull)
		video->unlocks_at = unlocks_at;
	return DatumGetBool(sc_column_given(&sc_topics, row, TOPIC_ACTIVE));
}

/* What the course of a video says; true if it is not deleted. */
static bool
read_course(VideoFacts *video, int64 user_id, Snapshot snapshot)
{
	TupleTableSlot *row = sc_fetch(&sc_courses, snapshot, Int64GetDatum(video->course_id), 0);
	int64		teacher;
	bool		isnull;

	if (row == NULL)
		return false;
	teacher = DatumGetInt64(sc_column(&sc_courses, row, COURSE_TEACHER, &isnull));
	video->is_teacher = !isnull && teacher == user_id;
	video->is_published = DatumGetBool(sc_column_given(&sc_courses, row, COURSE_PUBLISHED));
	video->completion_percent = DatumGetInt16(sc_column_given(&sc_courses, row, COURSE_COMPLETION));
	video->sequential = DatumGetBool(sc_column_given(&sc_courses, row, COURSE_SEQUENTIAL));
	video->strict_progress = DatumGetBool(sc_column_given(&sc_courses, row, COURSE_STRICT));
	return DatumGetBool(sc_column_given(&sc_courses, row, COURSE_ACTIVE));
}

/* What is known of the one who asks. */
static void
read_user(VideoFacts *video, int64 user_id, Snapshot snapshot)
{
	TupleTableSlot *row = sc_fetch(&sc_users, snapshot, Int64GetDatum(user_id), 0);
	TimestampTz expires_at;
	bool		isnull;

	video->user_active = row != NULL && DatumGetBool(sc_column_given(&sc_users, row, USER_ACTIVE));
	row = sc_fetch(&enrollments, snapshot, Int64GetDatum(user_id), Int64GetDatum(video->course_id));
	if (row == NULL)
		return;
	video->enrollment = TextDatumGetCString(sc_column_given(&enrollments, row, ENROLLMENT_STATUS));
	expires_at = DatumGetTimestampTz(sc_column(&enrollments, row, ENROLLMENT_EXPIRES, &isnull));
	if (!isnull)
		video->expires_at = expires_at;
}

/* Gather what the rules need.  Texts are copied into the current context. */
VideoFacts
sc_video_facts(int64 user_id, int64 video_id)
{
	VideoFacts	video = {.unlocks_at = DT_NOBEGIN, .expires_at = DT_NOEND};
	Snapshot	snapshot = GetActiveSnapshot();
	TupleTableSlot *row;
	bool		isnull;

	sc_scope_begin();
	row = sc_fetch(&sc_videos, snapshot, Int64GetDatum(video_id), 0);
	if (row != NULL)
	{
		video.found = true;
		video.course_id = DatumGetInt64(sc_column_given(&sc_videos, row, VIDEO_COURSE));
		video.topic_id = DatumGetInt64(sc_column(&sc_videos, row, VIDEO_TOPIC, &isnull));
		video.has_topic = !isnull;
		video.youtube_id = TextDatumGetCString(sc_column_given(&sc_videos, row, VIDEO_YOUTUBE));
		video.title = TextDatumGetCString(sc_column_given(&sc_videos, row, VIDEO_TITLE));
		video.duration = DatumGetInt32(sc_column_given(&sc_videos, row, VIDEO_DURATION));
		video.is_preview = DatumGetBool(sc_column_given(&sc_videos, row, VIDEO_PREVIEW));
		video.embeddable = DatumGetBool(sc_column_given(&sc_videos, row, VIDEO_EMBEDDABLE));
		video.is_live = DatumGetBool(sc_column_given(&sc_videos, row, VIDEO_ACTIVE));
		video.is_live &= read_course(&video, user_id, snapshot);
		if (video.has_topic)
			video.is_live &= read_topic(&video, snapshot);
		read_user(&video, user_id, snapshot);
	}
	sc_scope_end();
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

/* The arguments of grant_video, and its decision, go into the log. */
static void
log_access(FunctionCallInfo fcinfo, TimestampTz at, bool granted, Datum reason)
{
	TupleTableSlot *row;

	if (!sc_table_use_partition(&log_parent, &log_leaf, at))
	{
		sc_query_begin();
		sc_query(&Q_LOG_ACCESS, SC_TIMESTAMPTZ(at), SC_ARG(0), SC_ARG(1), SC_BOOL(granted), SC_DATUM(reason),
				 SC_ARG(2), SC_ARG(3), SC_ARG(4));
		sc_query_end();
		return;
	}
	row = sc_new_row(&log_leaf);
	sc_set_column(&log_leaf, row, LOG_AT, TimestampTzGetDatum(at), false);
	sc_set_column(&log_leaf, row, LOG_USER, PG_GETARG_DATUM(0), PG_ARGISNULL(0));
	sc_set_column(&log_leaf, row, LOG_VIDEO, PG_GETARG_DATUM(1), PG_ARGISNULL(1));
	sc_set_column(&log_leaf, row, LOG_GRANTED, BoolGetDatum(granted), false);
	sc_set_column(&log_leaf, row, LOG_REASON, reason, false);
	sc_set_column(&log_leaf, row, LOG_IP, PG_GETARG_DATUM(2), PG_ARGISNULL(2));
	sc_set_column(&log_leaf, row, LOG_SESSION, PG_GETARG_DATUM(3), PG_ARGISNULL(3));
	sc_set_column(&log_leaf, row, LOG_REQUEST, PG_GETARG_DATUM(4), PG_ARGISNULL(4));
	sc_append_row(&log_leaf, row);
}

/* The row of user and video, locked; it is made first if need be. */
TupleTableSlot *
sc_lock_progress(int64 user_id, int64 video_id)
{
	for (;;)
	{
		TupleTableSlot *row = sc_fetch_locked(&sc_progress, LockTupleNoKeyExclusive,
											  Int64GetDatum(user_id), Int64GetDatum(video_id));

		if (row != NULL)
			return row;
		CHECK_FOR_INTERRUPTS();
		sc_query_begin();
		sc_query(&Q_NEW_PROGRESS, SC_INT8(user_id), SC_INT8(video_id));
		sc_query_end();
		CommandCounterIncrement();
	}
}

/* Start the clock of watched time; gives the row of user and video. */
static TupleTableSlot *
mark_grant(int64 user_id, int64 video_id, TimestampTz at)
{
	TupleTableSlot *before = sc_lock_progress(user_id, video_id);
	TupleTableSlot *row = sc_copy_row(&sc_progress, before);
	bool		isnull;

	(void) sc_column(&sc_progress, before, PROGRESS_BUDGET, &isnull);
	if (isnull)
		sc_set_column(&sc_progress, row, PROGRESS_BUDGET, TimestampTzGetDatum(at), false);
	sc_set_column(&sc_progress, row, PROGRESS_GRANTED, TimestampTzGetDatum(at), false);
	sc_update_row(&sc_progress, before, row);
	return row;
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
	Datum		result;

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

	sc_scope_begin();
	if (video.found)
		log_access(fcinfo, at, refusal == NULL, values[1]);
	if (refusal == NULL)
	{
		TupleTableSlot *row = mark_grant(user_id, video_id, at);

		values[2] = CStringGetTextDatum(video.youtube_id);
		values[3] = CStringGetTextDatum(video.title);
		values[4] = Int32GetDatum(video.duration);
		values[5] = BoolGetDatum(video.embeddable);
		memset(nulls, false, sizeof(nulls));
		values[6] = sc_column_given(&sc_progress, row, PROGRESS_POSITION);
		values[7] = sc_column_given(&sc_progress, row, PROGRESS_PERCENT);
		values[8] = sc_column(&sc_progress, row, PROGRESS_COMPLETED, &nulls[8]);
	}
	result = HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
	sc_scope_end();
	PG_RETURN_DATUM(result);
}
