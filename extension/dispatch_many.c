/*
 * dispatch_many.c
 *		Many requests of one route with one commit.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type_d.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/tuplestore.h"

#include "extension/dispatch.h"
#include "extension/table.h"

/* A row of dispatch_many, with what it is sorted by. */
typedef struct ManyRow
{
	int			n;
	int64		lock_value;
	Input		in;
} ManyRow;

/* How many batches go row by row after one that failed as a whole. */
#define WARY_BATCHES 8

/* One column of the batch; every array must have as many elements. */
static Datum *
batch_column(FunctionCallInfo fcinfo, int arg, Oid type, int16 len, bool byval, char align,
			 int *n, bool **nulls)
{
	Datum	   *values;
	int			count;

	if (PG_ARGISNULL(arg))
	{
		values = palloc0(Max(*n, 1) * sizeof(Datum));
		*nulls = palloc(Max(*n, 1) * sizeof(bool));
		memset(*nulls, true, Max(*n, 1));
		return values;
	}
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(arg), type, len, byval, align, &values, nulls, &count);
	if (*n < 0)
		*n = count;
	if (count != *n)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("arrays of a batch must have the same length")));
	return values;
}

/* Path of a batch's row: a value in each line.  No value has a line end in it. */
static void
path_of_lines(Input *in, char *lines)
{
	int			n = 1;

	for (const char *p = lines; *p != '\0'; p++)
		n += *p == '\n';
	in->path = palloc(n * sizeof(char *));
	for (char *line; (line = strsep(&lines, "\n")) != NULL;)
		in->path[in->npath++] = line;
}

/* What the route's lock key is in a request; 0 where it cannot be told. */
static int64
lock_value(const Route *route, const Input *in)
{
	ScJsonDoc	doc;

	for (int i = 0; route->lock_key != NULL && i < route->nparams; i++)
	{
		const Parameter *param = &route->params[i];

		if (strcmp(param->name, route->lock_key) != 0)
			continue;
		if (param->source == FROM_PATH && param->path_index < in->npath)
			return strtoll(in->path[param->path_index], NULL, 10);
		if (param->source == FROM_BODY && in->body != NULL && sc_json_parse(&doc, in->body, in->body_len))
			for (int j = 0; j < doc.count; j++)
				if (doc.items[j].name != NULL && doc.items[j].text !=NULL &&
					strcmp(doc.items[j].name, param->name) == 0)
					return strtoll(doc.items[j].text, NULL, 10);
	}
	return 0;
}

static int
compare_many(const void *a, const void *b)
{
	const ManyRow *x = a;
	const ManyRow *y = b;

	if (x->lock_value != y->lock_value)
		return x->lock_value < y->lock_value ? -1 : 1;
	if (x->in.actor != y->in.actor)
		return x->in.actor < y->in.actor ? -1 : 1;
	return x->n - y->n;
}

static ManyRow *
read_batch(FunctionCallInfo fcinfo, int *n)
{
	bool	   *nulls[7];
	Datum	   *columns[7];
	ManyRow    *rows;

	*n = -1;
	columns[0] = batch_column(fcinfo, 1, INT8OID, 8, true, TYPALIGN_DOUBLE, n, &nulls[0]);
	if (*n < 0)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("actors of a batch must not be null")));
	columns[1] = batch_column(fcinfo, 2, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR, n, &nulls[1]);
	columns[2] = batch_column(fcinfo, 3, INT8OID, 8, true, TYPALIGN_DOUBLE, n, &nulls[2]);
	for (int i = 3; i < 7; i++)
		columns[i] = batch_column(fcinfo, i + 1, TEXTOID, -1, false, TYPALIGN_INT, n, &nulls[i]);

	rows = palloc0(Max(*n, 1) * sizeof(ManyRow));
	for (int i = 0; i < *n; i++)
	{
		Input	   *in = &rows[i].in;

		rows[i].n = i + 1;
		in->anonymous = nulls[0][i];
		in->actor = in->anonymous ? 0 : DatumGetInt64(columns[0][i]);
		in->jti = nulls[1][i] ? NULL : DatumGetUUIDP(columns[1][i]);
		in->iat_ms = nulls[2][i] ? 0 : DatumGetInt64(columns[2][i]);
		if (!nulls[3][i])
			path_of_lines(in, TextDatumGetCString(columns[3][i]));
		in->query = nulls[4][i] ? NULL : TextDatumGetCString(columns[4][i]);
		in->body = nulls[5][i] ? NULL : TextDatumGetCString(columns[5][i]);
		in->body_len = in->body != NULL ? strlen(in->body) : 0;
		in->ctx = nulls[6][i] ? NULL : TextDatumGetCString(columns[6][i]);
	}
	return rows;
}

