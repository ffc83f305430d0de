/*
 * pgpool.c
 *		PostgreSQL for one event loop: lanes of connections.
 *
 * Jobs wait in their lane until the loop's turn ends; then a chore hands them
 * to connections, so that what arrived together is sent together.  All
 * connections are in libpq's pipeline mode, also those that carry one job at
 * a time, which leaves one way to read results.
 *
 * What holds for a connection's flight list: the jobs in it were sent in this
 * order and their results come in this order.  A job marked `synced` is
 * followed by a Sync; the list always ends with such a job once the chore has
 * run.  The head of the list is the job whose results are being read.
 *
 * When may a job end?  A job that is not followed by a Sync can only be a
 * read, and ends with its result.  Every other waits for its Sync: a deferred
 * constraint may still refuse the commit after the result was sent.
 *
 * An error takes down the jobs up to the next Sync.  They were not at fault:
 * they are queued again, each alone.
 *
 * The connections themselves are pgconn.c's business.
 */
#include "daemon/pgpool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/arena.h"
#include "daemon/log.h"
#include "daemon/pgbatch.h"
#include "daemon/pgconn.h"

/* More jobs in flight on one connection only make a queue out of sight. */
#define DEPTH_MAX 64
#define POOLS_MAX 256

/*
 * Statements in flight on one connection of jobs that may be batched; what
 * waits meanwhile is the next batch.
 */
#define READ_BATCHES 2

typedef struct Lane
{
	JobList		waiting;
	PgConn	   *conns;
	int			n_conns;
	int			queue_max;
	LoopTimer	timer;			/* when the first one has waited too long */
	char		settings[64];	/* of its connections */
	uint64_t	jobs;
	uint64_t	refused;
	uint64_t	lost;
} Lane;

struct PgPool
{
	Loop	   *loop;
	PgPoolOptions options;
	Lane		lanes[PG_LANES];
	JobList		ended;			/* done() is due */
	PgBatch    *free_batches;
	PgSession  *sessions;
	LoopChore	collect;
	LoopChore	flush;
	uint64_t	batches;
	uint64_t	batch_rows;
	uint64_t	retried;
	bool		closing;

	/* Kicked by other loops when a permit came free. */
	LoopTask	kick;
	atomic_bool starving;
	atomic_bool kicked;
};

/* What the process shares: permits by cost, and who may be waiting for one. */
static atomic_int caps[PG_COSTS] =
{
	1 << 20, 1, 1
};
static atomic_int used[PG_COSTS];
static pthread_mutex_t pools_lock = PTHREAD_MUTEX_INITIALIZER;
static PgPool *pools[POOLS_MAX];

/* ---- permits ---- */

void
pgpool_set_cap(PgCost cost, int cap)
{
	atomic_store(&caps[cost], cap);
}

static bool
permit_take(PgPool *pool, PgJob *job)
{
	if (atomic_fetch_add(&used[job->cost], 1) < atomic_load(&caps[job->cost]))
		return job->permitted = true;
	atomic_fetch_sub(&used[job->cost], 1);
	atomic_store(&pool->starving, true);

	/* One may have come free between the two steps: then nobody kicks us. */
	if (atomic_load(&used[job->cost]) < atomic_load(&caps[job->cost])
		&& atomic_fetch_add(&used[job->cost], 1) < atomic_load(&caps[job->cost]))
		return job->permitted = true;
	return false;
}

static void
on_kick(LoopTask *task)
{
	PgPool	   *pool = task->data;

	/* Being awake is enough: the chore runs at the end of this turn. */
	atomic_store(&pool->kicked, false);
}

static void
permit_give_back(PgPool *self, PgJob *job)
{
	if (!job->permitted)
		return;
	job->permitted = false;
	atomic_fetch_sub(&used[job->cost], 1);

	pthread_mutex_lock(&pools_lock);
	for (int i = 0; i < POOLS_MAX; i++)
	{
		PgPool	   *pool = pools[i];

		if (pool != NULL && pool != self
			&& atomic_exchange(&pool->starving, false)
			&& !atomic_exchange(&pool->kicked, true))
			loop_post(pool->loop, &pool->kick);
	}
	pthread_mutex_unlock(&pools_lock);
}

