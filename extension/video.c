/*
 * video.c
 *		The reads that players make most: a video, and what was watched of it.
 *
 * What is not published is there for those who keep the course only: its
 * teacher, and who manages all courses.  To everybody else it looks as if it
 * did not exist.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "fmgr.h"
#include "utils/multirangetypes.h"
#include "utils/numeric.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"

#include "extension/access.h"
#include "extension/query.h"
#include "extension/student_coach.h"

/* May the user change the course?  The same as sc.keeps_course(). */
static bool
keeps_course(int64 actor, bool is_teacher)
{
	return (is_teacher && sc_has_permission(actor, "courses.own")) || sc_has_permission(actor, "courses.manage");
}

/* What decides who may see a course. */
typedef struct CourseFacts
{
	bool		is_active;
	bool		is_published;
	bool		is_teacher;		/* the one who asks */
} CourseFacts;

static CourseFacts
course_facts(int64 actor, int64 course_id)
{
	CourseFacts course = {0};
	TupleTableSlot *row = sc_fetch(&sc_courses, GetActiveSnapshot(), Int64GetDatum(course_id), 0);
	int64		teacher;
	bool		isnull;

	if (row != NULL)
	{
		course.is_active = DatumGetBool(sc_column_given(&sc_courses, row, COURSE_ACTIVE));
		course.is_published = DatumGetBool(sc_column_given(&sc_courses, row, COURSE_PUBLISHED));
		teacher = DatumGetInt64(sc_column(&sc_courses, row, COURSE_TEACHER, &isnull));
		course.is_teacher = !isnull && teacher == actor;
	}
	return course;
}

/* A video that is not deleted; NULL if there is none. */
static TupleTableSlot *
live_video(int64 video_id)
{
	TupleTableSlot *row = sc_fetch(&sc_videos, GetActiveSnapshot(), Int64GetDatum(video_id), 0);

	return row != NULL && DatumGetBool(sc_column_given(&sc_videos, row, VIDEO_ACTIVE)) ? row : NULL;
}

static bool
topic_is_live(TupleTableSlot *video)
{
	TupleTableSlot *row;
	bool		isnull;
	Datum		topic = sc_column(&sc_videos, video, VIDEO_TOPIC, &isnull);

	if (isnull)
		return true;
	row = sc_fetch(&sc_topics, GetActiveSnapshot(), topic, 0);
	return row == NULL || DatumGetBool(sc_column_given(&sc_topics, row, TOPIC_ACTIVE));
}

/* video_get(actor, video_id): NULL where there is nothing to be seen. */
PG_FUNCTION_INFO_V1(sc_api_video_get);
PGDLLEXPORT Datum
sc_api_video_get(PG_FUNCTION_ARGS)
{
	static const int columns[] = {VIDEO_ID, VIDEO_COURSE, VIDEO_TOPIC, VIDEO_TITLE, VIDEO_DESCRIPTION, VIDEO_DURATION,
	VIDEO_ORDER, VIDEO_PREVIEW, VIDEO_EMBEDDABLE, VIDEO_UPDATED};
	Datum		values[lengthof(columns)];
	bool		nulls[lengthof(columns)];
	TupleTableSlot *row;
	Datum		result = (Datum) 0;
	bool		visible = false;

	if (PG_ARGISNULL(1))
		PG_RETURN_NULL();
	sc_scope_begin();
	row = live_video(PG_GETARG_INT64(1));
	if (row != NULL && topic_is_live(row))
	{
		int64		actor = PG_ARGISNULL(0) ? 0 : PG_GETARG_INT64(0);
		CourseFacts course = course_facts(actor, DatumGetInt64(sc_column_given(&sc_videos, row, VIDEO_COURSE)));

		visible = course.is_active && course.is_published;
		if (!visible)
		{
			sc_call_no_store();
			visible = course.is_active && keeps_course(actor, course.is_teacher);
		}
	}
	if (visible)
	{
		for (int i = 0; i < lengthof(columns); i++)
			values[i] = sc_column(&sc_videos, row, columns[i], &nulls[i]);
		result = sc_result(fcinfo, lengthof(columns), values, nulls);
	}
	sc_scope_end();
	if (!visible)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(result);
}

/* The row of sc_api.video_progress; row is NULL if nothing was watched. */
static Datum
progress_result(FunctionCallInfo fcinfo, int64 video_id, int duration, TupleTableSlot *row)
{
	TypeCacheEntry *ranges = lookup_type_cache(INT4MULTIRANGEOID, TYPECACHE_MULTIRANGE_INFO);
	Datum		values[8] = {Int64GetDatum(video_id)};
	bool		nulls[8] = {false};

	if (row == NULL)
	{
		values[1] = NumericGetDatum(int64_to_numeric(0));
		values[4] = Int32GetDatum(duration);
		nulls[6] = true;
		values[7] = MultirangeTypePGetDatum(make_multirange(INT4MULTIRANGEOID, ranges->rngtype, 0, NULL));
		return sc_result(fcinfo, lengthof(values), values, nulls);
	}
	values[1] = sc_column_given(&sc_progress, row, PROGRESS_PERCENT);
	values[2] = sc_column_given(&sc_progress, row, PROGRESS_COVERED);
	values[3] = sc_column_given(&sc_progress, row, PROGRESS_WATCHED);
	values[4] = duration > 0 ? Int32GetDatum(duration) : sc_column_given(&sc_progress, row, PROGRESS_TOTAL);
	values[5] = sc_column_given(&sc_progress, row, PROGRESS_POSITION);
	values[6] = sc_column(&sc_progress, row, PROGRESS_COMPLETED, &nulls[6]);
	values[7] = sc_column_given(&sc_progress, row, PROGRESS_SEGMENTS);
	return sc_result(fcinfo, lengthof(values), values, nulls);
}

/*
 * video_progress_get(actor, video_id): NULL where there is nothing to be seen.
 * What somebody has watched stays visible to her when the course is withdrawn.
 */
PG_FUNCTION_INFO_V1(sc_api_video_progress_get);
PGDLLEXPORT Datum
sc_api_video_progress_get(PG_FUNCTION_ARGS)
{
	TupleTableSlot *row;
	Datum		result = (Datum) 0;
	bool		visible = false;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	sc_scope_begin();
	row = live_video(PG_GETARG_INT64(1));
	if (row != NULL)
	{
		int64		actor = PG_GETARG_INT64(0);
		CourseFacts course = course_facts(actor, DatumGetInt64(sc_column_given(&sc_videos, row, VIDEO_COURSE)));
		int			duration = DatumGetInt32(sc_column_given(&sc_videos, row, VIDEO_DURATION));

		row = sc_fetch(&sc_progress, GetActiveSnapshot(), PG_GETARG_DATUM(0), PG_GETARG_DATUM(1));
		visible = course.is_active &&
			(course.is_published || row != NULL || keeps_course(actor, course.is_teacher));
		if (visible)
			result = progress_result(fcinfo, PG_GETARG_INT64(1), duration, row);
	}
	sc_scope_end();
	if (!visible)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(result);
}
