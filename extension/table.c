/*
 * table.c
 *		Rows reached by their key, without the executor.
 *
 * This goes to the tables as the apply worker of logical replication does: by
 * index, with the server's own functions for locking, inserting and updating a
 * row.  Constraints, triggers and indexes are honoured by these functions.
 *
 * A scope belongs to the subtransaction and the resource owner in which it
 * began, for which buffers, relations and snapshots are pinned.  Inside an inner
 * subtransaction, or the query of a cursor, which has an owner too, a new one is
 * begun.  When a subtransaction aborts, the server releases what its scopes
 * held, and they are forgotten.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/partcache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#include "extension/table.h"

/* A table that is open in a scope. */
typedef struct OpenTable
{
	struct OpenTable *next;
	Relation	rel;
	LOCKMODE	mode;
	Relation	index;			/* NULL until something is fetched */
	IndexScanDesc scan;
	TupleTableSlot *row;
	EState	   *estate;			/* NULL until something is written */
	ResultRelInfo *target;
	TupleTableSlot *new_row;
} OpenTable;

typedef struct Scope
{
	struct Scope *outer;
	SubTransactionId subid;
	ResourceOwner owner;
	uint64		number;
	int			depth;
	MemoryContext memory;
	OpenTable  *tables;
	EState	   *writer;			/* of the first table that was written */
} Scope;

static Scope *scope = NULL;
static uint64 scopes = 0;

/* Tables that have been learned. */
static ScTable **known = NULL;
static int	nknown = 0;

/* ---- scopes ---- */

static void
on_subxact(SubXactEvent event, SubTransactionId subid, SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		while (scope != NULL && scope->subid == subid)
			scope = scope->outer;
}

static void
on_xact(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PARALLEL_ABORT)
		scope = NULL;
}

/* A table has changed, or (relid 0) any may have. */
static void
on_relcache(Datum arg, Oid relid)
{
	for (int i = 0; i < nknown; i++)
		if (relid == InvalidOid || known[i]->relid == relid)
			known[i]->relid = InvalidOid;
}

void
sc_scope_begin(void)
{
	static bool registered = false;
	SubTransactionId subid = GetCurrentSubTransactionId();
	MemoryContext memory;
	Scope	   *s;

	if (scope != NULL && scope->subid == subid && scope->owner == CurrentResourceOwner)
	{
		scope->depth++;
		return;
	}
	if (!registered)
	{
		RegisterXactCallback(on_xact, NULL);
		RegisterSubXactCallback(on_subxact, NULL);
		CacheRegisterRelcacheCallback(on_relcache, (Datum) 0);
		registered = true;
	}
	memory = AllocSetContextCreate(CurTransactionContext, "sc scope", ALLOCSET_DEFAULT_SIZES);
	s = MemoryContextAllocZero(memory, sizeof(Scope));
	s->outer = scope;
	s->subid = subid;
	s->owner = CurrentResourceOwner;
	s->number = ++scopes;
	s->depth = 1;
	s->memory = memory;
	scope = s;
}

void
sc_scope_end(void)
{
	Scope	   *s = scope;

	if (--s->depth > 0)
		return;
	if (s->writer != NULL)
		AfterTriggerEndQuery(s->writer);
	for (OpenTable *o = s->tables; o != NULL; o = o->next)
	{
		if (o->estate != NULL)
		{
			ExecDropSingleTupleTableSlot(o->new_row);
			ExecCloseIndices(o->target);
			ExecCloseResultRelations(o->estate);
			ExecResetTupleTable(o->estate->es_tupleTable, false);
			FreeExecutorState(o->estate);
		}
		if (o->scan != NULL)
		{
			ExecDropSingleTupleTableSlot(o->row);
			index_endscan(o->scan);
			index_close(o->index, NoLock);
		}
		table_close(o->rel, NoLock);
	}
	scope = s->outer;
	MemoryContextDelete(s->memory);
}

/* Never the same for two scopes of a backend. */
uint64
sc_scope_number(void)
{
	return scope->number;
}

