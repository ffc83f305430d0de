/*
 * dispatch.c
 *		One request: from the shim's call to the answer.
 *
 * dispatch() finds the route, lets the user in, binds the parameters, runs the
 * handler and serialises its result, all inside one internal subtransaction, so
 * that whatever goes wrong is given back as data and the requests that share
 * the transaction go on.  Only what nobody can answer for (cancellation,
 * shut-down, resources, corruption) surfaces as an ERROR.
 *
 * The order in which an error is caught is fixed, or the session is wedged: to
 * the request's context, copy the error, flush it, roll the subtransaction
 * back, restore context and resource owner; only then think.
 *
 * On a standby there is no subtransaction (it would turn a recovery conflict
 * into the loss of the connection), so there every error surfaces; the shim
 * asks the primary about all that is no success.
 *
 * A read route runs with XactReadOnly set, because STABLE promises nothing.  A
 * write route gets a snapshot of its own, so that it sees what the requests
 * before it in the same transaction did, and its deferred constraints are
 * checked before it is answered.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type_d.h"
#include "commands/trigger.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#include "extension/dispatch.h"
#include "extension/table.h"

static Call *in_hand = NULL;

/* The request has failed: nothing of it stays. */
void
dispatch_fail(Call *call, int status, const char *code, const char *params)
{
	call->problem = (ScProblem) {.status = status, .code = code, .params = params, .fields = call->field_errors};
	call->headers = NIL;
	call->undo = true;
}

/*
 * A text member of ctx.  Few requests need one, so it is parsed for the first
 * that asks.
 */
const char *
dispatch_ctx(Call *call, const char *name)
{
	ScJsonDoc  *doc = call->ctx;

	if (doc == NULL)
	{
		MemoryContext caller;

		if (call->in->ctx == NULL || strstr(call->in->ctx, name) == NULL)
			return NULL;
		caller = MemoryContextSwitchTo(call->mcxt);
		doc = call->ctx = palloc(sizeof(ScJsonDoc));
		if (!sc_json_parse(doc, call->in->ctx, strlen(call->in->ctx)) || doc->kind != SC_JSON_OBJECT)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("ctx must be a JSON object")));
		MemoryContextSwitchTo(caller);
	}
	for (int i = 0; i < doc->count; i++)
		if (doc->items[i].kind == SC_JSON_STRING && strcmp(doc->items[i].name, name) == 0)
			return doc->items[i].text;
	return NULL;
}

const char *
sc_ctx(const char *name)
{
	return in_hand != NULL ? dispatch_ctx(in_hand, name) : NULL;
}

bool
sc_call_collect(const char *field, const char *code, const char *params)
{
	MemoryContext caller;

	if (in_hand == NULL)
		return false;
	caller = MemoryContextSwitchTo(in_hand->mcxt);
	in_hand->field_errors = lappend(in_hand->field_errors, sc_field_error(field, code, params));
	MemoryContextSwitchTo(caller);
	return true;
}

bool
sc_call_collected(void)
{
	return in_hand != NULL && in_hand->field_errors != NIL;
}

/* Everything between the beginning and the end of the subtransaction. */
static void
work(Call *call)
{
	if (!dispatch_authenticate(call) || call->admit_only)
		return;
	if (!dispatch_take_upload(call))
		return;
	if (!dispatch_bind(call) || call->pieces != NULL)
		return;
	if (!dispatch_precondition(call))
		return;
	if (call->route->idempotency && !dispatch_replay(call))
		return;
	dispatch_run_handler(call);
	if (call->route->idempotency && !call->undo)
		dispatch_remember(call);
}

/*
 * Check deferred constraints now, while their violation can still be given back
 * as data.  They are deferred again afterwards: the setting would outlive the
 * request, and the next one in this transaction may need to defer.
 */
void
dispatch_check_deferred(void)
{
	ConstraintsSetStmt set = {.type = T_ConstraintsSetStmt, .constraints = NIL, .deferred = false};

	AfterTriggerSetState(&set);
	set.deferred = true;
	AfterTriggerSetState(&set);
}