/* ---- the ends of a job ---- */

static void batch_ended(PgJob *job);

/* Hands the job to the chore, which calls done(). */
static void
job_end(PgPool *pool, PgJob *job, PgOutcome outcome)
{
	permit_give_back(pool, job);
	job->outcome = outcome;
	if (outcome != PG_OK && job->rows != NULL)
	{
		pg_rows_release(job->rows);
		job->rows = NULL;
	}
	if (outcome == PG_LOST)
		pool->lanes[job->lane].lost++;
	joblist_push(&pool->ended, job);
}

static void
job_wait(PgPool *pool, PgJob *job)
{
	job->waiting = true;
	job->aborted = job->synced = false;
	job->queued_ms = loop_now_ms(pool->loop);
	joblist_push(&pool->lanes[job->lane].waiting, job);
}

/*
 * A connection is through with a job.  Called by pgconn.c for the head of a
 * flight list, which it has taken out.
 */
void
pgpool_job_done(PgPool *pool, PgJob *job, PgOutcome outcome)
{
	if (job->aborted && !pool->closing)
	{
		pool->retried++;
		job->alone = true;
		job_wait(pool, job);
	}
	else
		job_end(pool, job, job->aborted ? PG_LOST : outcome);
}

/* Calls what is due.  A done() may submit again; that is for this turn too. */
static bool
run_ended(PgPool *pool)
{
	bool		any = false;
	PgJob	   *job;

	while ((job = joblist_pop(&pool->ended)) != NULL)
	{
		PgRows	   *rows = job->rows;

		any = true;
		job->done(job);			/* may free the job */
		if (rows != NULL)
			pg_rows_release(rows);
	}
	return any;
}

/* ---- choosing a connection ---- */

/* The connection with the shortest flight that may take another job. */
static PgConn *
choose_conn(Lane *lane, int depth)
{
	PgConn	   *best = NULL;

	for (int i = 0; i < lane->n_conns; i++)
	{
		PgConn	   *c = &lane->conns[i];

		if (pgconn_is_up(c) && c->flight.n < depth
			&& (best == NULL || c->flight.n < best->flight.n))
			best = c;
	}
	return best;
}

/*
 * The connection for a read.  A pooler must not see a new statement before the
 * last Sync is answered; jobs under one and the same Sync are fine, since they
 * are one write.
 */
static PgConn *
choose_reader(PgPool *pool, Lane *lane, bool batch)
{
	PgConn	   *best = NULL;

	for (int i = 0; i < lane->n_conns; i++)
	{
		PgConn	   *c = &lane->conns[i];

		if (pgconn_is_up(c) && c->flight.n < DEPTH_MAX
			&& (!batch || c->batches < READ_BATCHES)
			&& (pool->options.prepare || c->syncs == 0)
			&& (best == NULL || c->flight.n < best->flight.n))
			best = c;
	}
	return best;
}

/* A Sync each: write and replica. */
static void
flush_each(Lane *lane, int depth)
{
	PgConn	   *c;

	while (lane->waiting.n > 0 && (c = choose_conn(lane, depth)) != NULL)
	{
		pgconn_send(c, joblist_pop(&lane->waiting));
		pgconn_sync(c);
	}
}

/* One at a time, first come first served among those whose cost has room. */
static void
flush_slow(PgPool *pool, Lane *lane)
{
	PgJob	   *job = lane->waiting.head;
	PgConn	   *c;

	while (job != NULL && (c = choose_conn(lane, 1)) != NULL)
	{
		PgJob	   *next = job->next;

		if (permit_take(pool, job))
		{
			joblist_remove(&lane->waiting, job);
			pgconn_send(c, job);
			pgconn_sync(c);
		}
		job = next;
	}
}

/* ---- batches ---- */

