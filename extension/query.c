/*
 * query.c
 *		Statements with kept plans: the only user of SPI.
 *
 * SPI changes CurrentMemoryContext at every turn, to a context that dies with
 * SPI_finish().  Everything here puts the caller's context back, so that the
 * rest of the extension never has to think of it.
 *
 * Plans are forced to be generic: a custom plan per call costs more than these
 * short statements run.  The plan cache revalidates a kept plan by itself when
 * a table changes or is restored, also under another OID, because it goes back
 * to the text.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "nodes/params.h"
#include "parser/parsetree.h"
#include "tcop/dest.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/typcache.h"

#include "extension/query.h"

/* Hands rows to a callback, one by one. */
typedef struct EachReceiver
{
	DestReceiver pub;
	ScRowCallback callback;
	void	   *arg;
	MemoryContext row_context;
	uint64		count;
} EachReceiver;

NullableDatum
sc_text_arg(const char *s)
{
	if (s == NULL)
		return SC_NULL;
	return SC_DATUM(CStringGetTextDatum(s));
}

/* Open a scope in which sc_query() may be called. */
void
sc_query_begin(void)
{
	MemoryContext caller = CurrentMemoryContext;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	MemoryContextSwitchTo(caller);
}

/* Close it; frees the rows that were read in it. */
void
sc_query_end(void)
{
	MemoryContext caller = CurrentMemoryContext;

	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
	MemoryContextSwitchTo(caller);
}

/*
 * The first plan is made as if every table were large.  These statements look
 * for rows by key; planned while a table is still empty they would scan it, and
 * go on scanning while the exam fills it, until it is next analyzed.
 */
