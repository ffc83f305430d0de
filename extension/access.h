/*
 * access.h
 *		Who may watch what.
 */
#ifndef SC_ACCESS_H
#define SC_ACCESS_H

#include "datatype/timestamp.h"

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

extern VideoFacts sc_video_facts(int64 user_id, int64 video_id);
extern const char *sc_video_refusal(const VideoFacts *video, int64 user_id, TimestampTz at);

#endif							/* SC_ACCESS_H */