/* Gives each member its row, or on an error its own chance. */
static void
batch_ended(PgJob *job)
{
	PgBatch    *b = job->data;
	PgPool	   *pool = b->pool;

	if (job->outcome == PG_OK)
		pgbatch_deal(b);
	for (int i = 0; i < b->n; i++)
	{
		PgJob	   *member = b->members[i];

		if (member->rows != NULL)
			job_end(pool, member, PG_OK);
		else if (pool->closing)
			job_end(pool, member, PG_LOST);
		else if (job->outcome == PG_OK || job->outcome == PG_ERROR)
		{
			/* The whole batch was undone: each alone. */
			if (member->lane == PG_LANE_HOT)
				member->lane = PG_LANE_WRITE;
			member->alone = true;
			pool->retried++;
			job_wait(pool, member);
		}
		else
			job_end(pool, member, job->outcome);
	}
	pgbatch_clear(b);
	b->next = pool->free_batches;
	pool->free_batches = b;
}

/* Sends `first` with all those that may go with it. */
static void
send_batch(PgPool *pool, Lane *lane, PgJob *first, PgConn *c)
{
	PgBatch    *b = pool->free_batches;
	PgLane		which = first->lane;
	PgJob	   *next;

	if (b != NULL)
		pool->free_batches = b->next;
	else
		b = pgbatch_new(pool);
	for (PgJob *job = first; job != NULL && b->n < BATCH_MAX; job = next)
	{
		next = job->next;
		if (!job->batch || job->alone || strcmp(job->params[0], first->params[0]) != 0)
			continue;
		joblist_remove(&lane->waiting, job);
		job->waiting = false;
		b->members[b->n++] = job;
	}
	pool->batches++;
	pool->batch_rows += (uint64_t) b->n;
	if (b->n > 1)
	{
		pgbatch_build(b);
		b->job.lane = which;
		b->job.batch = true;
		b->job.done = batch_ended;
		pgconn_send(c, &b->job);
		return;
	}
	pgbatch_clear(b);
	b->next = pool->free_batches;
	pool->free_batches = b;
	pgconn_send(c, first);
}

static PgJob *
first_of_batch(Lane *lane)
{
	PgJob	   *job = lane->waiting.head;

	while (job != NULL && (!job->batch || job->alone))
		job = job->next;
	return job;
}

/* One batch in flight to a connection; what waits meanwhile is the next one. */
static void
flush_hot(PgPool *pool, Lane *lane)
{
	PgConn	   *c;

	while (lane->waiting.n > 0 && (c = choose_conn(lane, 1)) != NULL)
	{
		send_batch(pool, lane, lane->waiting.head, c);
		pgconn_sync(c);
	}
}

static void
flush_read(PgPool *pool, Lane *lane)
{
	PgJob	   *next;
	PgConn	   *c;

	for (PgJob *job = lane->waiting.head; job != NULL; job = next)
	{
		next = job->next;
		if (job->batch && !job->alone)
			continue;
		c = choose_reader(pool, lane, false);

		/* A job that goes alone must not share a Sync with earlier ones. */
		if (c == NULL || (job->alone && !pool->options.prepare && c->flight.n > 0))
			break;
		if (job->alone)
			pgconn_sync(c);
		joblist_remove(&lane->waiting, job);
		pgconn_send(c, job);
		if (job->alone)
			pgconn_sync(c);
	}
	while ((next = first_of_batch(lane)) != NULL
		   && (c = choose_reader(pool, lane, true)) != NULL)
		send_batch(pool, lane, next, c);
	for (int i = 0; i < lane->n_conns; i++)
		pgconn_sync(&lane->conns[i]);
}

/* ---- the chore ---- */

