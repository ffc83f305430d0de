/*
 * dispatch_match.c
 *		If-Match: change what the client has seen, or nothing.
 *
 * The validator of a resource is made from the body of its GET answer, by the
 * shim as here: the first 32 hexadecimal digits of the body's SHA-256.  So a
 * conditional PUT, PATCH or DELETE runs the GET route of the same path first.
 *
 * Two conditional requests for one resource must not both find it unchanged:
 * they queue at an advisory lock on its address, and the second one looks with
 * a snapshot taken after the first has committed.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "common/cryptohash.h"
#include "common/hashfn.h"
#include "common/sha2.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "extension/dispatch.h"
#include "extension/query.h"

#define TAG_LEN 32

SC_READ(Q_SIBLING,
		"SELECT g.id FROM sc.routes AS w JOIN sc.routes AS g ON g.path = w.path AND g.method = 'GET' "
		"WHERE w.id = $1",
		INT4OID);
SC_WRITE(Q_LOCK, "SELECT pg_catalog.pg_advisory_xact_lock($1)", INT8OID);

static void
make_tag(const char *body, int len, char *tag)
{
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	pg_cryptohash_ctx *ctx = pg_cryptohash_create(PG_SHA256);
	bool		ok = pg_cryptohash_init(ctx) >= 0 &&
	pg_cryptohash_update(ctx, (const uint8 *) body, len) >= 0 &&
	pg_cryptohash_final(ctx, digest, sizeof(digest)) >= 0;

	pg_cryptohash_free(ctx);
	if (!ok)
		elog(ERROR, "could not compute a SHA-256 digest");
	for (int i = 0; i < TAG_LEN / 2; i++)
		snprintf(tag + 2 * i, 3, "%02x", digest[i]);
}

/*
 * Is tag among the entity tags of an If-Match header?  A weak one counts as if
 * it were strong: compression at the edge weakens what we gave out.
 */
static bool
is_listed(const char *header, const char *tag)
{
	const char *p = header;

	if (strcmp(header, "*") == 0)
		return true;
	while ((p = strchr(p, '"')) != NULL)
	{
		const char *end = strchr(++p, '"');

		if (end == NULL)
			return false;
		if (end - p == TAG_LEN && strncmp(p, tag, TAG_LEN) == 0)
			return true;
		p = end + 1;
	}
	return false;
}

/* Queue with the other conditional requests for the same address. */
static void
lock_address(const Call *call, int sibling)
{
	uint64		hash = hash_bytes_uint32_extended((uint32) sibling, 0);

	for (int i = 0; i < call->in->npath; i++)
		hash = hash_bytes_extended((const unsigned char *) call->in->path[i], strlen(call->in->path[i]), hash);
	sc_query_begin();
	(void) sc_query(&Q_LOCK, SC_INT8((int64) hash));
	sc_query_end();
}

/* Id of the GET route of the same path, 0 if there is none. */
static int
find_sibling(const Call *call)
{
	ScRows		rows;
	int			id;

	sc_query_begin();
	rows = sc_query(&Q_SIBLING, SC_INT4(call->route->id));
	id = rows.count > 0 ? sc_get_int4(&rows, 0, 1) : 0;
	sc_query_end();
	return id;
}

/*
 * True: go on.  False: the request has failed.  A path without a GET route has
 * nothing to compare with, and its requests are not conditional.
 */
bool
dispatch_precondition(Call *call)
{
	const char *header = dispatch_ctx(call, "if_match");
	Input		in = *call->in;
	Call		get = {.in = &in, .mcxt = call->mcxt, .ctx = call->ctx};
	char		tag[TAG_LEN + 1];
	int			sibling;
	bool		matches;

	if (header == NULL || call->route->read_only || strcmp(call->route->method, "POST") == 0 ||
		(sibling = find_sibling(call)) == 0)
		return true;
	lock_address(call, sibling);
	get.route = dispatch_route(sibling);
	get.binding = -1;
	get.total = -1;
	in.query = in.body = NULL;
	in.body_len = 0;

	PushActiveSnapshot(GetTransactionSnapshot());
	matches = false;
	if (dispatch_bind(&get))
	{
		dispatch_run_handler(&get);
		if (get.problem.status == 0 && get.body != NULL)
		{
			make_tag(get.body, get.body_len, tag);
			matches = is_listed(header, tag);
		}
	}
	PopActiveSnapshot();

	if (get.problem.status != 0)
		dispatch_fail(call, get.problem.status, get.problem.code, get.problem.params);
	else if (!matches)
		dispatch_fail(call, 412, "precondition_failed", NULL);
	return call->problem.status == 0;
}