/* Where what the rows of a scope share may be kept. */
MemoryContext
sc_scope_memory(void)
{
	return scope->memory;
}

/* ---- tables ---- */

/* The unique index whose columns are the key's, in their order. */
static Oid
find_index(const ScTable *t, Relation rel)
{
	List	   *indexes = RelationGetIndexList(rel);
	ListCell   *cell;
	Oid			found = InvalidOid;
	int			nkeys = OidIsValid(t->keys[1]) ? 2 : 1;

	foreach(cell, indexes)
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);
		Form_pg_index form = index->rd_index;
		bool		fits = form->indisunique && form->indisvalid && form->indimmediate &&
		form->indnkeyatts == nkeys && RelationGetIndexPredicate(index) == NIL;

		for (int k = 0; fits && k < nkeys; k++)
			fits = form->indkey.values[k] == t->att[k];
		index_close(index, AccessShareLock);
		if (fits)
		{
			found = lfirst_oid(cell);
			break;
		}
	}
	list_free(indexes);
	return found;
}

/* Look up the columns of an open table. */
static void
learn(ScTable *t, Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);
	int			live = 0;
	bool		is_known = false;

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
	if (OidIsValid(t->keys[0]))
	{
		t->index = find_index(t, rel);
		if (!OidIsValid(t->index))
			elog(ERROR, "table \"%s\" has no unique index on its key", RelationGetRelationName(rel));
	}
	for (int i = 0; i < nknown; i++)
		is_known |= known[i] == t;
	if (!is_known)
	{
		MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);

		known = known == NULL ? palloc(sizeof(ScTable *)) : repalloc(known, sizeof(ScTable *) * (nknown + 1));
		known[nknown++] = t;
		MemoryContextSwitchTo(caller);
	}
	t->relid = RelationGetRelid(rel);
}

static Oid
find_relid(const ScTable *t)
{
	Oid			relid = get_relname_relid(t->name, get_namespace_oid("sc", false));

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table \"sc.%s\" does not exist", t->name),
				 errhint("Run SELECT sc.install().")));
	return relid;
}

static OpenTable *
open_relid(ScTable *t, Oid relid, LOCKMODE mode)
{
	OpenTable  *o = MemoryContextAllocZero(scope->memory, sizeof(OpenTable));

	o->rel = table_open(relid, mode);
	o->mode = mode;
	if (t->relid != relid)		/* new, or changed while we waited */
		learn(t, o->rel);
	o->next = scope->tables;
	scope->tables = o;
	t->open = o;
	t->scope = scope->number;
	return o;
}

static OpenTable *
open_table(ScTable *t, LOCKMODE mode)
{
	if (t->open != NULL && t->scope == scope->number)
	{
		if (t->open->mode < mode)
		{
			LockRelation(t->open->rel, mode);
			t->open->mode = mode;
		}
		return t->open;
	}
	return open_relid(t, OidIsValid(t->relid) ? t->relid : find_relid(t), mode);
}

/* The table itself, open until the scope ends. */
Relation
sc_table_of(ScTable *t, LOCKMODE mode)
{
	return open_table(t, mode)->rel;
}

/* The partition of a table by ranges of time that takes that instant. */
static Oid
partition_at(Relation rel, TimestampTz at)
{
	PartitionKey key = RelationGetPartitionKey(rel);
	PartitionDesc desc = RelationGetPartitionDesc(rel, false);
	PartitionBoundInfo bounds = desc->boundinfo;
	Datum		value = TimestampTzGetDatum(at);
	bool		equal;
	int			index = -1;

	if (desc->nparts > 0 && key->strategy == PARTITION_STRATEGY_RANGE && key->partnatts == 1)
	{
		int			offset = partition_range_datum_bsearch(key->partsupfunc, key->partcollation,
														   bounds, 1, &value, &equal);

		index = bounds->indexes[offset + 1];
		if (index < 0)
			index = bounds->default_index;
	}
	return index >= 0 && desc->is_leaf[index] ? desc->oids[index] : InvalidOid;
}

