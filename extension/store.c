/*
 * store.c
 *		What a save reads and writes, without the executor.
 *
 * On the day of the exam a save is what the server does, thousands of times a
 * second, so it goes to the tables by table.c.
 *
 * Only the plain case is served.  A table that somebody has given more columns,
 * and a partition of the log with triggers of its own, is left to SQL: the
 * functions that write then say that they have not.
 *
 * The lock on the attempt's row keeps other saves of the attempt out, so that
 * "find, then insert or update" needs no more than that.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "extension/store.h"
#include "extension/table.h"

enum
{
	ATTEMPT_ID, ATTEMPT_EXAM, ATTEMPT_USER, ATTEMPT_STATE, ATTEMPT_DEADLINE, ATTEMPT_SEED,
	ATTEMPT_QUESTIONS, ATTEMPT_VERSIONS
};
static ScTable attempts = {
	.name = "exam_attempts",
	.keys = {F_INT8EQ},
	.ncolumns = 8,
	.columns = {"id", "exam_id", "user_id", "state", "deadline_at", "seed", "question_ids", "version_ids"},
};

enum
{
	EXAM_ID, EXAM_SLACK, EXAM_SHUFFLE
};
static ScTable exams = {
	.name = "exams",
	.keys = {F_INT8EQ},
	.ncolumns = 3,
	.columns = {"id", "slack_seconds", "shuffle_options"},
};

enum
{
	VERSION_ID, VERSION_TYPE, VERSION_OPTIONS
};
static ScTable versions = {
	.name = "question_versions",
	.keys = {F_INT8EQ},
	.ncolumns = 3,
	.columns = {"id", "type", "options"},
};

enum
{
	ANSWER_ATTEMPT, ANSWER_QUESTION, ANSWER_SEQ, ANSWER_ANSWER, ANSWER_SAVED_AT, ANSWER_ELAPSED, ANSWER_LATE
};
static ScTable answers = {
	.name = "attempt_answers",
	.keys = {F_INT8EQ, F_INT8EQ},
	.ncolumns = 7,
	.columns = {"attempt_id", "question_id", "seq", "answer", "saved_at", "elapsed_ms", "late_ms"},
};

enum
{
	LOG_AT, LOG_ATTEMPT, LOG_QUESTION, LOG_SEQ, LOG_ANSWER
};
static ScTable log_parent = {
	.name = "answer_log",
	.ncolumns = 5,
	.columns = {"at", "attempt_id", "question_id", "seq", "answer"},
};
static ScTable log_leaf = {
	.name = "answer_log",
	.ncolumns = 5,
	.columns = {"at", "attempt_id", "question_id", "seq", "answer"},
};

/* Place of a question in the attempt, and the version shown there; 0 if it is not in it. */
static int64
version_of(Datum questions, Datum version_ids, int64 question_id)
{
	ArrayType  *q = DatumGetArrayTypeP(questions);
	ArrayType  *v = DatumGetArrayTypeP(version_ids);
	const int64 *ids = (const int64 *) ARR_DATA_PTR(q);
	int			n = ArrayGetNItems(ARR_NDIM(q), ARR_DIMS(q));

	if (ARR_HASNULL(q) || ARR_HASNULL(v) || ArrayGetNItems(ARR_NDIM(v), ARR_DIMS(v)) < n)
		elog(ERROR, "an attempt has malformed questions");
	for (int i = 0; i < n; i++)
		if (ids[i] == question_id)
			return ((const int64 *) ARR_DATA_PTR(v))[i];
	return 0;
}

/*
 * What a save must know of the exam and the question is read once in a scope:
 * the saves of a batch are mostly of one exam, and meet the same questions.
 */
#define QUESTIONS_KEPT 64

static struct
{
	uint64		scope;
	int64		id;
	int			slack_seconds;
	bool		shuffle_options;
} kept_exam;

static struct
{
	uint64		scope;
	int64		version;
	StoredQuestion question;
} kept_questions[QUESTIONS_KEPT];

static void
read_exam(Attempt *a, Snapshot snapshot)
{
	if (kept_exam.scope != sc_scope_number() || kept_exam.id != a->exam_id)
	{
		TupleTableSlot *row = sc_fetch(&exams, snapshot, Int64GetDatum(a->exam_id), 0);

		if (row == NULL)
			elog(ERROR, "attempt " INT64_FORMAT " has no exam", a->id);
		kept_exam.	scope = sc_scope_number();
		kept_exam.	id = a->exam_id;
		kept_exam.	slack_seconds = DatumGetInt32(sc_column_given(&exams, row, EXAM_SLACK));
		kept_exam.	shuffle_options = DatumGetBool(sc_column_given(&exams, row, EXAM_SHUFFLE));
	}
	a->slack_seconds = kept_exam.slack_seconds;
	a->shuffle_options = kept_exam.shuffle_options;
}

static void
read_question(int64 version, StoredQuestion *question, Snapshot snapshot)
{
	int			place = (uint64) version % QUESTIONS_KEPT;

	if (kept_questions[place].scope != sc_scope_number() || kept_questions[place].version != version)
	{
		TupleTableSlot *row = sc_fetch(&versions, snapshot, Int64GetDatum(version), 0);
		MemoryContext caller;

		if (row == NULL)
			return;
		caller = MemoryContextSwitchTo(sc_scope_memory());
		kept_questions[place].question.type = DatumGetTextPCopy(sc_column_given(&versions, row, VERSION_TYPE));
		kept_questions[place].question.options = DatumGetJsonbPCopy(sc_column_given(&versions, row, VERSION_OPTIONS));
		MemoryContextSwitchTo(caller);
		kept_questions[place].version = version;
		kept_questions[place].scope = sc_scope_number();
	}
	*question = kept_questions[place].question;
}

