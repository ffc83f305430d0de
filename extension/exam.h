/*
 * exam.h
 *		What the files about exams and attempts share.
 */
#ifndef SC_EXAM_H
#define SC_EXAM_H

#include "nodes/pg_list.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#define SECONDS(n) ((TimestampTz) (n) * USECS_PER_SEC)

/*
 * exam.c: what holds for one student in one exam, after all overrides.
 * Instants are NULL-able: has_* says whether they are set.
 */
typedef struct ExamWindow
{
	bool		found;			/* the exam and the user exist */
	bool		has_opens_at;
	bool		has_closes_at;
	bool		has_deadline;
	TimestampTz opens_at;
	TimestampTz closes_at;
	TimestampTz deadline;		/* if started at the asked instant */
	int			time_limit;		/* seconds, extra time included; 0 = none */
	int			max_attempts;	/* 0 = no limit */
	int			attempts_used;
	bool		allowed;
	const char *reason;			/* "ok", "in_progress", or a code of
								 * sc.problems */
	char	   *password_hash;	/* NULL = none asked */
} ExamWindow;

extern ExamWindow sc_exam_window_at(int64 exam_id, int64 user_id, TimestampTz at, bool fresh);

/* attempt.c: an attempt under our row lock, with its exam's rules. */
typedef struct Attempt
{
	int64		id;
	int64		user_id;
	int64		exam_id;
	char	   *state;
	bool		has_deadline;
	TimestampTz deadline;
	int64		seed;
	bool		shuffle_options;
	char	   *overdue_policy;
	int			grace_seconds;
	int			slack_seconds;
} Attempt;

extern bool sc_attempt_over(int64 attempt_id, TimestampTz at);
extern bool sc_attempt_open(const Attempt *a, TimestampTz at);
extern int64 sc_ms_until(bool has_deadline, TimestampTz deadline, TimestampTz at);

/* answer.c: one save. */
typedef enum SaveStatus
{
	SAVE_STORED,				/* stored now, or the same before */
	SAVE_STALE,					/* an answer with a higher seq is there */
	SAVE_CLOSED,				/* too late */
	SAVE_UNKNOWN,				/* no such question in this attempt */
	SAVE_INVALID				/* not an answer to this type of question */
} SaveStatus;

typedef struct SaveResult
{
	SaveStatus	status;
	int64		question_id;
	int64		seq;			/* as stored */
	Jsonb	   *answer;			/* as stored, in shown ids; NULL = blank */
	bool		has_saved_at;
	TimestampTz saved_at;
	int			late_ms;
} SaveResult;

typedef struct AnswerInput
{
	int64		question_id;
	int64		seq;
	Jsonb	   *answer;			/* NULL = cleared */
	bool		has_elapsed;
	int32		elapsed_ms;
} AnswerInput;

#define MAX_BATCH 500

extern List *sc_read_answers(Jsonb *answers);
extern void sc_refuse_closed(const Attempt *a, TimestampTz at) pg_attribute_noreturn();
extern Jsonb *sc_save_batch(const Attempt *a, List *inputs, TimestampTz at);

#endif							/* SC_EXAM_H */
