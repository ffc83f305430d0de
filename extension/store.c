/*
 * store.c
 *		What a save reads and writes, without the executor.
 *
 * On the day of the exam a save is what the server does, thousands of times a
 * second.  Starting the executor costs more than the work itself here, so this
 * file goes to the tables as the apply worker of logical replication does: by
 * index, with the server's own functions for locking, inserting and updating a
 * row.  Constraints, triggers and indexes are honoured by these functions.
 *
 * Only the plain case is served.  A table that somebody has given more columns,
 * and a partition of the log with triggers of its own, is left to SQL: the
 * functions that write then say that they have not.
 *
 * The lock on the attempt's row keeps other saves of the attempt out, so that
 * "find, then insert or update" needs no more than that.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type_d.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "extension/store.h"

#define MAX_COLUMNS 8

/* A table as this file knows it.  relid is invalid until it has been looked at. */
typedef struct StoredTable
{
	const char *name;
	int			ncolumns;
	const char *columns[MAX_COLUMNS];	/* the key first */
	Oid			relid;
	Oid			pkey;
	bool		plain;			/* these columns and no others */
	AttrNumber	att[MAX_COLUMNS];
} StoredTable;

enum
{
	ATTEMPT_ID, ATTEMPT_EXAM, ATTEMPT_USER, ATTEMPT_STATE, ATTEMPT_DEADLINE, ATTEMPT_SEED,
	ATTEMPT_QUESTIONS, ATTEMPT_VERSIONS
};
static StoredTable attempts = {
	.name = "exam_attempts",
	.ncolumns = 8,
	.columns = {"id", "exam_id", "user_id", "state", "deadline_at", "seed", "question_ids", "version_ids"},
};

enum
{
	EXAM_ID, EXAM_SLACK, EXAM_SHUFFLE
};
static StoredTable exams = {
	.name = "exams",
	.ncolumns = 3,
	.columns = {"id", "slack_seconds", "shuffle_options"},
};

enum
{
	VERSION_ID, VERSION_TYPE, VERSION_OPTIONS
};
static StoredTable versions = {
	.name = "question_versions",
	.ncolumns = 3,
	.columns = {"id", "type", "options"},
};

enum
{
	ANSWER_ATTEMPT, ANSWER_QUESTION, ANSWER_SEQ, ANSWER_ANSWER, ANSWER_SAVED_AT, ANSWER_ELAPSED, ANSWER_LATE
};
static StoredTable answers = {
	.name = "attempt_answers",
	.ncolumns = 7,
	.columns = {"attempt_id", "question_id", "seq", "answer", "saved_at", "elapsed_ms", "late_ms"},
};

enum
{
	LOG_AT, LOG_ATTEMPT, LOG_QUESTION, LOG_SEQ, LOG_ANSWER
};
static StoredTable log_parent = {
	.name = "answer_log",
	.ncolumns = 5,
	.columns = {"at", "attempt_id", "question_id", "seq", "answer"},
};
static StoredTable log_leaf = {
	.ncolumns = 5,
	.columns = {"at", "attempt_id", "question_id", "seq", "answer"},
};

static StoredTable *const tables[] = {&attempts, &exams, &versions, &answers, &log_parent, &log_leaf};

/* A table has changed, or (relid 0) any may have. */
static void
forget(Datum arg, Oid relid)
{
	for (int i = 0; i < lengthof(tables); i++)
		if (relid == InvalidOid || tables[i]->relid == relid)
			tables[		i]->relid = InvalidOid;
}

/* Look up the columns of an open table. */
static void
learn(StoredTable *t, Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);
	int			live = 0;

	t->relid = InvalidOid;
	for (int c = 0; c < t->ncolumns; c++)
	{
		t->att[c] = get_attnum(RelationGetRelid(rel), t->columns[c]);
		if (t->att[c] == InvalidAttrNumber)
			elog(ERROR, "table \"%s\" has no column \"%s\"", RelationGetRelationName(rel), t->columns[c]);
	}
	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped)
			live++;
	t->plain = live == t->ncolumns;
	t->pkey = RelationGetPrimaryKeyIndex(rel);
	t->relid = RelationGetRelid(rel);
}

