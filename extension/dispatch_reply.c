/*
 * dispatch_reply.c
 *		Run a handler, make its result an answer.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type_d.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"
#include "utils/typcache.h"

#include "extension/dispatch.h"

/* A Link header longer than this would not fit beside the others. */
#define MAX_LINK 1500

/* Takes one row, or one value where desc is NULL, of a handler's set. */
typedef void (*RowSink) (void *arg, TupleDesc desc, Datum *values, bool *nulls);

typedef struct Rows
{
	StringInfo	out;
	bool		as_text;		/* rows are lines of text, appended as they
								 * are */
	int			count;
} Rows;

void
dispatch_add_header(Call *call, const char *name, const char *value)
{
	Header	   *header = palloc(sizeof(Header));

	/* a line break would let a value pose as a header of its own */
	if (strpbrk(name, "\r\n: ") != NULL || strpbrk(value, "\r\n") != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("not a header: \"%.60s\"", name)));
	header->name = pstrdup(name);
	header->value = pstrdup(value);
	call->headers = lappend(call->headers, header);
}

static void
add_row(Rows *rows, TupleDesc desc, Datum *values, bool *nulls)
{
	if (rows->as_text)
	{
		text	   *line = nulls[0] ? NULL : DatumGetTextPP(values[0]);

		if (line != NULL)
			appendBinaryStringInfo(rows->out, VARDATA_ANY(line), VARSIZE_ANY_EXHDR(line));
	}
	else
	{
		if (rows->count > 0)
			appendStringInfoChar(rows->out, ',');
		sc_json_row(rows->out, desc, values, nulls);
	}
	rows->count++;
}

/* A composite datum as values and nulls. */
static TupleDesc
deform(Datum value, Datum **values, bool **nulls)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(value);
	TupleDesc	desc = lookup_rowtype_tupdesc_copy(HeapTupleHeaderGetTypeId(header),
												   HeapTupleHeaderGetTypMod(header));
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(header), .t_data = header};

	*values = palloc(desc->natts * sizeof(Datum));
	*nulls = palloc(desc->natts * sizeof(bool));
	heap_deform_tuple(&tuple, desc, *values, *nulls);
	return desc;
}

static void
add_datum(Rows *rows, Datum value, bool isnull)
{
	Datum	   *values = &value;
	bool	   *nulls = &isnull;
	TupleDesc	desc = NULL;

	if (!rows->as_text)
	{
		if (isnull)
			return;
		desc = deform(value, &values, &nulls);
	}
	add_row(rows, desc, values, nulls);
}

/* Rows that the handler put into a tuplestore. */
static void
drain_store(Rows *rows, ReturnSetInfo *rsinfo)
{
	TupleTableSlot *slot;

	if (rsinfo->setResult == NULL)
		return;
	slot = MakeSingleTupleTableSlot(rsinfo->setDesc != NULL ? rsinfo->setDesc : rsinfo->expectedDesc,
									&TTSOpsMinimalTuple);
	while (tuplestore_gettupleslot(rsinfo->setResult, true, false, slot))
	{
		CHECK_FOR_INTERRUPTS();
		slot_getallattrs(slot);
		add_row(rows, rows->as_text ? NULL : rsinfo->expectedDesc, slot->tts_values, slot->tts_isnull);
	}
	ExecDropSingleTupleTableSlot(slot);
	tuplestore_end(rsinfo->setResult);
}

static void
prepare_call(Call *call, FunctionCallInfo fcinfo, FmgrInfo *flinfo, Node *resultinfo)
{
	InitFunctionCallInfoData(*fcinfo, flinfo, call->route->nparams, InvalidOid, NULL, resultinfo);
	for (int i = 0; i < call->route->nparams; i++)
	{
		fcinfo->args[i].value = call->values[i];
		fcinfo->args[i].isnull = call->nulls[i];
	}
}