static void
work_in_place(Call *call, int route_id)
{
	bool		fresh_snapshot;

	call->route = dispatch_route(route_id);
	if (call->route == NULL)
	{
		dispatch_fail(call, 404, "route_reload", NULL);
		return;
	}
	if (call->route->read_only)
		XactReadOnly = true;	/* until the subtransaction ends; a standby is
								 * so anyway */
	fresh_snapshot = !call->route->read_only && !RecoveryInProgress();
	if (fresh_snapshot)
	{
		CommandCounterIncrement();
		PushActiveSnapshot(GetTransactionSnapshot());
	}
	sc_scope_begin();
	work(call);
	sc_scope_end();
	if (call->pieces != NULL && call->problem.status == 0)
		dispatch_begin_pieces(call);
	if (fresh_snapshot)
	{
		if (!call->undo && !call->in_batch)
			dispatch_check_deferred();
		PopActiveSnapshot();
	}
}

/*
 * An error of the request: note what it becomes.  True: bind once more.  Throws
 * what is not ours to answer.
 */
static bool
handle_error(Call *call, int route_id, ErrorData *edata)
{
	if (call->binding >= 0 && ERRCODE_TO_CATEGORY(edata->sqlerrcode) == ERRCODE_DATA_EXCEPTION)
	{
		call->unfit = bms_add_member(call->unfit, call->binding);
		call->binding = -1;
		return true;
	}

	/* a read that ran out of time must not take its neighbours with it */
	if (edata->sqlerrcode == ERRCODE_QUERY_CANCELED && call->route != NULL && call->route->read_only)
		call->problem = (ScProblem) {.status = 504, .code = "timeout"};
	else
		call->problem = sc_classify(edata);
	if (call->problem.status == 0)
		ReThrowError(edata);
	if (call->problem.fields == NIL && call->problem.status == 422 &&
		strcmp(call->problem.code, "invalid_fields") == 0)
		call->problem.fields = call->field_errors;
	call->headers = NIL;
	if (call->problem.status == 503)
		dispatch_add_header(call, "Retry-After", "1");
	if (call->problem.status == 500)
	{
		const char *request_id = dispatch_ctx(call, "request_id");

		ereport(LOG,
				(errcode(edata->sqlerrcode),
				 errmsg("request %s failed in route %d: %s",
						request_id != NULL ? request_id : "-", route_id,
						edata->message != NULL ? edata->message : "no message"),
				 edata->detail != NULL ? errdetail_internal("%s", edata->detail) : 0,
				 edata->context != NULL ? errcontext("%s", edata->context) : 0));
	}
	call->undo = true;
	return false;
}

/*
 * Serve a request of a batch, in the batch's subtransaction.  Errors surface;
 * the batch then calls dispatch_abandon().
 */
void
dispatch_in_batch(Call *call, int route_id)
{
	call->in_batch = true;
	in_hand = call;
	work_in_place(call, route_id);
	in_hand = NULL;
}

void
dispatch_abandon(void)
{
	in_hand = NULL;
}

/* Is a handler running? */
bool
dispatch_is_nested(void)
{
	return in_hand != NULL;
}

/* One attempt in a subtransaction.  True: bind once more. */
static bool
attempt(Call *call, int route_id)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	Call	   *outer = in_hand;
	ErrorData  *volatile edata = NULL;

	in_hand = call;
	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		MemoryContextSwitchTo(call->mcxt);
		work_in_place(call, route_id);
		if (call->undo)
			RollbackAndReleaseCurrentSubTransaction();
		else
			ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(call->mcxt);
		edata = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(call->mcxt);
	CurrentResourceOwner = owner;
	in_hand = outer;
	if (edata != NULL && handle_error(call, route_id, edata))
	{
		MemoryContextSwitchTo(caller);
		return true;
	}
	MemoryContextSwitchTo(caller);
	return false;
}

