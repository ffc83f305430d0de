/*
 * dispatch_stream.c
 *		Exports: texts that are handed out while they are being made.
 *
 * The handler runs in a cursor, opened and moved to its first row in the
 * subtransaction of the request: until there it may refuse, and that is an
 * answer like any other.  The cursor outlives the subtransaction; its other
 * rows are fetched with nothing around them, and an error there surfaces, since
 * the answer has begun.
 *
 * Rows go out a piece at a time, many lines to a piece: a row costs the wire
 * and the client more than a line costs us.  What is held is one piece, and
 * what the handler holds itself: a query (a handler in LANGUAGE sql) or a
 * function in C makes its rows as they are fetched, one in plpgsql makes all of
 * them first, in a tuplestore that goes to disk beyond work_mem.
 *
 * No scope of table.c is open around a fetch: what the handler pins belongs to
 * the cursor.
 */
#include "postgres.h"

#include "funcapi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "extension/dispatch.h"
#include "extension/query.h"

/* A piece is sent when it has become this long, */
#define PIECE_BYTES (32 * 1024)
/* and so many rows are fetched at once at most. */
#define STEP_MAX 512

struct Pieces
{
	const char *cursor;			/* NULL: all rows have been fetched */
	long		step;			/* rows to fetch next time */
	bool		any;			/* a row was not NULL */
	StringInfoData text;		/* what was fetched and not handed out */
};

/* Fetch some rows. */
static void
fetch(Pieces *p)
{
	int			before = p->text.len;
	ScRows		rows;

	sc_query_begin();
	rows = sc_cursor_fetch(p->cursor, p->step);
	for (uint64 i = 0; i < rows.count; i++)
	{
		bool		isnull;
		Datum		value = sc_get_datum(&rows, i, 1, &isnull);
		text	   *line;

		if (isnull)
			continue;
		p->any = true;
		line = DatumGetTextPP(value);
		appendBinaryStringInfo(&p->text, VARDATA_ANY(line), VARSIZE_ANY_EXHDR(line));
		if (line != (text *) DatumGetPointer(value))
			pfree(line);
	}
	sc_query_end();
	if (rows.count < p->step)
	{
		sc_cursor_close(p->cursor);
		p->cursor = NULL;
	}
	/* short lines by the hundred, long ones by the piece */
	else if (p->text.len - before > PIECE_BYTES)
		p->step = Max(p->step / 2, 1);
	else if (p->text.len - before < PIECE_BYTES / 4)
		p->step = Min(p->step * 2, STEP_MAX);
}

/*
 * A handler in SQL is called in FROM, where its query takes its place; as a
 * function it would begin anew when its subtransaction has ended.  Others are
 * called in the select list: in FROM all their rows would be stored first.
 */
static const char *
handler_sql(const Route *route)
{
	Oid			oid = route->handler.fn_oid;
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, route->inlinable ? "SELECT line FROM %s(" : "SELECT %s(",
					 quote_qualified_identifier(get_namespace_name(get_func_namespace(oid)), get_func_name(oid)));
	for (int i = 0; i < route->nparams; i++)
		appendStringInfo(&sql, i > 0 ? ", $%d" : "$%d", i + 1);
	appendStringInfoString(&sql, route->inlinable ? ") AS s(line)" : ")");
	return sql.data;
}

/* Let the handler begin.  It may still refuse. */
void
dispatch_begin_pieces(Call *call)
{
	Route	   *route = call->route;
	Oid		   *types = palloc(Max(route->nparams, 1) * sizeof(Oid));
	Pieces	   *p = call->pieces;

	if (!route->read_only || (route->result != RESULT_TEXT && route->result != RESULT_TEXTS))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("route %d is no export", route->id)));
	if (!dispatch_is_callable(call))
		return;
	for (int i = 0; i < route->nparams; i++)
		types[i] = route->params[i].type;
	p->step = 1;
	p->cursor = sc_cursor_open(handler_sql(route), route->nparams, types, call->values, call->nulls);
	initStringInfo(&p->text);
	fetch(p);

	if (call->said_code != NULL)
		call->problem = (ScProblem) {.status = call->said_status, .code = call->said_code, .params = call->said_params,};
	else if (call->field_errors != NIL)
		dispatch_fail(call, 422, "invalid_fields", NULL);
	else if (route->result == RESULT_TEXT && !p->any)
		dispatch_fail(call, 404, "not_found", NULL);
	else
		call->status = route->status != 0 ? route->status : 200;
}

static void
fill(Call *call)
{
	Pieces	   *p = call->pieces;

	while (p->cursor != NULL && p->text.len < PIECE_BYTES)
		fetch(p);
}

/* dispatch_stream: dispatch's row without a body, then the body piece by piece. */
PG_FUNCTION_INFO_V1(sc_api_dispatch_stream);
PGDLLEXPORT Datum
sc_api_dispatch_stream(PG_FUNCTION_ARGS)
{
	FuncCallContext *srf;
	Datum		values[DISPATCH_COLUMNS] = {0};
	bool		nulls[DISPATCH_COLUMNS];
	Call	   *call;
	Pieces	   *p;

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext caller;
		Input	   *in;

		srf = SRF_FIRSTCALL_INIT();
		caller = MemoryContextSwitchTo(srf->multi_call_memory_ctx);
		in = palloc0(sizeof(Input));
		dispatch_take_input(fcinfo, in);
		call = dispatch_new_call(in);
		call->pieces = palloc0(sizeof(Pieces));
		dispatch_serve_call(call, PG_ARGISNULL(0) ? 0 : PG_GETARG_INT32(0), values, nulls);

		/*
		 * a refusal has no pieces; a route may be gone when the next is asked
		 * for
		 */
		srf->user_fctx = call->problem.status == 0 ? call : NULL;
		call->route = NULL;
		srf->tuple_desc = dispatch_answer_desc(fcinfo);
		MemoryContextSwitchTo(caller);
		SRF_RETURN_NEXT(srf, HeapTupleGetDatum(heap_form_tuple(srf->tuple_desc, values, nulls)));
	}

	srf = SRF_PERCALL_SETUP();
	call = srf->user_fctx;
	if (call == NULL)
		SRF_RETURN_DONE(srf);
	p = call->pieces;
	dispatch_go_on(call, fill);
	if (p->text.len == 0)
		SRF_RETURN_DONE(srf);
	memset(nulls, true, sizeof(nulls));
	values[OUT_BODY] = PointerGetDatum(cstring_to_text_with_len(p->text.data, p->text.len));
	nulls[OUT_BODY] = false;
	resetStringInfo(&p->text);
	SRF_RETURN_NEXT(srf, HeapTupleGetDatum(heap_form_tuple(srf->tuple_desc, values, nulls)));
}
