/*
 * access.h
 *		Who may watch what.
 */
#ifndef SC_ACCESS_H
#define SC_ACCESS_H

#include "datatype/timestamp.h"

#include "extension/table.h"

/* What access and progress need to know of a video and of one who asks. */
typedef struct VideoFacts
{
	bool		found;			/* false: no such video; the rest is unset */
	int64		course_id;
	bool		has_topic;
	int64		topic_id;
	int			topic_order;
	const char *youtube_id;
	const char *title;
	int			duration;		/* seconds; 0 = not yet known */
	bool		is_preview;
	bool		embeddable;
	bool		is_live;		/* video, topic and course are not deleted */
	bool		is_published;
	bool		is_teacher;		/* of this course */
	int			completion_percent;
	bool		sequential;
	bool		strict_progress;
	TimestampTz unlocks_at;		/* DT_NOBEGIN when it always was */
	bool		user_active;
	const char *enrollment;		/* status, NULL = none */
	TimestampTz expires_at;		/* DT_NOEND when never */
} VideoFacts;

/* The tables that say so, and their columns. */
enum
{
	VIDEO_ID, VIDEO_COURSE, VIDEO_TOPIC, VIDEO_YOUTUBE, VIDEO_TITLE, VIDEO_DESCRIPTION, VIDEO_DURATION,
	VIDEO_ORDER, VIDEO_PREVIEW, VIDEO_EMBEDDABLE, VIDEO_ACTIVE, VIDEO_UPDATED, VIDEO_COLUMNS
};
extern ScTable sc_videos;

enum
{
	COURSE_ID, COURSE_TEACHER, COURSE_ACTIVE, COURSE_PUBLISHED, COURSE_COMPLETION, COURSE_SEQUENTIAL,
	COURSE_STRICT, COURSE_COLUMNS
};
extern ScTable sc_courses;

enum
{
	TOPIC_ID, TOPIC_ACTIVE, TOPIC_ORDER, TOPIC_UNLOCKS, TOPIC_COLUMNS
};
extern ScTable sc_topics;

enum
{
	PROGRESS_USER, PROGRESS_VIDEO, PROGRESS_PERCENT, PROGRESS_COVERED, PROGRESS_WATCHED, PROGRESS_TOTAL,
	PROGRESS_POSITION, PROGRESS_COMPLETED, PROGRESS_SEGMENTS, PROGRESS_GRANTED, PROGRESS_HEARTBEAT, PROGRESS_BUDGET,
	PROGRESS_UPDATED, PROGRESS_COLUMNS
};
extern ScTable sc_progress;

enum
{
	USER_ID, USER_ACTIVE, USER_NOT_BEFORE, USER_COLUMNS
};
extern ScTable sc_users;

extern TupleTableSlot *sc_lock_progress(int64 user_id, int64 video_id);
extern VideoFacts sc_video_facts(int64 user_id, int64 video_id);
extern const char *sc_video_refusal(const VideoFacts *video, int64 user_id, TimestampTz at);

#endif							/* SC_ACCESS_H */
