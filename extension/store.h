/*
 * store.h
 *		What a save reads and writes, without the executor: see store.c.
 */
#ifndef SC_STORE_H
#define SC_STORE_H

#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "extension/exam.h"

typedef struct StoredQuestion
{
	text	   *type;			/* NULL: not in the attempt */
	Jsonb	   *options;
} StoredQuestion;

/* A row to be stored. */
typedef struct SaveRow
{
	int64		attempt_id;
	int64		question_id;
	int64		seq;
	Jsonb	   *answer;			/* NULL = blank */
	TimestampTz saved_at;
	bool		has_elapsed;
	int32		elapsed_ms;
	int32		late_ms;
} SaveRow;

/* A row that is there. */
typedef struct StoredAnswer
{
	int64		seq;
	Jsonb	   *answer;			/* NULL = blank */
	TimestampTz saved_at;
	int32		late_ms;
} StoredAnswer;

typedef enum StoreOutcome
{
	STORE_DONE,					/* stored and logged */
	STORE_KEPT,					/* what was there stays */
	STORE_UNLOGGED,				/* stored; the log is left to SQL */
	STORE_NOT_PLAIN				/* nothing done: all of it is left to SQL */
} StoreOutcome;

extern bool sc_store_begin(int64 attempt_id, int64 question_id, Attempt *a, StoredQuestion *question);
extern StoreOutcome sc_store_answer(const SaveRow *s, StoredAnswer *stored);

#endif							/* SC_STORE_H */