/*
 * From now on leaf is the partition of parent that takes that instant.  False
 * if that is not a table that can be written without the executor.
 */
bool
sc_table_use_partition(ScTable *parent, ScTable *leaf, TimestampTz at)
{
	Oid			relid = partition_at(sc_table_of(parent, RowExclusiveLock), at);
	OpenTable  *o;

	if (!OidIsValid(relid))
		return false;
	if (leaf->open != NULL && leaf->scope == scope->number && RelationGetRelid(leaf->open->rel) == relid)
		o = leaf->open;
	else
		o = open_relid(leaf, relid, RowExclusiveLock);
	return leaf->plain && o->rel->trigdesc == NULL && o->rel->rd_rel->relkind == RELKIND_RELATION;
}

/* ---- reading ---- */

static void
start_scan(ScTable *t, OpenTable *o)
{
	MemoryContext caller = MemoryContextSwitchTo(scope->memory);

	o->row = table_slot_create(o->rel, NULL);
	o->index = index_open(t->index, AccessShareLock);
	o->scan = index_beginscan(o->rel, o->index, GetActiveSnapshot(), OidIsValid(t->keys[1]) ? 2 : 1, 0);
	MemoryContextSwitchTo(caller);
}

/* The row of that key that the snapshot sees, NULL if there is none. */
TupleTableSlot *
sc_fetch(ScTable *t, Snapshot snapshot, Datum key1, Datum key2)
{
	OpenTable  *o = open_table(t, AccessShareLock);
	int			nkeys = OidIsValid(t->keys[1]) ? 2 : 1;
	ScanKeyData keys[SC_TABLE_KEYS];
	MemoryContext caller;
	bool		found;

	if (o->scan == NULL)
		start_scan(t, o);
	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, t->keys[0], key1);
	if (nkeys > 1)
		ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, t->keys[1], key2);

	/* what the index keeps for the scan must live as long as the scan */
	caller = MemoryContextSwitchTo(scope->memory);
	o->scan->xs_snapshot = snapshot;
	index_rescan(o->scan, keys, nkeys, NULL, 0);
	found = index_getnext_slot(o->scan, ForwardScanDirection, o->row);
	MemoryContextSwitchTo(caller);
	return found ? o->row : NULL;
}

/*
 * The newest version of the row, locked; NULL if there is none.  The key must
 * be one that updates leave alone.
 */
TupleTableSlot *
sc_fetch_locked(ScTable *t, LockTupleMode mode, Datum key1, Datum key2)
{
	OpenTable  *o = open_table(t, RowExclusiveLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TupleTableSlot *row = sc_fetch(t, snapshot, key1, key2);
	TM_FailureData failure;

	if (row != NULL)
	{
		ItemPointerData tid = row->tts_tid;
		TM_Result	result = table_tuple_lock(o->rel, &tid, snapshot, row, GetCurrentCommandId(false), mode,
											  LockWaitBlock, TUPLE_LOCK_FLAG_FIND_LAST_VERSION, &failure);

		if (result == TM_Deleted)
			row = NULL;
		else if (result != TM_Ok)
			elog(ERROR, "a row of \"%s\" could not be locked: %d", t->name, (int) result);
	}
	UnregisterSnapshot(snapshot);
	return row;
}

Datum
sc_column(const ScTable *t, TupleTableSlot *row, int c, bool *isnull)
{
	return slot_getattr(row, t->att[c], isnull);
}

/* A column that is never NULL. */
Datum
sc_column_given(const ScTable *t, TupleTableSlot *row, int c)
{
	bool		isnull;
	Datum		d = slot_getattr(row, t->att[c], &isnull);

	if (isnull)
		elog(ERROR, "column \"%s\" is unexpectedly NULL", t->columns[c]);
	return d;
}

/* ---- writing ---- */

static void
check_may_write(Relation rel)
{
	AclResult	result = pg_class_aclcheck(RelationGetRelid(rel), GetUserId(), ACL_INSERT | ACL_UPDATE);

	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_TABLE, RelationGetRelationName(rel));
}