/* Open a table of schema sc. */
static Relation
open_table(StoredTable *t, LOCKMODE mode)
{
	static bool registered = false;
	Relation	rel;

	if (!registered)
	{
		CacheRegisterRelcacheCallback(forget, (Datum) 0);
		registered = true;
	}
	if (!OidIsValid(t->relid))
	{
		Oid			relid = get_relname_relid(t->name, get_namespace_oid("sc", false));

		if (!OidIsValid(relid))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_TABLE),
					 errmsg("table \"sc.%s\" does not exist", t->name),
					 errhint("Run sc.install().")));
		rel = table_open(relid, mode);
		learn(t, rel);
		return rel;
	}
	rel = table_open(t->relid, mode);
	if (!OidIsValid(t->relid))	/* it changed while we waited */
		learn(t, rel);
	return rel;
}

/* Fetch a row by its primary key of one or two bigints. */
static bool
fetch(const StoredTable *t, Relation rel, Snapshot snapshot, int64 key1, int64 key2, int nkeys,
	  TupleTableSlot *slot)
{
	Relation	index = index_open(t->pkey, AccessShareLock);
	IndexScanDesc scan = index_beginscan(rel, index, snapshot, nkeys, 0);
	ScanKeyData keys[2];
	bool		found;

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(key1));
	if (nkeys > 1)
		ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(key2));
	index_rescan(scan, keys, nkeys, NULL, 0);
	found = index_getnext_slot(scan, ForwardScanDirection, slot);
	if (found)
		ExecMaterializeSlot(slot);
	index_endscan(scan);
	index_close(index, AccessShareLock);
	return found;
}

/* A column that is never NULL. */
static Datum
column(const StoredTable *t, TupleTableSlot *slot, int c)
{
	bool		isnull;
	Datum		d = slot_getattr(slot, t->att[c], &isnull);

	if (isnull)
		elog(ERROR, "column \"%s\" is unexpectedly NULL", t->columns[c]);
	return d;
}

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

/* Lock the row of an attempt as an UPDATE that changes no key would. */
static bool
lock_attempt(Relation rel, int64 attempt_id, TupleTableSlot *row)
{
	TupleTableSlot *key = table_slot_create(rel, NULL);
	bool		found;

	ExecClearTuple(key);
	memset(key->tts_isnull, true, sizeof(bool) * key->tts_tupleDescriptor->natts);
	key->tts_values[attempts.att[ATTEMPT_ID] - 1] = Int64GetDatum(attempt_id);
	key->tts_isnull[attempts.att[ATTEMPT_ID] - 1] = false;
	ExecStoreVirtualTuple(key);
	found = RelationFindReplTupleByIndex(rel, attempts.pkey, LockTupleNoKeyExclusive, key, row);
	ExecDropSingleTupleTableSlot(key);
	return found;
}

/*
 * Lock an attempt and fetch what a save must know.  False if there is no such
 * attempt; question->type is NULL if the question is not in it.
 */
bool
sc_store_begin(int64 attempt_id, int64 question_id, Attempt *a, StoredQuestion *question)
{
	Relation	attempt_rel;
	Relation	exam_rel;
	Relation	version_rel;
	TupleTableSlot *row;
	Snapshot	snapshot;
	int64		version = 0;
	bool		isnull;

	PreventCommandIfReadOnly("saving an answer");
	attempt_rel = open_table(&attempts, RowExclusiveLock);
	row = table_slot_create(attempt_rel, NULL);
	if (!lock_attempt(attempt_rel, attempt_id, row))
	{
		ExecDropSingleTupleTableSlot(row);
		table_close(attempt_rel, NoLock);
		return false;
	}
	memset(a, 0, sizeof(Attempt));
	a->id = attempt_id;
	a->exam_id = DatumGetInt64(column(&attempts, row, ATTEMPT_EXAM));
	a->user_id = DatumGetInt64(column(&attempts, row, ATTEMPT_USER));
	a->state = TextDatumGetCString(column(&attempts, row, ATTEMPT_STATE));
	a->seed = DatumGetInt64(column(&attempts, row, ATTEMPT_SEED));
	a->deadline = DatumGetTimestampTz(slot_getattr(row, attempts.att[ATTEMPT_DEADLINE], &isnull));
	a->has_deadline = !isnull;
	version = version_of(column(&attempts, row, ATTEMPT_QUESTIONS),
						 column(&attempts, row, ATTEMPT_VERSIONS), question_id);
	ExecDropSingleTupleTableSlot(row);
	table_close(attempt_rel, NoLock);

	/* only now: what was committed while we waited for the lock counts */
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	exam_rel = open_table(&exams, AccessShareLock);
	row = table_slot_create(exam_rel, NULL);
	if (!fetch(&exams, exam_rel, snapshot, a->exam_id, 0, 1, row))
		elog(ERROR, "attempt " INT64_FORMAT " has no exam", attempt_id);
	a->slack_seconds = DatumGetInt32(column(&exams, row, EXAM_SLACK));
	a->shuffle_options = DatumGetBool(column(&exams, row, EXAM_SHUFFLE));
	ExecDropSingleTupleTableSlot(row);
	table_close(exam_rel, NoLock);

	question->type = NULL;
	if (version != 0)
	{
		version_rel = open_table(&versions, AccessShareLock);
		row = table_slot_create(version_rel, NULL);
		if (fetch(&versions, version_rel, snapshot, version, 0, 1, row))
		{
			question->type = DatumGetTextPCopy(column(&versions, row, VERSION_TYPE));
			question->options = DatumGetJsonbPCopy(column(&versions, row, VERSION_OPTIONS));
		}
		ExecDropSingleTupleTableSlot(row);
		table_close(version_rel, NoLock);
	}
	UnregisterSnapshot(snapshot);
	return true;
}