/* Call a set-returning handler, both modes, and give every row to rows. */
static void
call_set(Call *call, Rows *rows)
{
	FunctionCallInfo fcinfo = palloc0(SizeForFunctionCallInfo(Max(call->route->nparams, 1)));
	FmgrInfo	flinfo;
	ReturnSetInfo rsinfo = {.type = T_ReturnSetInfo};
	EState	   *estate = CreateExecutorState();

	fmgr_info_copy(&flinfo, &call->route->handler, CurrentMemoryContext);
	flinfo.fn_extra = NULL;
	rsinfo.econtext = CreateExprContext(estate);
	rsinfo.allowedModes = SFRM_ValuePerCall | SFRM_Materialize;
	rsinfo.returnMode = SFRM_ValuePerCall;
	rsinfo.expectedDesc = rows->as_text ? CreateTemplateTupleDesc(1)
		: lookup_rowtype_tupdesc_copy(call->route->result_type, -1);
	if (rows->as_text)
		TupleDescInitEntry(rsinfo.expectedDesc, 1, "line", TEXTOID, -1, 0);
	for (;;)
	{
		Datum		value;

		CHECK_FOR_INTERRUPTS();
		prepare_call(call, fcinfo, &flinfo, (Node *) &rsinfo);
		rsinfo.isDone = ExprSingleResult;
		value = FunctionCallInvoke(fcinfo);
		if (rsinfo.returnMode == SFRM_Materialize)
		{
			drain_store(rows, &rsinfo);
			break;
		}
		if (rsinfo.isDone == ExprEndResult)
			break;
		add_datum(rows, value, fcinfo->isnull);
		if (rsinfo.isDone == ExprSingleResult)
			break;
	}
	FreeExecutorState(estate);
}

/* One relation of a Link header: this request's query with another page. */
static void
add_link(StringInfo out, Call *call, int64 page, const char *rel)
{
	ListCell   *cell;

	appendStringInfo(out, "%s<?page=" INT64_FORMAT "&per_page=" INT64_FORMAT,
					 out->len > 0 ? ", " : "", page, call->per_page);
	foreach(cell, call->query_pairs)
	{
		Header	   *pair = lfirst(cell);

		if (strcmp(pair->name, "page") == 0 || strcmp(pair->name, "per_page") == 0)
			continue;
		appendStringInfo(out, "&%s=", pair->name);
		for (const unsigned char *p = (const unsigned char *) pair->value; *p; p++)
		{
			if (isalnum(*p) || strchr("-._~", *p) != NULL)
				appendStringInfoChar(out, *p);
			else
				appendStringInfo(out, "%%%02X", *p);
		}
	}
	appendStringInfo(out, ">; rel=\"%s\"", rel);
}

static void
add_paging(Call *call, StringInfo out)
{
	StringInfoData link;
	int64		last;

	appendStringInfo(out, ",\"page\":" INT64_FORMAT ",\"per_page\":" INT64_FORMAT, call->page, call->per_page);
	if (call->total < 0)
		return;
	appendStringInfo(out, ",\"total\":" INT64_FORMAT, call->total);
	last = Max(1, (call->total + call->per_page - 1) / call->per_page);
	initStringInfo(&link);
	add_link(&link, call, 1, "first");
	if (call->page > 1)
		add_link(&link, call, Min(call->page - 1, last), "prev");
	if (call->page < last)
		add_link(&link, call, call->page + 1, "next");
	add_link(&link, call, last, "last");
	if (link.len <= MAX_LINK)
		dispatch_add_header(call, "Link", link.data);
}

static void
answer(Call *call, int status, StringInfo out)
{
	call->status = call->route->status != 0 ? call->route->status : status;
	call->body = out != NULL ? out->data : NULL;
	call->body_len = out != NULL ? out->len : 0;
}

static void
run_set(Call *call)
{
	StringInfoData out;
	Rows		rows = {.out = &out, .as_text = call->route->result == RESULT_TEXTS};

	initStringInfo(&out);
	if (!rows.as_text)
		appendStringInfoString(&out, "{\"items\":[");
	call_set(call, &rows);
	if (!rows.as_text)
	{
		appendStringInfoChar(&out, ']');
		if (call->route->paged)
			add_paging(call, &out);
		appendStringInfoChar(&out, '}');
	}
	answer(call, 200, &out);
}

