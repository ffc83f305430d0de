/*
 * dispatch_upload.c
 *		Bodies that are too large for one message.
 *
 * The shim opens a transaction on a connection of its own, asks upload_begin()
 * whether the user may, hands over the body in chunks as they arrive, and
 * dispatches with ctx.upload; the chunks, put together, are then the handler's
 * raw text.  They wait in this backend's memory, in the transaction's context:
 * no table, no log, and nothing to clean up whatever happens.
 */
#include "postgres.h"

#include "access/xact.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

#include "extension/dispatch.h"

#define BOM "\xef\xbb\xbf"

/* The open upload of this transaction. */
static struct
{
	bool		open;
	pg_uuid_t	id;
	int			next_seq;
	int64		limit;
	StringInfoData body;		/* in TopTransactionContext */
} upload;

static void
at_transaction_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		upload.		open = false;
}

void
sc_upload_init(void)
{
	RegisterXactCallback(at_transaction_end, NULL);
}

/* Open an upload; forgets an earlier one of this transaction. */
void
dispatch_open_upload(const pg_uuid_t *id, int64 limit)
{
	MemoryContext caller = MemoryContextSwitchTo(TopTransactionContext);

	upload.		id = *id;
	upload.		next_seq = 0;
	upload.		limit = limit;

	initStringInfo(&upload.body);
	upload.		open = true;

	MemoryContextSwitchTo(caller);
}

PG_FUNCTION_INFO_V1(sc_api_upload_chunk);
PGDLLEXPORT Datum
sc_api_upload_chunk(PG_FUNCTION_ARGS)
{
	pg_uuid_t  *id = PG_GETARG_UUID_P(0);
	int			seq = PG_GETARG_INT32(1);
	bytea	   *data = PG_GETARG_BYTEA_PP(2);

	if (!upload.open || memcmp(&upload.id, id, sizeof(pg_uuid_t)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no such upload in this transaction")));
	if (seq != upload.next_seq)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("chunk %d comes out of order", seq),
				 errdetail("Chunk %d is expected.", upload.next_seq)));
	if (upload.body.len + (int64) VARSIZE_ANY_EXHDR(data) > upload.limit)
		sc_refuse(413, "body_too_large", psprintf("{\"max_bytes\": " INT64_FORMAT "}", upload.limit));
	appendBinaryStringInfo(&upload.body, VARDATA_ANY(data), VARSIZE_ANY_EXHDR(data));
	upload.		next_seq++;

	PG_RETURN_VOID();
}

/*
 * If the request has an upload, make it the body.  False: the request has
 * failed.
 */
bool
dispatch_take_upload(Call *call)
{
	const char *name = dispatch_ctx(call, "upload");
	const char *body;
	int			len;

	if (name == NULL)
		return true;
	if (!upload.open ||
		strcmp(name, DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&upload.id)))) != 0)
	{
		dispatch_fail(call, 400, "no_such_upload", NULL);
		return false;
	}
	body = upload.body.data;
	len = upload.body.len;

	if (len >= 3 && memcmp(body, BOM, 3) == 0)
	{
		body += 3;
		len -= 3;
	}
	if (memchr(body, '\0', len) != NULL || !pg_verify_mbstr(PG_UTF8, body, len, true))
	{
		dispatch_fail(call, 400, "invalid_utf8", NULL);
		return false;
	}
	call->in->body = body;
	call->in->body_len = len;
	return true;
}
