/*
 * pgbatch.h
 *		Several calls of dispatch() as one of dispatch_many(); private to
 *		daemon/pgpool.c.
 */
#ifndef DAEMON_PGBATCH_H
#define DAEMON_PGBATCH_H

#include "daemon/buf.h"
#include "daemon/pgpool.h"

/* The subxids a backend caches; a larger batch overflows its snapshot. */
#define BATCH_MAX 60

extern const char *const DISPATCH_MANY_SQL;

typedef struct PgBatch
{
	struct PgBatch *next;
	PgPool	   *pool;
	PgJob		job;			/* the call of all */
	PgJob	   *members[BATCH_MAX];
	int			n;
	Buf			arrays[PG_MAX_PARAMS];
	int			lengths[PG_MAX_PARAMS];
} PgBatch;

extern PgBatch *pgbatch_new(PgPool *pool);
extern void pgbatch_free(PgBatch *b);

/* Forgets the members; buffers are kept unless they have grown large. */
extern void pgbatch_clear(PgBatch *b);

/* Makes b->job of what the members ask; done and lane are the caller's. */
extern void pgbatch_build(PgBatch *b);

/* Gives the members their rows.  Those that have none keep rows == NULL. */
extern void pgbatch_deal(PgBatch *b);

#endif							/* DAEMON_PGBATCH_H */
