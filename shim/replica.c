/*
 * replica.c
 *		How far has the replica got, and who may read from it?
 *
 * The promise: a user reads what she wrote, by whichever coachd, though the
 * answer may come from a replica that is behind.  What others wrote may be
 * missing for LAG_MS at most.
 *
 * 1. Before a user's write is acknowledged, Redis has her key
 *	  session:user:<id>:wrote, which lives for MEMORY_S.  It travels like what a
 *	  write touches (deliver.c): either Redis confirms it, or nobody trusts
 *	  Redis by the time of the answer, and then an epoch begins.
 * 2. Once a second the primary is asked how far it has flushed its log, and
 *	  then the replica how far it has replayed.  What the primary had flushed
 *	  when it was asked includes all that was acknowledged before the question
 *	  was SENT; the replica serves while it has replayed the answer to a
 *	  question sent within LAG_MS.
 * 3. So who is not remembered has written nothing for MEMORY_S, and the replica
 *	  has all that is older than LAG_MS < MEMORY_S.  The difference is for clocks
 *	  of different speed and for commits that are flushed late on purpose.
 * 4. A new epoch may mean that Redis forgot: the replica serves again when
 *	  MEMORY_S have passed since we first saw it.
 *
 * A replica that does not answer for ANSWER_MS is passed by at once, so that
 * few wait for it in vain.  Positions in the log can be compared along one
 * history only: a replica that is no standby, or whose last restartpoint is not
 * of the primary's cluster and timeline, is never asked.
 */
#include "shim/replica.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/config.h"
#include "daemon/log.h"
#include "shim/epoch.h"

#define MEMORY_S	10
#define LAG_MS		8000
#define POLL_MS		1000
#define ANSWER_MS	3000
#define SAMPLES		16			/* more than LAG_MS / POLL_MS */

static const char PRIMARY_SQL[] =
"SELECT l - '0/0', system_identifier || '/' || ('x' || left(pg_walfile_name(l), 8))::bit(32)::int"
" FROM pg_control_system(), pg_current_wal_flush_lsn() AS l";
static const char REPLICA_SQL[] =
"SELECT pg_last_wal_replay_lsn() - '0/0', system_identifier || '/' || timeline_id"
" FROM pg_control_system(), pg_control_checkpoint() WHERE pg_is_in_recovery()";

/* Where the primary was when it was asked, or later. */
typedef struct Sample
{
	int64_t		asked_ms;
	uint64_t	lsn;
} Sample;

struct Replica
{
	Process    *process;
	PgListener *link;			/* to the replica; LISTENs to nothing */
	LoopTimer	timer;
	PgJob		job;			/* one question at a time */
	int64_t		asked_ms;		/* when it was sent */
	char		history[40];	/* the primary's system identifier and
								 * timeline */
	Sample		samples[SAMPLES];	/* the oldest is overwritten */
	uint64_t	n_samples;
	bool		said;			/* what the log said last: it serves */

	/* What other threads read. */
	pthread_mutex_t lock;
	int64_t		until_ms;		/* it serves until then */
	int64_t		proven_ms;		/* it has all that was acknowledged by then */
	double		lag_bytes;
	int64_t		epoch;
	int64_t		epoch_ms;		/* when it was first seen */
};

/* Goes on while the machine sleeps. */
static int64_t
clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- what every loop may ask ---- */

static bool
serves_at(const Replica *r, int64_t now)
{
	return now < r->until_ms && r->epoch != 0 && now >= r->epoch_ms + MEMORY_S * 1000;
}

bool
replica_serves(Replica *r, int64_t epoch)
{
	bool		serves;

	pthread_mutex_lock(&r->lock);
	serves = serves_at(r, clock_ms()) && epoch == r->epoch;
	pthread_mutex_unlock(&r->lock);
	return serves;
}

Str
replica_wrote(Arena *arena, const char *user)
{
	char		text[96];
	int			len = snprintf(text, sizeof(text), "1:session:user:%s:wrote=1@%d", user, MEMORY_S);

	return (Str) {arena_copy(arena, text, (size_t) len), (size_t) len};
}

void
replica_stats(Replica *r, ReplicaStats *out)
{
	int64_t		now = clock_ms();

	pthread_mutex_lock(&r->lock);
	*out = (ReplicaStats) {.serves = serves_at(r, now), .lag_s = (double) (now - r->proven_ms) / 1000, .lag_bytes = r->lag_bytes};
	pthread_mutex_unlock(&r->lock);
}

/* ---- the questions ---- */