/* On a standby: errors surface. */
static void
attempt_on_standby(Call *call, int route_id)
{
	MemoryContext caller = MemoryContextSwitchTo(call->mcxt);
	Call	   *outer = in_hand;

	PG_TRY();
	{
		in_hand = call;
		work_in_place(call, route_id);
	}
	PG_FINALLY();
	{
		in_hand = outer;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
}

/* The headers that handler and dispatch set, as jsonb. */
static Datum
headers_jsonb(Call *call, bool *isnull)
{
	StringInfoData out;
	ListCell   *cell;

	*isnull = call->headers == NIL && !call->no_store;
	if (*isnull)
		return (Datum) 0;
	initStringInfo(&out);
	appendStringInfoChar(&out, '{');
	foreach(cell, call->headers)
	{
		Header	   *header = lfirst(cell);

		if (out.len > 1)
			appendStringInfoChar(&out, ',');
		sc_json_cstring(&out, header->name);
		appendStringInfoChar(&out, ':');
		sc_json_cstring(&out, header->value);
	}
	if (call->no_store)
		appendStringInfoString(&out, out.len > 1 ? ",\"X-No-Store\":\"1\"" : "\"X-No-Store\":\"1\"");
	appendStringInfoChar(&out, '}');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(out.data));
}

static Datum
events_jsonb(Call *call, bool *isnull)
{
	StringInfoData out;
	ListCell   *cell;

	*isnull = call->events == NIL;
	if (*isnull)
		return (Datum) 0;
	initStringInfo(&out);
	foreach(cell, call->events)
	{
		appendStringInfoChar(&out, foreach_current_index(cell) > 0 ? ',' : '[');
		appendStringInfoString(&out, lfirst(cell));
	}
	appendStringInfoChar(&out, ']');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(out.data));
}

/*
 * The answer as dispatch's columns, in the caller's context.  mark: where the
 * list of touched keys stood when the request began.
 */
void
dispatch_give_answer(Call *call, int mark, Datum *values, bool *nulls)
{
	memset(nulls, true, DISPATCH_COLUMNS * sizeof(bool));
	if (call->undo)
	{
		sc_touch_truncate(mark);
		call->events = NIL;
	}
	if (call->problem.status != 0)
	{
		call->status = call->problem.status;
		call->body = sc_problem_document(&call->problem, dispatch_ctx(call, "lang"),
										 dispatch_ctx(call, "request_id"));
		call->body_len = strlen(call->body);
	}
	values[OUT_STATUS] = Int32GetDatum(call->status);
	nulls[OUT_STATUS] = false;
	if (call->body != NULL)
	{
		values[OUT_BODY] = PointerGetDatum(cstring_to_text_with_len(call->body, call->body_len));
		nulls[OUT_BODY] = false;
	}
	values[OUT_HEADERS] = headers_jsonb(call, &nulls[OUT_HEADERS]);
	values[OUT_EVENTS] = events_jsonb(call, &nulls[OUT_EVENTS]);
	values[OUT_TOUCHED] = sc_touch_since(mark, &nulls[OUT_TOUCHED]);
	if (!nulls[OUT_TOUCHED])
	{
		const char *touch = dispatch_ctx(call, "touch");

		/* whoever acknowledges applies them; else they go out by NOTIFY */
		if (touch != NULL && strcmp(touch, "ack") == 0)
			sc_touch_truncate(mark);
	}
}

Call *
dispatch_new_call(Input *in)
{
	Call	   *call = palloc0(sizeof(Call));

	call->in = in;
	call->mcxt = CurrentMemoryContext;
	call->binding = -1;
	call->total = -1;
	return call;
}

/* Serve one request; the answer's values are in the caller's context. */
void
dispatch_serve_call(Call *call, int route_id, Datum *values, bool *nulls)
{
	int			mark = sc_touch_mark();

	if (in_hand == NULL)
		dispatch_forget_routes();
	if (RecoveryInProgress())
		attempt_on_standby(call, route_id);
	else
		while (attempt(call, route_id))
			CHECK_FOR_INTERRUPTS();
	dispatch_give_answer(call, mark, values, nulls);
}

/*
 * The same for an input.  With admit_only the handler is not run.  Gives the
 * route, NULL if there is none.
 */