/* The answer to a row of a batch. */
static void
put_answer(ReturnSetInfo *rsinfo, int n, const Datum *answer, const bool *answer_nulls)
{
	Datum		values[1 + DISPATCH_COLUMNS];
	bool		nulls[1 + DISPATCH_COLUMNS] = {false};

	values[0] = Int32GetDatum(n);
	memcpy(values + 1, answer, DISPATCH_COLUMNS * sizeof(Datum));
	memcpy(nulls + 1, answer_nulls, DISPATCH_COLUMNS * sizeof(bool));
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* The rows of a batch, one after the other, each in a subtransaction of its own. */
static void
serve_each(ReturnSetInfo *rsinfo, int route_id, ManyRow *rows, int n, MemoryContext row_mcxt)
{
	for (int i = 0; i < n; i++)
	{
		MemoryContext caller = MemoryContextSwitchTo(row_mcxt);
		Datum		answer[DISPATCH_COLUMNS];
		bool		nulls[DISPATCH_COLUMNS];

		CHECK_FOR_INTERRUPTS();
		(void) dispatch_serve(route_id, &rows[i].in, false, answer, nulls);
		MemoryContextSwitchTo(caller);
		put_answer(rsinfo, rows[i].n, answer, nulls);
		MemoryContextReset(row_mcxt);
	}
}

/*
 * The rows inside one subtransaction; false as soon as one of them would have
 * to be undone alone.  A request that was refused before it wrote anything
 * needs no undoing.
 */
static bool
run_together(ReturnSetInfo *rsinfo, int route_id, ManyRow *rows, int n, MemoryContext row_mcxt)
{
	bool		well = true;
	bool		read_only = false;

	sc_scope_begin();
	for (int i = 0; i < n && well; i++)
	{
		MemoryContext caller = MemoryContextSwitchTo(row_mcxt);
		Call	   *call = dispatch_new_call(&rows[i].in);
		CommandId	before;
		int			mark = sc_touch_mark();
		Datum		answer[DISPATCH_COLUMNS];
		bool		nulls[DISPATCH_COLUMNS];

		CHECK_FOR_INTERRUPTS();
		CommandCounterIncrement();
		before = GetCurrentCommandId(false);
		dispatch_in_batch(call, route_id);
		CommandCounterIncrement();
		read_only = call->route == NULL || call->route->read_only;
		/* the counter goes on only if rows were written */
		if (call->undo && GetCurrentCommandId(false) != before)
			well = false;
		else
			dispatch_give_answer(call, mark, answer, nulls);
		MemoryContextSwitchTo(caller);
		if (well)
			put_answer(rsinfo, rows[i].n, answer, nulls);
		MemoryContextReset(row_mcxt);
	}
	if (well)
	{
		sc_scope_end();
		if (!read_only)
			dispatch_check_deferred();
	}
	return well;
}

/*
 * Most batches have no row that fails, so all rows first share a
 * subtransaction, and with it opened tables, snapshots and transaction id.
 * False: nothing has been done, they must go each alone.
 */
static bool
serve_together(ReturnSetInfo *rsinfo, int route_id, ManyRow *rows, int n, MemoryContext row_mcxt)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	int			mark = sc_touch_mark();
	ErrorData  *volatile edata = NULL;
	volatile bool well = false;

	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		MemoryContextSwitchTo(caller);
		well = run_together(rsinfo, route_id, rows, n, row_mcxt);
		if (well)
			ReleaseCurrentSubTransaction();
		else
			RollbackAndReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		edata = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		well = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	CurrentResourceOwner = owner;
	dispatch_abandon();
	if (well)
		return true;

	/* out of time: the rows again, with their own, is the caller's business */
	if (edata != NULL && (edata->sqlerrcode == ERRCODE_QUERY_CANCELED || sc_classify(edata).status == 0))
		ReThrowError(edata);
	sc_touch_truncate(mark);
	tuplestore_clear(rsinfo->setResult);
	MemoryContextReset(row_mcxt);
	return false;
}

/*
 * Many requests of one route, one commit.  They run in the order of the lock
 * key, then of the user, so that two batches never lock crosswise; each answer
 * says by n (from 1) whose it is.
 *
 * After a batch that had to be served twice the next ones are not tried as a
 * whole: on a day when many requests are refused that would double the work.
 */
PG_FUNCTION_INFO_V1(sc_api_dispatch_many);
PGDLLEXPORT Datum
sc_api_dispatch_many(PG_FUNCTION_ARGS)
{
	static int	wary = 0;		/* batches still to be served row by row */
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	int			route_id = PG_ARGISNULL(0) ? 0 : PG_GETARG_INT32(0);
	MemoryContext row_mcxt;
	ManyRow    *rows;
	Route	   *route;
	bool		nested = dispatch_is_nested();
	int			n;

	InitMaterializedSRF(fcinfo, 0);
	rows = read_batch(fcinfo, &n);
	if (!nested)
		dispatch_forget_routes();
	route = dispatch_route(route_id);
	if (route != NULL && !route->read_only)
	{
		for (int i = 0; i < n; i++)
			rows[i].lock_value = lock_value(route, &rows[i].in);
		qsort(rows, n, sizeof(ManyRow), compare_many);
	}

	row_mcxt = AllocSetContextCreate(CurrentMemoryContext, "sc batch row", ALLOCSET_DEFAULT_SIZES);
	if (wary > 0)
		wary--;
	else if (n > 1 && !nested && !RecoveryInProgress())
	{
		if (serve_together(rsinfo, route_id, rows, n, row_mcxt))
			return (Datum) 0;
		wary = WARY_BATCHES;
	}
	serve_each(rsinfo, route_id, rows, n, row_mcxt);
	return (Datum) 0;
}