static void
log_change(Replica *r)
{
	bool		serves = serves_at(r, clock_ms());

	if (serves != r->said && serves)
		log_info("replica: in use");
	else if (serves != r->said)
		log_warning("replica: away or behind; the primary is read");
	r->said = serves;
}

static void
again(Replica *r)
{
	log_change(r);
	loop_timer_set(r->process->servers[0].loop, &r->timer, POLL_MS);
}

/* A row of two columns that makes sense? */
static bool
read_row(const PgJob *job, uint64_t *lsn, const char **history)
{
	if (job->outcome != PG_OK || pg_rows_count(job->rows) != 1 || pg_rows_is_null(job->rows, 0, 0))
		return false;
	*lsn = strtoull(pg_rows_get(job->rows, 0, 0).data, NULL, 10);
	*history = pg_rows_get(job->rows, 0, 1).data;
	return true;
}

/* The replica has replayed up to lsn: what does that prove? */
static void
judge(Replica *r, uint64_t lsn)
{
	int64_t		epoch = epoch_known(r->process->epoch);
	const Sample *newest = &r->samples[(r->n_samples - 1) % SAMPLES];
	int64_t		proven = 0;

	for (uint64_t i = 0; i < SAMPLES && i < r->n_samples; i++)
	{
		const Sample *s = &r->samples[i];

		if (s->lsn <= lsn && s->asked_ms > proven)
			proven = s->asked_ms;
	}
	pthread_mutex_lock(&r->lock);
	if (epoch != r->epoch)
	{
		r->epoch = epoch;
		r->epoch_ms = clock_ms();
	}
	if (proven > r->proven_ms)
		r->proven_ms = proven;
	r->until_ms = r->proven_ms + LAG_MS;
	if (r->until_ms > r->asked_ms + ANSWER_MS)
		r->until_ms = r->asked_ms + ANSWER_MS;
	r->lag_bytes = newest->lsn > lsn ? (double) (newest->lsn - lsn) : 0;
	pthread_mutex_unlock(&r->lock);
}

static void
on_replayed(PgJob *job)
{
	Replica    *r = job->data;
	const char *history;
	uint64_t	lsn;

	if (read_row(job, &lsn, &history) && strcmp(history, r->history) == 0)
		judge(r, lsn);
	again(r);
}

static void
on_flushed(PgJob *job)
{
	Replica    *r = job->data;
	const char *history;
	uint64_t	lsn;

	if (!read_row(job, &lsn, &history))
	{
		again(r);
		return;
	}
	if (strcmp(history, r->history) != 0)
		r->n_samples = 0;
	snprintf(r->history, sizeof(r->history), "%s", history);
	r->samples[r->n_samples++ % SAMPLES] = (Sample) {r->asked_ms, lsn};
	r->asked_ms = clock_ms();
	r->job = (PgJob) {.sql = REPLICA_SQL, .done = on_replayed, .data = r};
	if (!pg_listener_submit(r->link, &r->job))
		again(r);
}

static void
on_timer(LoopTimer *timer)
{
	Replica    *r = timer->data;

	r->asked_ms = clock_ms();
	r->job = (PgJob) {.sql = PRIMARY_SQL, .done = on_flushed, .data = r};
	if (!pg_listener_submit(r->process->listener, &r->job))
		again(r);
}

static void
on_up(void *data)
{
	(void) data;
}

static void
on_down(void *data)
{
	Replica    *r = data;

	pthread_mutex_lock(&r->lock);
	r->until_ms = 0;
	pthread_mutex_unlock(&r->lock);
}

/* ---- life ---- */

Replica *
replica_new(Process *p)
{
	static const char *const channels[] = {NULL};
	PgListenerOptions options = {
		.url = p->config->db_replica_url, .name = "coachd replay", .channels = channels,
		.on_up = on_up, .on_down = on_down
	};
	Replica    *r;

	if (options.url == NULL)
		return NULL;
	if (p->epoch == NULL || p->listener == NULL)
	{
		log_warning("replica: never used: it takes Redis, and COACH_DB_DIRECT_URL behind PgBouncer");
		return NULL;
	}
	r = options.data = mem_alloc(sizeof(Replica));
	r->process = p;
	pthread_mutex_init(&r->lock, NULL);
	r->proven_ms = clock_ms();
	r->link = pg_listener_new(p->servers[0].loop, &options);
	loop_timer_init(&r->timer, on_timer, r);
	loop_timer_set(p->servers[0].loop, &r->timer, 0);
	return r;
}

void
replica_destroy(Replica *r)
{
	if (r == NULL)
		return;
	pg_listener_destroy(r->link);
	loop_timer_clear(r->process->servers[0].loop, &r->timer);
	pthread_mutex_destroy(&r->lock);
	free(r);
}
