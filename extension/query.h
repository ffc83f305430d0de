/*
 * query.h
 *		The extension's way to its tables: statements with kept plans.
 *
 * A statement is a static constant.  Its plan is prepared at the first use in
 * a backend, kept for good and always generic, so that a call costs no
 * planning.  A function that queries looks like this:
 *
 *		SC_READ(Q_SEATS,
 *				"SELECT capacity, seats_taken FROM sc.courses WHERE id = $1",
 *				INT8OID);
 *
 *		sc_query_begin();
 *		rows = sc_query(&Q_SEATS, SC_INT8(course_id));
 *		if (rows.count == 0)
 *			sc_refuse(404, "not_found", NULL);
 *		left = sc_get_int4(&rows, 0, 1) - sc_get_int4(&rows, 0, 2);
 *		sc_query_end();
 *
 * Rules:
 * - Name every table with its schema; nothing depends on search_path.
 * - SC_READ sees what the calling SQL statement sees and may not write: use it
 *	 in STABLE functions and for data that this handler has not changed and
 *	 need not lock.  SC_WRITE takes a new snapshot at each run: use it for
 *	 INSERT, UPDATE, DELETE, SELECT ... FOR UPDATE, and for a SELECT that must
 *	 see the writes made before it in the same handler or rows that others
 *	 committed while this handler waited for a lock.
 * - CurrentMemoryContext stays the caller's: what you palloc between begin and
 *	 end outlives end.  Rows live until end; sc_get_text() and friends copy
 *	 into the caller's context, sc_get_datum() points into the row.
 * - Rows count from 0, columns from 1.  A getter checks the column's type, and
 *	 raises an internal error for an unexpected NULL.
 * - begin and end nest.  After an ERROR nothing needs to be undone.
 */
#ifndef SC_QUERY_H
#define SC_QUERY_H

#include "access/htup_details.h"
#include "catalog/pg_type_d.h"
#include "datatype/timestamp.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "utils/timestamp.h"

#define SC_QUERY_MAX_ARGS 24

/* A statement.  Make one with SC_READ or SC_WRITE, never by hand. */
typedef struct ScQuery
{
	const char *sql;
	bool		read_only;
	Oid			types[SC_QUERY_MAX_ARGS + 1];	/* ends with InvalidOid */
	int			nargs;			/* known once prepared */
	SPIPlanPtr	plan;			/* NULL until the first use */
} ScQuery;

#define SC_READ(name, text, ...) \
	static ScQuery name = {.sql = (text), .read_only = true, .types = {__VA_ARGS__}}
#define SC_WRITE(name, text, ...) \
	static ScQuery name = {.sql = (text), .read_only = false, .types = {__VA_ARGS__}}

/* Rows of one run.  For a statement without RETURNING only count is set. */
typedef struct ScRows
{
	uint64		count;
	TupleDesc	desc;
	HeapTuple  *tuples;
} ScRows;

/* Arguments.  SC_TEXT(NULL) and SC_DATUM_OR_NULL(d, true) are SQL NULL. */
#define SC_NULL					((NullableDatum) {.value = (Datum) 0, .isnull = true})
#define SC_DATUM(d)				((NullableDatum) {.value = (d), .isnull = false})
#define SC_DATUM_OR_NULL(d, n)	((NullableDatum) {.value = (d), .isnull = (n)})
#define SC_BOOL(b)				SC_DATUM(BoolGetDatum(b))
#define SC_INT2(i)				SC_DATUM(Int16GetDatum(i))
#define SC_INT4(i)				SC_DATUM(Int32GetDatum(i))
#define SC_INT8(i)				SC_DATUM(Int64GetDatum(i))
#define SC_FLOAT8(f)			SC_DATUM(Float8GetDatum(f))
#define SC_TIMESTAMPTZ(t)		SC_DATUM(TimestampTzGetDatum(t))
#define SC_TEXT(s)				sc_text_arg(s)
/* The i-th argument of an SQL function, NULL or not. */
#define SC_ARG(i)				SC_DATUM_OR_NULL(PG_GETARG_DATUM(i), PG_ARGISNULL(i))

extern NullableDatum sc_text_arg(const char *s);

extern void sc_query_begin(void);
extern void sc_query_end(void);

/*
 * sc_query(&Q_NAME, args...): run, give all rows.
 * sc_query_array(&Q_NAME, array, n): the same, arguments in an array.
 */
#define sc_query(q, ...) \
	sc_query_array((q), (NullableDatum[]) {__VA_ARGS__}, \
				   sizeof((NullableDatum[]) {__VA_ARGS__}) / sizeof(NullableDatum))
extern ScRows sc_query_array(ScQuery *q, const NullableDatum *args, int nargs);

/*
 * sc_query_each(&Q_NAME, callback, arg, args...): run, give every row to the
 * callback as it is made and keep none; for results too large to hold.  Gives
 * the number of rows.  The callback runs in a context that is reset after each
 * row and must not query.
 */
typedef void (*ScRowCallback) (TupleTableSlot *slot, void *arg);
#define sc_query_each(q, callback, arg, ...) \
	sc_query_each_array((q), (callback), (arg), (NullableDatum[]) {__VA_ARGS__}, \
						sizeof((NullableDatum[]) {__VA_ARGS__}) / sizeof(NullableDatum))
extern uint64 sc_query_each_array(ScQuery *q, ScRowCallback callback, void *arg,
								  const NullableDatum *args, int nargs);

/*
 * A cursor over a read: its rows are made as they are fetched.  It lives until
 * it is closed or its transaction ends, past the end of the scope and of the
 * subtransaction; the name, in the caller's context, is all there is to keep.
 * Rows that are fetched live until sc_query_end().
 */
extern const char *sc_cursor_open(const char *sql, int nargs, Oid *types, Datum *values, const bool *nulls);
extern ScRows sc_cursor_fetch(const char *name, long n);
extern void sc_cursor_close(const char *name);

extern bool sc_isnull(const ScRows *rows, uint64 row, int col);
extern Datum sc_get_datum(const ScRows *rows, uint64 row, int col, bool *isnull);
extern bool sc_get_bool(const ScRows *rows, uint64 row, int col);
extern int16 sc_get_int2(const ScRows *rows, uint64 row, int col);
extern int32 sc_get_int4(const ScRows *rows, uint64 row, int col);
extern int64 sc_get_int8(const ScRows *rows, uint64 row, int col);
extern double sc_get_float8(const ScRows *rows, uint64 row, int col);
extern TimestampTz sc_get_timestamptz(const ScRows *rows, uint64 row, int col);

/* C string, or NULL for SQL NULL; copied. */
extern char *sc_get_text(const ScRows *rows, uint64 row, int col);

/* Datum of any type, copied into the caller's context; SQL NULL sets *isnull. */
extern Datum sc_get_copy(const ScRows *rows, uint64 row, int col, bool *isnull);

/* The result of the SQL function in fcinfo, which returns a named composite type of n columns. */
extern Datum sc_result(FunctionCallInfo fcinfo, int n, const Datum *values, const bool *nulls);

#endif							/* SC_QUERY_H */