/*
 * Lock an attempt and fetch what a save must know.  What is given of the
 * question is good until the scope ends.  False if there is no such
 * attempt; question->type is NULL if the question is not in it.
 */
bool
sc_store_begin(int64 attempt_id, int64 question_id, Attempt *a, StoredQuestion *question)
{
	TupleTableSlot *row;
	Snapshot	snapshot;
	int64		version;
	bool		isnull;

	PreventCommandIfReadOnly("saving an answer");

	/* as an UPDATE that changes no key would */
	row = sc_fetch_locked(&attempts, LockTupleNoKeyExclusive, Int64GetDatum(attempt_id), 0);
	if (row == NULL)
		return false;
	memset(a, 0, sizeof(Attempt));
	a->id = attempt_id;
	a->exam_id = DatumGetInt64(sc_column_given(&attempts, row, ATTEMPT_EXAM));
	a->user_id = DatumGetInt64(sc_column_given(&attempts, row, ATTEMPT_USER));
	a->state = TextDatumGetCString(sc_column_given(&attempts, row, ATTEMPT_STATE));
	a->seed = DatumGetInt64(sc_column_given(&attempts, row, ATTEMPT_SEED));
	a->deadline = DatumGetTimestampTz(sc_column(&attempts, row, ATTEMPT_DEADLINE, &isnull));
	a->has_deadline = !isnull;
	version = version_of(sc_column_given(&attempts, row, ATTEMPT_QUESTIONS),
						 sc_column_given(&attempts, row, ATTEMPT_VERSIONS), question_id);

	/* only now: what was committed while we waited for the lock counts */
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	read_exam(a, snapshot);
	question->type = NULL;
	if (version != 0)
		read_question(version, question, snapshot);
	UnregisterSnapshot(snapshot);
	return true;
}

/* Add a line to the log; false if its partition is not a plain one. */
static bool
log_save(const SaveRow *s)
{
	TupleTableSlot *row;

	if (!sc_table_use_partition(&log_parent, &log_leaf, s->saved_at))
		return false;
	row = sc_new_row(&log_leaf);
	sc_set_column(&log_leaf, row, LOG_AT, TimestampTzGetDatum(s->saved_at), false);
	sc_set_column(&log_leaf, row, LOG_ATTEMPT, Int64GetDatum(s->attempt_id), false);
	sc_set_column(&log_leaf, row, LOG_QUESTION, Int64GetDatum(s->question_id), false);
	sc_set_column(&log_leaf, row, LOG_SEQ, Int64GetDatum(s->seq), false);
	sc_set_column(&log_leaf, row, LOG_ANSWER, JsonbPGetDatum(s->answer), s->answer == NULL);
	sc_append_row(&log_leaf, row);
	return true;
}

/* What is stored of an answer, read from its row. */
static void
read_stored(TupleTableSlot *row, StoredAnswer *stored)
{
	bool		isnull;
	Datum		answer = sc_column(&answers, row, ANSWER_ANSWER, &isnull);

	stored->seq = DatumGetInt64(sc_column_given(&answers, row, ANSWER_SEQ));
	stored->answer = isnull ? NULL : DatumGetJsonbPCopy(answer);
	stored->saved_at = DatumGetTimestampTz(sc_column_given(&answers, row, ANSWER_SAVED_AT));
	stored->late_ms = DatumGetInt32(sc_column_given(&answers, row, ANSWER_LATE));
}

/* Insert the answer, or update the row that holds the one before. */
static void
write_answer(const SaveRow *s, TupleTableSlot *before)
{
	TupleTableSlot *row = sc_new_row(&answers);

	sc_set_column(&answers, row, ANSWER_ATTEMPT, Int64GetDatum(s->attempt_id), false);
	sc_set_column(&answers, row, ANSWER_QUESTION, Int64GetDatum(s->question_id), false);
	sc_set_column(&answers, row, ANSWER_SEQ, Int64GetDatum(s->seq), false);
	sc_set_column(&answers, row, ANSWER_ANSWER, JsonbPGetDatum(s->answer), s->answer == NULL);
	sc_set_column(&answers, row, ANSWER_SAVED_AT, TimestampTzGetDatum(s->saved_at), false);
	sc_set_column(&answers, row, ANSWER_ELAPSED, Int32GetDatum(s->elapsed_ms), !s->has_elapsed);
	sc_set_column(&answers, row, ANSWER_LATE, Int32GetDatum(s->late_ms), false);
	if (before == NULL)
		sc_insert_row(&answers, row);
	else
		sc_update_row(&answers, before, row);
}

/*
 * Store an answer whose attempt is locked, and its line in the log, unless one
 * with the same or a higher counter is there, or a late one and this is late
 * too; then *stored says what is.
 */
StoreOutcome
sc_store_answer(const SaveRow *s, StoredAnswer *stored)
{
	Snapshot	snapshot;
	TupleTableSlot *before;

	(void) sc_table_of(&answers, RowExclusiveLock);
	if (!answers.plain)
		return STORE_NOT_PLAIN;
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	before = sc_fetch(&answers, snapshot, Int64GetDatum(s->attempt_id), Int64GetDatum(s->question_id));
	UnregisterSnapshot(snapshot);
	if (before != NULL)
	{
		read_stored(before, stored);
		if (stored->seq >= s->seq || (stored->late_ms > 0 && s->late_ms > 0))
			return STORE_KEPT;
	}
	write_answer(s, before);
	return log_save(s) ? STORE_DONE : STORE_UNLOGGED;
}