static void
plan_by_index(SPIPlanPtr plan)
{
	int			level = NewGUCNestLevel();
	CachedPlan *cached;

	(void) set_config_option("enable_seqscan", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	cached = SPI_plan_get_cached_plan(plan);
	if (cached != NULL)
		ReleaseCachedPlan(cached, CurrentResourceOwner);
	AtEOXact_GUC(true, level);
}

/* Prepare q unless that has been done.  A plan is kept only when complete. */
static void
prepare(ScQuery *q)
{
	SPIPlanPtr	plan;
	int			nargs = 0;

	if (q->plan != NULL)
		return;
	while (nargs < SC_QUERY_MAX_ARGS && OidIsValid(q->types[nargs]))
		nargs++;

	plan = SPI_prepare_cursor(q->sql, nargs, q->types, CURSOR_OPT_GENERIC_PLAN);
	if (plan == NULL)
		elog(ERROR, "could not prepare \"%s\": %s", q->sql, SPI_result_code_string(SPI_result));
	if (SPI_keepplan(plan) != 0)
		elog(ERROR, "could not keep the plan of \"%s\"", q->sql);
	plan_by_index(plan);
	q->nargs = nargs;
	q->plan = plan;
}

static ParamListInfo
bind_params(const ScQuery *q, const NullableDatum *args, int nargs)
{
	ParamListInfo params;

	if (nargs != q->nargs)
		elog(ERROR, "statement takes %d arguments, got %d: %s", q->nargs, nargs, q->sql);
	if (nargs == 0)
		return NULL;

	params = makeParamList(nargs);
	for (int i = 0; i < nargs; i++)
	{
		ParamExternData *p = &params->params[i];

		p->value = args[i].value;
		p->isnull = args[i].isnull;
		p->pflags = PARAM_FLAG_CONST;
		p->ptype = q->types[i];
	}
	return params;
}

/* Run q, rows to dest or, where that is NULL, into SPI's own table. */
static int
execute(ScQuery *q, DestReceiver *dest, const NullableDatum *args, int nargs)
{
	MemoryContext caller = CurrentMemoryContext;
	SPIExecuteOptions options = {0};
	int			rc;

	prepare(q);
	MemoryContextSwitchTo(caller);
	options.params = bind_params(q, args, nargs);
	options.read_only = q->read_only;
	options.dest = dest;
	rc = SPI_execute_plan_extended(q->plan, &options);
	MemoryContextSwitchTo(caller);
	if (rc < 0)
		elog(ERROR, "could not run \"%s\": %s", q->sql, SPI_result_code_string(rc));
	return rc;
}

/* Run a statement.  The rows live until sc_query_end(). */
ScRows
sc_query_array(ScQuery *q, const NullableDatum *args, int nargs)
{
	ScRows		rows = {0};

	execute(q, NULL, args, nargs);
	rows.count = SPI_processed;
	if (SPI_tuptable != NULL)
	{
		rows.desc = SPI_tuptable->tupdesc;
		rows.tuples = SPI_tuptable->vals;
	}
	return rows;
}

static bool
each_receive(TupleTableSlot *slot, DestReceiver *self)
{
	EachReceiver *each = (EachReceiver *) self;
	MemoryContext caller = MemoryContextSwitchTo(each->row_context);

	each->callback(slot, each->arg);
	each->count++;
	MemoryContextSwitchTo(caller);
	MemoryContextReset(each->row_context);
	return true;
}

static void
each_startup(DestReceiver *self, int operation, TupleDesc desc)
{
}

static void
each_done(DestReceiver *self)
{
}

uint64
sc_query_each_array(ScQuery *q, ScRowCallback callback, void *arg,
					const NullableDatum *args, int nargs)
{
	EachReceiver each = {
		.pub = {
			.receiveSlot = each_receive,
			.rStartup = each_startup,
			.rShutdown = each_done,
			.rDestroy = each_done,
			.mydest = DestNone,
		},
		.callback = callback,
		.arg = arg,
		.row_context = AllocSetContextCreate(CurrentMemoryContext, "sc row", ALLOCSET_DEFAULT_SIZES),
	};

	execute(q, &each.pub, args, nargs);
	MemoryContextDelete(each.row_context);
	return each.count;
}

const char *
sc_cursor_open(const char *sql, int nargs, Oid *types, Datum *values, const bool *nulls)
{
	MemoryContext caller = CurrentMemoryContext;
	char	   *marks = palloc(nargs + 1);
	char	   *name;
	Portal		portal;

	for (int i = 0; i < nargs; i++)
		marks[i] = nulls[i] ? 'n' : ' ';
	sc_query_begin();
	portal = SPI_cursor_open_with_args(NULL, sql, nargs, types, values, marks, true, CURSOR_OPT_NO_SCROLL);
	if (portal == NULL)
		elog(ERROR, "could not open a cursor for \"%s\": %s", sql, SPI_result_code_string(SPI_result));
	MemoryContextSwitchTo(caller);
	name = pstrdup(portal->name);
	sc_query_end();
	return name;
}

static Portal
find_cursor(const char *name)
{
	Portal		portal = SPI_cursor_find(name);

	if (portal == NULL)
		elog(ERROR, "cursor \"%s\" is gone", name);
	return portal;
}

ScRows
sc_cursor_fetch(const char *name, long n)
{
	MemoryContext caller = CurrentMemoryContext;
	ScRows		rows;

	SPI_cursor_fetch(find_cursor(name), true, n);
	rows = (ScRows) {.count = SPI_processed, .desc = SPI_tuptable->tupdesc, .tuples = SPI_tuptable->vals};
	MemoryContextSwitchTo(caller);
	return rows;
}

void
sc_cursor_close(const char *name)
{
	MemoryContext caller = CurrentMemoryContext;

	SPI_cursor_close(find_cursor(name));
	MemoryContextSwitchTo(caller);
}

Datum
sc_get_datum(const ScRows *rows, uint64 row, int col, bool *isnull)
{
	if (row >= rows->count || rows->tuples == NULL || col < 1 || col > rows->desc->natts)
		elog(ERROR, "no row " UINT64_FORMAT ", column %d in a result", row, col);
	return heap_getattr(rows->tuples[row], col, rows->desc, isnull);
}

bool
sc_isnull(const ScRows *rows, uint64 row, int col)
{
	bool		isnull;

	(void) sc_get_datum(rows, row, col, &isnull);
	return isnull;
}

/* Value of a column that must have this type and must not be NULL. */
static Datum
get_typed(const ScRows *rows, uint64 row, int col, Oid type)
{
	bool		isnull;
	Datum		value = sc_get_datum(rows, row, col, &isnull);

	if (TupleDescAttr(rows->desc, col - 1)->atttypid != type)
		elog(ERROR, "column %d has type %u, read as %u",
			 col, TupleDescAttr(rows->desc, col - 1)->atttypid, type);
	if (isnull)
		elog(ERROR, "column %d is unexpectedly NULL", col);
	return value;
}

bool
sc_get_bool(const ScRows *rows, uint64 row, int col)
{
	return DatumGetBool(get_typed(rows, row, col, BOOLOID));
}

int16
sc_get_int2(const ScRows *rows, uint64 row, int col)
{
	return DatumGetInt16(get_typed(rows, row, col, INT2OID));
}

int32
sc_get_int4(const ScRows *rows, uint64 row, int col)
{
	return DatumGetInt32(get_typed(rows, row, col, INT4OID));
}

int64
sc_get_int8(const ScRows *rows, uint64 row, int col)
{
	return DatumGetInt64(get_typed(rows, row, col, INT8OID));
}

double
sc_get_float8(const ScRows *rows, uint64 row, int col)
{
	return DatumGetFloat8(get_typed(rows, row, col, FLOAT8OID));
}

TimestampTz
sc_get_timestamptz(const ScRows *rows, uint64 row, int col)
{
	return DatumGetTimestampTz(get_typed(rows, row, col, TIMESTAMPTZOID));
}

char *
sc_get_text(const ScRows *rows, uint64 row, int col)
{
	bool		isnull;
	Datum		value = sc_get_datum(rows, row, col, &isnull);
	Oid			type = TupleDescAttr(rows->desc, col - 1)->atttypid;
	Oid			output;
	bool		is_varlena;

	if (isnull)
		return NULL;
	if (type == TEXTOID || type == VARCHAROID)
		return TextDatumGetCString(value);
	getTypeOutputInfo(type, &output, &is_varlena);
	return OidOutputFunctionCall(output, value);
}

Datum
sc_get_copy(const ScRows *rows, uint64 row, int col, bool *isnull)
{
	Datum		value = sc_get_datum(rows, row, col, isnull);
	Form_pg_attribute att = TupleDescAttr(rows->desc, col - 1);

	return *isnull ? (Datum) 0 : datumCopy(value, att->attbyval, att->attlen);
}

Datum
sc_result(FunctionCallInfo fcinfo, int n, const Datum *values, const bool *nulls)
{
	TupleDesc	desc = lookup_rowtype_tupdesc(get_func_rettype(fcinfo->flinfo->fn_oid), -1);
	Datum		result;

	if (desc->natts != n)
		elog(ERROR, "the result has %d columns, not %d", desc->natts, n);
	result = HeapTupleGetDatum(heap_form_tuple(desc, unconstify(Datum *, values), unconstify(bool *, nulls)));
	ReleaseTupleDesc(desc);
	return result;
}