Route *
dispatch_serve(int route_id, Input *in, bool admit_only, Datum *values, bool *nulls)
{
	Call	   *call = dispatch_new_call(in);

	call->admit_only = admit_only;
	dispatch_serve_call(call, route_id, values, nulls);
	return call->route;
}

/* A later part of a read that was served so far: errors surface. */
void
dispatch_go_on(Call *call, void (*part) (Call *call))
{
	Call	   *outer = in_hand;
	bool		read_only = XactReadOnly;

	in_hand = call;
	XactReadOnly = true;
	PG_TRY();
	{
		part(call);
	}
	PG_FINALLY();
	{
		in_hand = outer;
		XactReadOnly = read_only;
	}
	PG_END_TRY();
}

static const char **
path_of_array(ArrayType *array, int *n)
{
	Datum	   *values;
	bool	   *nulls;
	const char **path;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, n);
	path = palloc(Max(*n, 1) * sizeof(char *));
	for (int i = 0; i < *n; i++)
		path[i] = nulls[i] ? "" : TextDatumGetCString(values[i]);
	return path;
}

/*
 * The row type of dispatch's result, looked up once: to build it for each call
 * would cost a twentieth of the call.
 */
TupleDesc
dispatch_answer_desc(FunctionCallInfo fcinfo)
{
	static TupleDesc desc = NULL;
	MemoryContext caller;
	TupleDesc	found;

	if (desc != NULL)
		return desc;
	if (get_call_result_type(fcinfo, NULL, &found) != TYPEFUNC_COMPOSITE || found->natts != DISPATCH_COLUMNS)
		elog(ERROR, "dispatch called where no row is expected");
	caller = MemoryContextSwitchTo(TopMemoryContext);
	desc = BlessTupleDesc(CreateTupleDescCopy(found));
	MemoryContextSwitchTo(caller);
	return desc;
}

/* dispatch's arguments but the first. */
void
dispatch_take_input(FunctionCallInfo fcinfo, Input *in)
{
	in->anonymous = PG_ARGISNULL(1);
	if (!in->anonymous)
		in->actor = PG_GETARG_INT64(1);
	if (!PG_ARGISNULL(2))
		in->jti = PG_GETARG_UUID_P(2);
	if (!PG_ARGISNULL(3))
		in->iat_ms = PG_GETARG_INT64(3);
	if (!PG_ARGISNULL(4))
		in->path = path_of_array(PG_GETARG_ARRAYTYPE_P(4), &in->npath);
	if (!PG_ARGISNULL(5))
		in->query = text_to_cstring(PG_GETARG_TEXT_PP(5));
	if (!PG_ARGISNULL(6))
	{
		text	   *body = PG_GETARG_TEXT_PP(6);

		in->body = text_to_cstring(body);
		in->body_len = VARSIZE_ANY_EXHDR(body);
	}
	if (!PG_ARGISNULL(7))
		in->ctx = text_to_cstring(PG_GETARG_TEXT_PP(7));
}

PG_FUNCTION_INFO_V1(sc_api_dispatch);
PGDLLEXPORT Datum
sc_api_dispatch(PG_FUNCTION_ARGS)
{
	Input		in = {0};
	Datum		values[DISPATCH_COLUMNS];
	bool		nulls[DISPATCH_COLUMNS];

	dispatch_take_input(fcinfo, &in);
	(void) dispatch_serve(PG_ARGISNULL(0) ? 0 : PG_GETARG_INT32(0), &in, false, values, nulls);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(dispatch_answer_desc(fcinfo), values, nulls)));
}