/* What sc_api.reply(status, code, body, headers) says. */
static void
run_reply(Call *call, Datum value)
{
	Datum	   *values;
	bool	   *nulls;
	StringInfoData out;

	(void) deform(value, &values, &nulls);
	if (!nulls[3])
	{
		Jsonb	   *headers = DatumGetJsonbP(values[3]);
		JsonbIterator *it = JsonbIteratorInit(&headers->root);
		JsonbValue	item;
		JsonbIteratorToken token;
		char	   *name = NULL;

		while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
		{
			if (token == WJB_KEY)
				name = pnstrdup(item.val.string.val, item.val.string.len);
			else if (token == WJB_VALUE && name != NULL && item.type == jbvString)
				dispatch_add_header(call, name, pnstrdup(item.val.string.val, item.val.string.len));
		}
	}
	initStringInfo(&out);
	if (!nulls[2])
		sc_json_jsonb(&out, DatumGetJsonbP(values[2]));
	if (!nulls[1])
	{
		call->problem = (ScProblem) {.status = nulls[0] ? 500 : DatumGetInt32(values[0]), .code = TextDatumGetCString(values[1]), .params = nulls[2] ? NULL : out.data,};
		return;
	}
	answer(call, nulls[2] ? 204 : 200, nulls[2] ? NULL : &out);
	if (!nulls[0])
		call->status = DatumGetInt32(values[0]);
}

/* SELECT ... INTO a row variable that finds nothing leaves a row of NULLs. */
static bool
is_empty(Datum value)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(value);

	if (!(header->t_infomask & HEAP_HASNULL))
		return false;
	for (int i = 0; i < HeapTupleHeaderGetNatts(header); i++)
		if (!att_isnull(i, header->t_bits))
			return false;
	return true;
}

static void
run_single(Call *call)
{
	FunctionCallInfo fcinfo = palloc0(SizeForFunctionCallInfo(Max(call->route->nparams, 1)));
	FmgrInfo	copy;
	FmgrInfo   *flinfo = &call->route->handler;
	StringInfoData out;
	Datum		value;

	if (!call->route->keep_flinfo)
	{
		fmgr_info_copy(&copy, flinfo, CurrentMemoryContext);
		copy.fn_extra = NULL;
		flinfo = &copy;
	}
	prepare_call(call, fcinfo, flinfo, NULL);
	value = FunctionCallInvoke(fcinfo);
	if (call->said_code != NULL)
	{
		call->problem = (ScProblem) {.status = call->said_status, .code = call->said_code, .params = call->said_params,};
		return;
	}
	if (!fcinfo->isnull && call->route->result == RESULT_ROW && is_empty(value))
		fcinfo->isnull = true;

	if (call->route->result == RESULT_VOID)
	{
		answer(call, 204, NULL);
		return;
	}
	if (fcinfo->isnull)
	{
		/* collected field errors mean 422, not "nothing here" */
		if (call->field_errors == NIL)
			dispatch_fail(call, 404, "not_found", NULL);
		return;
	}
	if (call->route->result == RESULT_REPLY)
	{
		run_reply(call, value);
		return;
	}
	initStringInfo(&out);
	if (call->route->result == RESULT_TEXT)
	{
		text	   *t = DatumGetTextPP(value);

		appendBinaryStringInfo(&out, VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t));
	}
	else
		sc_json_datum(&out, value, call->route->result_type);
	answer(call, 200, &out);
	if (call->said_status != 0)
		call->status = call->said_status;
}

/*
 * A strict handler with a NULL argument is not called, as SQL has it: its
 * result is NULL, and the request has failed.
 */
bool
dispatch_is_callable(Call *call)
{
	if (call->route->handler.fn_strict)
		for (int i = 0; i < call->route->nparams; i++)
			if (call->nulls[i])
			{
				dispatch_fail(call, 404, "not_found", NULL);
				return false;
			}
	return true;
}

/* Run the handler with the bound arguments and make its answer. */
void
dispatch_run_handler(Call *call)
{
	if (!dispatch_is_callable(call))
		return;
	if (call->route->result == RESULT_ROWS || call->route->result == RESULT_TEXTS)
		run_set(call);
	else
		run_single(call);
	if (call->problem.status == 0 && call->field_errors != NIL)
		dispatch_fail(call, 422, "invalid_fields", NULL);
}