/* What it takes to write rows of the table. */
static void
start_writing(OpenTable *o)
{
	MemoryContext caller = MemoryContextSwitchTo(scope->memory);
	RangeTblEntry *entry = makeNode(RangeTblEntry);

	PreventCommandIfReadOnly("writing a row");
	check_may_write(o->rel);
	entry->rtekind = RTE_RELATION;
	entry->relid = RelationGetRelid(o->rel);
	entry->relkind = o->rel->rd_rel->relkind;
	entry->rellockmode = RowExclusiveLock;
	o->estate = CreateExecutorState();
	o->target = makeNode(ResultRelInfo);
	o->new_row = MakeSingleTupleTableSlot(RelationGetDescr(o->rel), &TTSOpsVirtual);
	ExecInitRangeTable(o->estate, list_make1(entry));
	InitResultRelInfo(o->target, o->rel, 1, NULL, 0);
	ExecOpenIndices(o->target, false);
	MemoryContextSwitchTo(caller);

	/* queued triggers fire when the scope ends */
	if (scope->writer == NULL)
	{
		AfterTriggerBeginQuery();
		scope->writer = o->estate;
	}
}

/* A row to be filled, all columns NULL; there is one of a table. */
TupleTableSlot *
sc_new_row(ScTable *t)
{
	OpenTable  *o = open_table(t, RowExclusiveLock);

	if (o->estate == NULL)
		start_writing(o);
	ExecClearTuple(o->new_row);
	memset(o->new_row->tts_isnull, true, sizeof(bool) * o->new_row->tts_tupleDescriptor->natts);
	return o->new_row;
}

/*
 * The same, filled with what a row of the table has, so that columns which
 * somebody has added are kept.
 */
TupleTableSlot *
sc_copy_row(ScTable *t, TupleTableSlot *before)
{
	TupleTableSlot *row = sc_new_row(t);

	slot_getallattrs(before);
	memcpy(row->tts_values, before->tts_values, sizeof(Datum) * row->tts_tupleDescriptor->natts);
	memcpy(row->tts_isnull, before->tts_isnull, sizeof(bool) * row->tts_tupleDescriptor->natts);
	return row;
}

void
sc_set_column(const ScTable *t, TupleTableSlot *row, int c, Datum value, bool isnull)
{
	row->tts_values[t->att[c] - 1] = value;
	row->tts_isnull[t->att[c] - 1] = isnull;
}

static void
written(OpenTable *o)
{
	ResetPerTupleExprContext(o->estate);
	CommandCounterIncrement();
}

void
sc_insert_row(ScTable *t, TupleTableSlot *row)
{
	OpenTable  *o = t->open;

	o->estate->es_output_cid = GetCurrentCommandId(true);
	ExecStoreVirtualTuple(row);
	ExecSimpleRelationInsert(o->target, o->estate, row);
	written(o);
}

/* Replace a row that was fetched from the table; its attempt to race is ours to exclude. */
void
sc_update_row(ScTable *t, TupleTableSlot *before, TupleTableSlot *row)
{
	OpenTable  *o = t->open;
	EPQState	epq;

	o->estate->es_output_cid = GetCurrentCommandId(true);
	ExecStoreVirtualTuple(row);
	EvalPlanQualInit(&epq, o->estate, NULL, NIL, -1);
	EvalPlanQualSetSlot(&epq, before);
	ExecSimpleRelationUpdate(o->target, o->estate, &epq, before, row);
	EvalPlanQualEnd(&epq);
	written(o);
}

/* Insert into a partition that was chosen by its bounds: they are not checked again. */
void
sc_append_row(ScTable *t, TupleTableSlot *row)
{
	OpenTable  *o = t->open;

	o->estate->es_output_cid = GetCurrentCommandId(true);
	ExecStoreVirtualTuple(row);
	simple_table_tuple_insert(o->rel, row);
	if (o->target->ri_NumIndices > 0)
		list_free(ExecInsertIndexTuples(o->target, row, o->estate, false, false, NULL, NIL));
	ResetPerTupleExprContext(o->estate);
}