/* upload_begin: status, headers and body as dispatch gives them, and the id of an upload where the user may. */
PG_FUNCTION_INFO_V1(sc_api_upload_begin);
PGDLLEXPORT Datum
sc_api_upload_begin(PG_FUNCTION_ARGS)
{
	Input		in = {.anonymous = PG_ARGISNULL(1)};
	Datum		answer[DISPATCH_COLUMNS];
	bool		answer_nulls[DISPATCH_COLUMNS];
	Datum		values[4];
	bool		nulls[4];
	TupleDesc	desc;
	Route	   *route;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "upload_begin called where no row is expected");
	if (!in.anonymous)
		in.actor = PG_GETARG_INT64(1);
	if (!PG_ARGISNULL(2))
		in.jti = PG_GETARG_UUID_P(2);
	if (!PG_ARGISNULL(3))
		in.iat_ms = PG_GETARG_INT64(3);
	if (!PG_ARGISNULL(4))
		in.ctx = text_to_cstring(PG_GETARG_TEXT_PP(4));
	route = dispatch_serve(PG_ARGISNULL(0) ? 0 : PG_GETARG_INT32(0), &in, true, answer, answer_nulls);

	memcpy(values, answer, 3 * sizeof(Datum));
	memcpy(nulls, answer_nulls, 3 * sizeof(bool));
	values[3] = DirectFunctionCall1(gen_random_uuid, (Datum) 0);
	nulls[3] = !answer_nulls[OUT_BODY];
	if (!nulls[3])
	{
		values[0] = Int32GetDatum(200);
		dispatch_open_upload(DatumGetUUIDP(values[3]), route->max_body);
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* What handlers say beside their result */

PG_FUNCTION_INFO_V1(sc_api_total);
PGDLLEXPORT Datum
sc_api_total(PG_FUNCTION_ARGS)
{
	if (in_hand != NULL)
		in_hand->total = PG_GETARG_INT64(0);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(sc_api_header);
PGDLLEXPORT Datum
sc_api_header(PG_FUNCTION_ARGS)
{
	if (in_hand != NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(in_hand->mcxt);

		dispatch_add_header(in_hand, text_to_cstring(PG_GETARG_TEXT_PP(0)), text_to_cstring(PG_GETARG_TEXT_PP(1)));
		MemoryContextSwitchTo(caller);
	}
	PG_RETURN_VOID();
}

void
sc_call_no_store(void)
{
	if (in_hand != NULL)
		in_hand->no_store = true;
}

PG_FUNCTION_INFO_V1(sc_api_no_store);
PGDLLEXPORT Datum
sc_api_no_store(PG_FUNCTION_ARGS)
{
	sc_call_no_store();
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(sc_api_not_kept);
PGDLLEXPORT Datum
sc_api_not_kept(PG_FUNCTION_ARGS)
{
	if (in_hand != NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(in_hand->mcxt);

		in_hand->secrets = lappend(in_hand->secrets, text_to_cstring(PG_GETARG_TEXT_PP(0)));
		MemoryContextSwitchTo(caller);
	}
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(sc_api_answer);
PGDLLEXPORT Datum
sc_api_answer(PG_FUNCTION_ARGS)
{
	if (in_hand != NULL && !PG_ARGISNULL(0))
	{
		MemoryContext caller = MemoryContextSwitchTo(in_hand->mcxt);

		in_hand->said_status = PG_GETARG_INT32(0);
		in_hand->said_code = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
		in_hand->said_params = NULL;
		if (!PG_ARGISNULL(2))
		{
			Jsonb	   *params = PG_GETARG_JSONB_P(2);

			in_hand->said_params = JsonbToCString(NULL, &params->root, VARSIZE(params));
		}
		MemoryContextSwitchTo(caller);
	}
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(sc_api_event);
PGDLLEXPORT Datum
sc_api_event(PG_FUNCTION_ARGS)
{
	if (in_hand != NULL)
	{
		Jsonb	   *event = PG_GETARG_JSONB_P(0);
		MemoryContext caller = MemoryContextSwitchTo(in_hand->mcxt);

		in_hand->events = lappend(in_hand->events, JsonbToCString(NULL, &event->root, VARSIZE(event)));
		MemoryContextSwitchTo(caller);
	}
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(sc_api_ctx);
PGDLLEXPORT Datum
sc_api_ctx(PG_FUNCTION_ARGS)
{
	const char *value = sc_ctx(text_to_cstring(PG_GETARG_TEXT_PP(0)));

	if (value == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(value));
}