/* What it takes to write rows of one table. */
typedef struct Writer
{
	EState	   *estate;
	ResultRelInfo *target;
} Writer;

static Writer
writer_begin(Relation rel)
{
	Writer		w = {.estate = CreateExecutorState(), .target = makeNode(ResultRelInfo)};
	RangeTblEntry *entry = makeNode(RangeTblEntry);

	entry->rtekind = RTE_RELATION;
	entry->relid = RelationGetRelid(rel);
	entry->relkind = rel->rd_rel->relkind;
	entry->rellockmode = RowExclusiveLock;
	ExecInitRangeTable(w.estate, list_make1(entry));
	w.estate->es_output_cid = GetCurrentCommandId(true);
	InitResultRelInfo(w.target, rel, 1, NULL, 0);
	ExecOpenIndices(w.target, false);
	AfterTriggerBeginQuery();
	return w;
}

static void
writer_end(Writer *w)
{
	AfterTriggerEndQuery(w->estate);
	ExecCloseIndices(w->target);
	ExecCloseResultRelations(w->estate);
	ExecResetTupleTable(w->estate->es_tupleTable, false);
	FreeExecutorState(w->estate);
	CommandCounterIncrement();
}

static void
check_may_write(Oid relid, const char *name)
{
	AclResult	result = pg_class_aclcheck(relid, GetUserId(), ACL_INSERT | ACL_UPDATE);

	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_TABLE, name);
}

static void
set_column(const StoredTable *t, TupleTableSlot *slot, int c, Datum value, bool isnull)
{
	slot->tts_values[t->att[c] - 1] = value;
	slot->tts_isnull[t->att[c] - 1] = isnull;
}

static TupleTableSlot *
empty_row(Relation rel)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsVirtual);

	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, sizeof(bool) * slot->tts_tupleDescriptor->natts);
	return slot;
}

/* The partition of the log for that instant. */
static Oid
log_partition(TimestampTz at)
{
	Relation	rel = open_table(&log_parent, RowExclusiveLock);
	PartitionKey key = RelationGetPartitionKey(rel);
	PartitionDesc desc = RelationGetPartitionDesc(rel, false);
	PartitionBoundInfo bounds = desc->boundinfo;
	Datum		value = TimestampTzGetDatum(at);
	bool		equal;
	int			index = -1;
	Oid			leaf = InvalidOid;

	if (desc->nparts > 0 && key->strategy == PARTITION_STRATEGY_RANGE && key->partnatts == 1)
	{
		int			offset = partition_range_datum_bsearch(key->partsupfunc, key->partcollation,
														   bounds, 1, &value, &equal);

		index = bounds->indexes[offset + 1];
		if (index < 0)
			index = bounds->default_index;
	}
	if (index >= 0 && desc->is_leaf[index])
		leaf = desc->oids[index];
	table_close(rel, NoLock);
	return leaf;
}

