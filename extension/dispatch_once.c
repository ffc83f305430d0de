/*
 * dispatch_once.c
 *		Idempotency-Key: a request that is sent again is answered again.
 *
 * The key, of a user and a route, is a row inserted before the handler runs and
 * completed with the answer after it, in the handler's transaction.  A second
 * request with the same key waits for the first at the insert; it then finds
 * the answer and repeats it, or, if the first was undone, runs as the first.
 */
#include "postgres.h"

#include "catalog/pg_collation_d.h"
#include "catalog/pg_type_d.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "utils/builtins.h"

#include "extension/dispatch.h"
#include "extension/query.h"

#define MAX_KEY_LEN 200

SC_WRITE(Q_CLAIM,
		 "INSERT INTO sc.idempotency_keys (route_id, actor, key, request_hash) VALUES ($1, $2, $3, $4) "
		 "ON CONFLICT DO NOTHING",
		 INT4OID, INT8OID, TEXTOID, BYTEAOID);
SC_WRITE(Q_RECALL,
		 "SELECT request_hash = $4, status::int, headers, body FROM sc.idempotency_keys "
		 "WHERE route_id = $1 AND actor = $2 AND key = $3",
		 INT4OID, INT8OID, TEXTOID, BYTEAOID);
SC_WRITE(Q_REMEMBER,
		 "UPDATE sc.idempotency_keys SET status = $4, headers = $5, body = $6 "
		 "WHERE route_id = $1 AND actor = $2 AND key = $3",
		 INT4OID, INT8OID, TEXTOID, INT4OID, JSONBOID, TEXTOID);

/* SHA-256 over everything that makes the request what it is. */
static Datum
request_hash(Call *call)
{
	bytea	   *hash = palloc(VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
	pg_cryptohash_ctx *ctx = pg_cryptohash_create(PG_SHA256);
	Input	   *in = call->in;
	bool		ok = pg_cryptohash_init(ctx) >= 0;

	/* the terminating zero keeps the parts apart */
	for (int i = 0; i < in->npath; i++)
		ok = ok && pg_cryptohash_update(ctx, (const uint8 *) in->path[i], strlen(in->path[i]) + 1) >= 0;
	if (in->query != NULL)
		ok = ok && pg_cryptohash_update(ctx, (const uint8 *) in->query, strlen(in->query) + 1) >= 0;
	if (in->body != NULL)
		ok = ok && pg_cryptohash_update(ctx, (const uint8 *) in->body, in->body_len) >= 0;
	SET_VARSIZE(hash, VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
	ok = ok && pg_cryptohash_final(ctx, (uint8 *) VARDATA(hash), PG_SHA256_DIGEST_LENGTH) >= 0;
	pg_cryptohash_free(ctx);
	if (!ok)
		elog(ERROR, "could not compute a SHA-256 digest");
	return PointerGetDatum(hash);
}

static bool
is_valid_key(const char *key)
{
	size_t		len = strlen(key);

	if (len < 1 || len > MAX_KEY_LEN)
		return false;
	for (const char *p = key; *p; p++)
		if (*p < '!' || *p > '~')
			return false;
	return true;
}

/* Repeat a stored answer. */
static void
answer_again(Call *call, const ScRows *rows)
{
	bool		isnull;
	Datum		headers = sc_get_copy(rows, 0, 3, &isnull);

	if (!isnull)
	{
		Jsonb	   *jsonb = DatumGetJsonbP(headers);
		ScJsonDoc	doc;
		char	   *text = JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));

		if (!sc_json_parse(&doc, text, strlen(text)))
			elog(ERROR, "stored headers are no JSON");
		for (int i = 0; i < doc.count; i++)
			if (doc.items[i].text !=NULL)
				dispatch_add_header(call, doc.items[i].name, doc.items[i].text);
	}
	dispatch_add_header(call, "Idempotency-Replayed", "true");
	call->status = sc_get_int4(rows, 0, 2);
	call->body = sc_get_text(rows, 0, 4);
	call->body_len = call->body != NULL ? strlen(call->body) : 0;
}

/*
 * Claim the request's key.  True: run the handler (also where no key was
 * sent).  False: the request is answered or has failed.
 */
bool
dispatch_replay(Call *call)
{
	const char *key = dispatch_ctx(call, "idempotency_key");
	Datum		hash;
	ScRows		rows;

	if (key == NULL)
		return true;
	if (!is_valid_key(key))
	{
		dispatch_fail(call, 400, "invalid_idempotency_key", NULL);
		return false;
	}
	hash = request_hash(call);
	sc_query_begin();
	rows = sc_query(&Q_CLAIM, SC_INT4(call->route->id), SC_INT8(call->in->actor), SC_TEXT(key), SC_DATUM(hash));
	if (rows.count == 1)
	{
		sc_query_end();
		return true;
	}
	rows = sc_query(&Q_RECALL, SC_INT4(call->route->id), SC_INT8(call->in->actor), SC_TEXT(key), SC_DATUM(hash));
	if (rows.count == 0)
		dispatch_fail(call, 503, "retry", NULL);	/* swept away in between */
	else if (!sc_get_bool(&rows, 0, 1))
		dispatch_fail(call, 422, "idempotency_mismatch", NULL);
	else
		answer_again(call, &rows);
	sc_query_end();
	return false;
}

/* A body with null where the handler said that a text is not to be kept. */
static const char *
without_secrets(Call *call, const char *body)
{
	ListCell   *cell;

	foreach(cell, call->secrets)
	{
		StringInfoData quoted;
		Datum		kept;

		initStringInfo(&quoted);
		sc_json_cstring(&quoted, lfirst(cell));
		kept = DirectFunctionCall3Coll(replace_text, C_COLLATION_OID, CStringGetTextDatum(body),
									   CStringGetTextDatum(quoted.data), CStringGetTextDatum("null"));
		body = TextDatumGetCString(kept);
	}
	return body;
}

/* Store the answer beside the key.  A failure on our side is not worth it. */
void
dispatch_remember(Call *call)
{
	const char *key = dispatch_ctx(call, "idempotency_key");
	StringInfoData headers;
	ListCell   *cell;
	const char *body = call->body;
	int			status = call->status;

	if (key == NULL)
		return;
	if (call->problem.status != 0)
	{
		status = call->problem.status;
		body = sc_problem_document(&call->problem, dispatch_ctx(call, "lang"), dispatch_ctx(call, "request_id"));
	}
	if (body != NULL)
		body = without_secrets(call, body);
	initStringInfo(&headers);
	appendStringInfoChar(&headers, '{');
	foreach(cell, call->headers)
	{
		Header	   *header = lfirst(cell);

		if (headers.len > 1)
			appendStringInfoChar(&headers, ',');
		sc_json_cstring(&headers, header->name);
		appendStringInfoChar(&headers, ':');
		sc_json_cstring(&headers, header->value);
	}
	appendStringInfoChar(&headers, '}');
	sc_query_begin();
	(void) sc_query(&Q_REMEMBER, SC_INT4(call->route->id), SC_INT8(call->in->actor), SC_TEXT(key),
					SC_INT4(status),
					SC_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(headers.data))), SC_TEXT(body));
	sc_query_end();
}