/* Ends jobs that found no connection in time. */
static void
expire(PgPool *pool, PgLane which)
{
	Lane	   *lane = &pool->lanes[which];
	int64_t		now = loop_now_ms(pool->loop);
	PgJob	   *job = lane->waiting.head;

	if (job == NULL)
		return;

	/* With servers there, what is held back on purpose has its deadline. */
	if (which == PG_LANE_SLOW || job->batch)
	{
		for (int i = 0; i < lane->n_conns; i++)
		{
			if (pgconn_is_up(&lane->conns[i]))
				return;
		}
	}
	while (job != NULL && job->queued_ms + pool->options.wait_ms <= now)
	{
		joblist_remove(&lane->waiting, job);
		lane->refused++;
		job_end(pool, job, PG_UNAVAILABLE);
		job = lane->waiting.head;
	}
	if (job != NULL && !loop_timer_is_set(&lane->timer))
		loop_timer_set(pool->loop, &lane->timer,
					   job->queued_ms + pool->options.wait_ms - now);
}

/* The timer's work is to wake the loop: the chore does the rest. */
static void
on_lane_timer(LoopTimer *timer)
{
	(void) timer;
}

static int
collect(LoopChore *chore)
{
	(void) run_ended(chore->data);
	return -1;
}

static int
flush(LoopChore *chore)
{
	PgPool	   *pool = chore->data;

	flush_read(pool, &pool->lanes[PG_LANE_READ]);
	flush_hot(pool, &pool->lanes[PG_LANE_HOT]);
	flush_each(&pool->lanes[PG_LANE_WRITE], pool->options.prepare ? DEPTH_MAX : 1);
	flush_each(&pool->lanes[PG_LANE_REPLICA], 1);
	flush_slow(pool, &pool->lanes[PG_LANE_SLOW]);
	for (int i = 0; i < PG_LANES; i++)
	{
		Lane	   *lane = &pool->lanes[i];

		for (int k = 0; k < lane->n_conns; k++)
			pgconn_flush(&lane->conns[k]);
		expire(pool, (PgLane) i);
	}
	return pool->ended.n > 0 ? 0 : -1;
}

/* ---- what others call ---- */

static void
lane_init(PgPool *pool, PgLane which)
{
	static const char *const names[PG_LANES] = {
		"coachd read", "coachd hot", "coachd write", "coachd slow",
		"coachd stream", "coachd replica"
	};
	const PgPoolOptions *o = &pool->options;
	Lane	   *lane = &pool->lanes[which];
	PgConnOptions options = {
		.url = which == PG_LANE_SLOW ? o->slow_url : o->url,
		.name = names[which],
		.prepare = o->prepare,
		.prepare_many = which == PG_LANE_HOT || which == PG_LANE_READ ? DISPATCH_MANY_SQL : NULL,
		.pool = pool
	};

	if (which == PG_LANE_REPLICA)
		options.url = o->replica_url;

	/* A pooler's servers are shared: there the role's settings must do. */
	if (o->prepare && o->statement_ms[which] > 0)
	{
		snprintf(lane->settings, sizeof(lane->settings), "-c statement_timeout=%d",
				 o->statement_ms[which]);
		options.settings = lane->settings;
	}
	joblist_init(&lane->waiting);
	loop_timer_init(&lane->timer, on_lane_timer, pool);
	lane->queue_max = which == PG_LANE_SLOW ? o->slow_queue : o->queue;
	lane->n_conns = options.url == NULL ? 0 : o->connections[which];
	lane->conns = mem_alloc((size_t) (lane->n_conns + 1) * sizeof(PgConn));
	for (int i = 0; i < lane->n_conns; i++)
		pgconn_init(&lane->conns[i], pool->loop, &options);
}

PgPool *
pgpool_new(Loop *loop, const PgPoolOptions *options)
{
	PgPool	   *pool = mem_alloc(sizeof(PgPool));

	pool->loop = loop;
	pool->options = *options;
	pool->collect = (LoopChore) {.order = LOOP_COLLECT, .fn = collect, .data = pool};
	pool->flush = (LoopChore) {.order = LOOP_FLUSH, .fn = flush, .data = pool};
	pool->kick.fn = on_kick;
	pool->kick.data = pool;
	joblist_init(&pool->ended);
	for (int i = 0; i < PG_LANES; i++)
		lane_init(pool, (PgLane) i);
	loop_chore_add(loop, &pool->collect);
	loop_chore_add(loop, &pool->flush);

	pthread_mutex_lock(&pools_lock);
	for (int i = 0; i < POOLS_MAX; i++)
	{
		if (pools[i] == NULL)
		{
			pools[i] = pool;
			break;
		}
	}
	pthread_mutex_unlock(&pools_lock);
	return pool;
}

