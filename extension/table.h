/*
 * table.h
 *		Rows reached by their key, without the executor.
 *
 * For the few paths that run thousands of times a second, where starting the
 * executor costs more than the work: the check of a token, a light read, the
 * save of an answer.  Everything else uses query.h.
 *
 *		static ScTable courses = {
 *			.name = "courses", .keys = {F_INT8EQ},
 *			.columns = {"id", "teacher_id"}, .ncolumns = 2};
 *
 *		sc_scope_begin();
 *		row = sc_fetch(&courses, GetActiveSnapshot(), Int64GetDatum(id), 0);
 *		if (row != NULL)
 *			teacher = sc_column(&courses, row, 1, &isnull);
 *		sc_scope_end();
 *
 * Rules:
 * - What is fetched, locked or written is so in a scope.  Scopes nest, and
 *	 tables stay open until the outermost one of the subtransaction ends; a
 *	 batch of requests is one scope, so that its rows share the opening.
 * - A row is good until the next fetch from its table, or the end of the scope.
 * - After an ERROR nothing needs to be undone.
 */
#ifndef SC_TABLE_H
#define SC_TABLE_H

#include "datatype/timestamp.h"
#include "executor/tuptable.h"
#include "nodes/lockoptions.h"
#include "storage/lockdefs.h"
#include "utils/fmgroids.h"
#include "utils/snapshot.h"

#define SC_TABLE_COLUMNS 20
#define SC_TABLE_KEYS 2

/* A table of schema sc.  The first columns are those of a unique index. */
typedef struct ScTable
{
	const char *name;
	Oid			keys[SC_TABLE_KEYS];	/* equality of each key column */
	int			ncolumns;
	const char *columns[SC_TABLE_COLUMNS];

	/* What has been learned; relid is invalid until then. */
	Oid			relid;
	Oid			index;
	bool		plain;			/* these columns and no others */
	AttrNumber	att[SC_TABLE_COLUMNS];
	struct OpenTable *open;		/* in the scope of this number */
	uint64		scope;
} ScTable;

extern void sc_scope_begin(void);
extern void sc_scope_end(void);
extern uint64 sc_scope_number(void);
extern MemoryContext sc_scope_memory(void);

extern TupleTableSlot *sc_fetch(ScTable *t, Snapshot snapshot, Datum key1, Datum key2);
extern TupleTableSlot *sc_fetch_locked(ScTable *t, LockTupleMode mode, Datum key1, Datum key2);
extern Datum sc_column(const ScTable *t, TupleTableSlot *row, int c, bool *isnull);
extern Datum sc_column_given(const ScTable *t, TupleTableSlot *row, int c);

extern Relation sc_table_of(ScTable *t, LOCKMODE mode);
extern bool sc_table_use_partition(ScTable *parent, ScTable *leaf, TimestampTz at);
extern TupleTableSlot *sc_new_row(ScTable *t);
extern TupleTableSlot *sc_copy_row(ScTable *t, TupleTableSlot *before);
extern void sc_set_column(const ScTable *t, TupleTableSlot *row, int c, Datum value, bool isnull);
extern void sc_insert_row(ScTable *t, TupleTableSlot *row);
extern void sc_update_row(ScTable *t, TupleTableSlot *before, TupleTableSlot *row);
extern void sc_append_row(ScTable *t, TupleTableSlot *row);

#endif							/* SC_TABLE_H */