/* Add a line to the log; false if its partition is not a plain one. */
static bool
log_save(const SaveRow *s)
{
	Oid			leaf = log_partition(s->saved_at);
	Relation	rel;
	Writer		w;
	TupleTableSlot *slot;

	if (!OidIsValid(leaf))
		return false;
	rel = table_open(leaf, RowExclusiveLock);
	if (log_leaf.relid != leaf)
		learn(&log_leaf, rel);
	if (!log_leaf.plain || rel->trigdesc != NULL || rel->rd_rel->relkind != RELKIND_RELATION)
	{
		table_close(rel, NoLock);
		return false;
	}
	w = writer_begin(rel);
	slot = empty_row(rel);
	set_column(&log_leaf, slot, LOG_AT, TimestampTzGetDatum(s->saved_at), false);
	set_column(&log_leaf, slot, LOG_ATTEMPT, Int64GetDatum(s->attempt_id), false);
	set_column(&log_leaf, slot, LOG_QUESTION, Int64GetDatum(s->question_id), false);
	set_column(&log_leaf, slot, LOG_SEQ, Int64GetDatum(s->seq), false);
	set_column(&log_leaf, slot, LOG_ANSWER, JsonbPGetDatum(s->answer), s->answer == NULL);
	ExecStoreVirtualTuple(slot);

	/* the partition was chosen by its bounds: they need not be checked again */
	simple_table_tuple_insert(rel, slot);
	if (w.target->ri_NumIndices > 0)
		list_free(ExecInsertIndexTuples(w.target, slot, w.estate, false, false, NULL, NIL));
	writer_end(&w);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
	return true;
}

/* What is stored of an answer, read from its row. */
static void
read_stored(TupleTableSlot *row, StoredAnswer *stored)
{
	bool		isnull;
	Datum		answer = slot_getattr(row, answers.att[ANSWER_ANSWER], &isnull);

	stored->seq = DatumGetInt64(column(&answers, row, ANSWER_SEQ));
	stored->answer = isnull ? NULL : DatumGetJsonbPCopy(answer);
	stored->saved_at = DatumGetTimestampTz(column(&answers, row, ANSWER_SAVED_AT));
	stored->late_ms = DatumGetInt32(column(&answers, row, ANSWER_LATE));
}

/* Insert the answer, or update the row that holds the one before. */
static void
write_answer(Relation rel, const SaveRow *s, TupleTableSlot *before)
{
	Writer		w = writer_begin(rel);
	TupleTableSlot *slot = empty_row(rel);

	set_column(&answers, slot, ANSWER_ATTEMPT, Int64GetDatum(s->attempt_id), false);
	set_column(&answers, slot, ANSWER_QUESTION, Int64GetDatum(s->question_id), false);
	set_column(&answers, slot, ANSWER_SEQ, Int64GetDatum(s->seq), false);
	set_column(&answers, slot, ANSWER_ANSWER, JsonbPGetDatum(s->answer), s->answer == NULL);
	set_column(&answers, slot, ANSWER_SAVED_AT, TimestampTzGetDatum(s->saved_at), false);
	set_column(&answers, slot, ANSWER_ELAPSED, Int32GetDatum(s->elapsed_ms), !s->has_elapsed);
	set_column(&answers, slot, ANSWER_LATE, Int32GetDatum(s->late_ms), false);
	ExecStoreVirtualTuple(slot);
	if (before == NULL)
		ExecSimpleRelationInsert(w.target, w.estate, slot);
	else
	{
		EPQState	epq;

		EvalPlanQualInit(&epq, w.estate, NULL, NIL, -1);
		EvalPlanQualSetSlot(&epq, before);
		ExecSimpleRelationUpdate(w.target, w.estate, &epq, before, slot);
		EvalPlanQualEnd(&epq);
	}
	writer_end(&w);
	ExecDropSingleTupleTableSlot(slot);
}

/*
 * Store an answer whose attempt is locked, and its line in the log, unless one
 * with the same or a higher counter is there, or a late one and this is late
 * too; then *stored says what is.
 */
StoreOutcome
sc_store_answer(const SaveRow *s, StoredAnswer *stored)
{
	Relation	rel = open_table(&answers, RowExclusiveLock);
	TupleTableSlot *row;
	Snapshot	snapshot;
	bool		found;
	StoreOutcome outcome = STORE_DONE;

	if (!answers.plain)
	{
		table_close(rel, NoLock);
		return STORE_NOT_PLAIN;
	}
	check_may_write(answers.relid, answers.name);
	row = table_slot_create(rel, NULL);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	found = fetch(&answers, rel, snapshot, s->attempt_id, s->question_id, 2, row);
	UnregisterSnapshot(snapshot);
	if (found)
	{
		read_stored(row, stored);
		if (stored->seq >= s->seq || (stored->late_ms > 0 && s->late_ms > 0))
			outcome = STORE_KEPT;
	}
	if (outcome == STORE_DONE)
	{
		write_answer(rel, s, found ? row : NULL);
		if (!log_save(s))
			outcome = STORE_UNLOGGED;
	}
	ExecDropSingleTupleTableSlot(row);
	table_close(rel, NoLock);
	return outcome;
}