PgSession **
pgpool_sessions(PgPool *pool)
{
	return &pool->sessions;
}

Loop *
pgpool_loop(PgPool *pool)
{
	return pool->loop;
}

void
pgpool_destroy(PgPool *pool)
{
	PgJob	   *job;

	pthread_mutex_lock(&pools_lock);
	for (int i = 0; i < POOLS_MAX; i++)
	{
		if (pools[i] == pool)
			pools[i] = NULL;
	}
	pthread_mutex_unlock(&pools_lock);

	while (pool->sessions != NULL)
		pg_session_free(pool->sessions);
	pool->closing = true;
	for (int i = 0; i < PG_LANES; i++)
	{
		Lane	   *lane = &pool->lanes[i];

		for (int k = 0; k < lane->n_conns; k++)
			pgconn_close(&lane->conns[k]);
	}

	/* Ending one may queue another, a member of a batch for instance. */
	do
	{
		for (int i = 0; i < PG_LANES; i++)
		{
			while ((job = joblist_pop(&pool->lanes[i].waiting)) != NULL)
				job_end(pool, job, PG_UNAVAILABLE);
		}
	} while (run_ended(pool));

	for (int i = 0; i < PG_LANES; i++)
	{
		loop_timer_clear(pool->loop, &pool->lanes[i].timer);
		free(pool->lanes[i].conns);
	}
	while (pool->free_batches != NULL)
	{
		PgBatch    *b = pool->free_batches;

		pool->free_batches = b->next;
		pgbatch_free(b);
	}
	loop_chore_remove(pool->loop, &pool->collect);
	loop_chore_remove(pool->loop, &pool->flush);
	free(pool);
}

void
pgpool_submit(PgPool *pool, PgJob *job)
{
	Lane	   *lane;

	if (job->lane == PG_LANE_HOT)
		job->batch = true;
	lane = &pool->lanes[job->lane];
	lane->jobs++;
	job->rows = NULL;
	job->row = job->col = 0;
	job->sqlstate[0] = '\0';
	job->alone = job->permitted = false;
	if (pool->closing)
	{
		job->aborted = job->synced = job->waiting = false;
		job_end(pool, job, PG_UNAVAILABLE);
	}
	else if (lane->waiting.n >= lane->queue_max)
	{
		lane->refused++;
		job->aborted = job->synced = job->waiting = false;
		job_end(pool, job, PG_BUSY);
	}
	else
		job_wait(pool, job);
}

bool
pgpool_withdraw(PgPool *pool, PgJob *job)
{
	if (!job->waiting)
		return false;
	joblist_remove(&pool->lanes[job->lane].waiting, job);
	job->waiting = false;
	return true;
}

bool
pgpool_is_up(PgPool *pool, PgLane which)
{
	Lane	   *lane = &pool->lanes[which];

	for (int i = 0; i < lane->n_conns; i++)
	{
		if (pgconn_is_up(&lane->conns[i]))
			return true;
	}
	return false;
}

void
pgpool_stats(PgPool *pool, PgPoolStats *out)
{
	memset(out, 0, sizeof(*out));
	for (int i = 0; i < PG_LANES; i++)
	{
		Lane	   *lane = &pool->lanes[i];

		out->connections[i] = lane->n_conns;
		out->waiting[i] = lane->waiting.n;
		out->jobs[i] = lane->jobs;
		out->refused[i] = lane->refused;
		out->lost[i] = lane->lost;
		for (int k = 0; k < lane->n_conns; k++)
		{
			out->connected[i] += pgconn_is_up(&lane->conns[k]);
			out->in_flight[i] += lane->conns[k].flight.n;
		}
	}
	out->batches = pool->batches;
	out->batch_rows = pool->batch_rows;
	out->retried = pool->retried;
}
