/*
 * video.c
 *		The reads that players make most: a video, and what was watched of it.
 *
 * What is not published is there for those who keep the course only: its
 * teacher, and who manages all courses.  To everybody else it looks as if it
 * did not exist.
 */
#include "postgres.h"

#include "fmgr.h"

#include "extension/query.h"
#include "extension/student_coach.h"

/* The columns of sc_api.video, then what decides who may see it. */
SC_READ(Q_VIDEO,
		"SELECT v.id, v.course_id, v.topic_id, v.title, v.description, v.duration, v.order_index,"
		" v.is_preview, v.embeddable, v.updated_at,"
		" c.is_active, c.is_published, coalesce(c.teacher_id = $1, false)"
		" FROM sc.videos AS v"
		" JOIN sc.courses AS c ON c.id = v.course_id"
		" LEFT JOIN sc.topics AS t ON t.id = v.topic_id"
		" WHERE v.id = $2 AND v.is_active AND coalesce(t.is_active, true)",
		INT8OID, INT8OID);
enum
{
	VIDEO_COURSE_ACTIVE = 11,
	VIDEO_COURSE_PUBLISHED,
	VIDEO_IS_TEACHER
};

/* The columns of sc_api.video_progress, then what decides who may see it. */
SC_READ(Q_PROGRESS,
		"SELECT v.id, coalesce(p.percent, 0), coalesce(p.covered_seconds, 0), coalesce(p.watched_seconds, 0),"
		" coalesce(nullif(v.duration, 0), p.total_seconds, 0), coalesce(p.position_s, 0),"
		" p.completed_at, coalesce(p.segments, '{}'),"
		" c.is_published OR p.user_id IS NOT NULL, coalesce(c.teacher_id = $1, false)"
		" FROM sc.videos AS v"
		" JOIN sc.courses AS c ON c.id = v.course_id"
		" LEFT JOIN sc.video_progress AS p ON p.user_id = $1 AND p.video_id = v.id"
		" WHERE v.id = $2 AND v.is_active AND c.is_active",
		INT8OID, INT8OID);
enum
{
	PROGRESS_VISIBLE = 9,
	PROGRESS_IS_TEACHER
};

/* May the user change the course?  The same as sc.keeps_course(). */
static bool
keeps_course(int64 actor, bool is_teacher)
{
	return (is_teacher && sc_has_permission(actor, "courses.own")) || sc_has_permission(actor, "courses.manage");
}

/* video_get(actor, video_id): NULL where there is nothing to be seen. */
PG_FUNCTION_INFO_V1(sc_api_video_get);
PGDLLEXPORT Datum
sc_api_video_get(PG_FUNCTION_ARGS)
{
	ScRows		rows;
	Datum		result = (Datum) 0;
	bool		visible = false;

	sc_query_begin();
	rows = sc_query(&Q_VIDEO, SC_ARG(0), SC_ARG(1));
	if (rows.count > 0)
	{
		bool		active = sc_get_bool(&rows, 0, VIDEO_COURSE_ACTIVE);

		visible = active && sc_get_bool(&rows, 0, VIDEO_COURSE_PUBLISHED);
		if (!visible)
		{
			sc_call_no_store();
			visible = active && keeps_course(PG_GETARG_INT64(0), sc_get_bool(&rows, 0, VIDEO_IS_TEACHER));
		}
		if (visible)
			result = sc_get_result(&rows, 0, fcinfo);
	}
	sc_query_end();
	if (!visible)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(result);
}

/* video_progress_get(actor, video_id): NULL where there is nothing to be seen. */
PG_FUNCTION_INFO_V1(sc_api_video_progress_get);
PGDLLEXPORT Datum
sc_api_video_progress_get(PG_FUNCTION_ARGS)
{
	ScRows		rows;
	Datum		result = (Datum) 0;
	bool		visible;

	sc_query_begin();
	rows = sc_query(&Q_PROGRESS, SC_ARG(0), SC_ARG(1));
	visible = rows.count > 0 &&
		(sc_get_bool(&rows, 0, PROGRESS_VISIBLE) ||
		 keeps_course(PG_GETARG_INT64(0), sc_get_bool(&rows, 0, PROGRESS_IS_TEACHER)));
	if (visible)
		result = sc_get_result(&rows, 0, fcinfo);
	sc_query_end();
	if (!visible)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(result);
}
