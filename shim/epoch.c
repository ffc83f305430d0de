/*
 * epoch.c
 *		When may this process believe what the cache in Redis says?
 *
 * The promise: once a write is acknowledged, no read that starts later is
 * answered with the older version, by any coachd, whatever became of Redis.
 *
 * While all is well, an invalidation does it (cache.c): it is confirmed by
 * Redis before the writer is answered.  This file is about the rest.  What
 * everybody must agree on lies in PostgreSQL, which every acknowledged write
 * has to reach anyway: sc.cache_epoch (an epoch, and the run ids of the Redis
 * servers in use) and sc.cache_losses (processes that cannot invalidate).
 *
 * Each process reads that state every POLL_MS and on NOTIFY sc_epoch, and
 * believes it for TRUST_MS from the moment when it SENT the question, by a
 * clock that runs while the machine sleeps.  Then:
 *
 * 1. Values carry the epoch that was known when their filler missed, before
 *	  it read the database.  A value of another epoch is void.
 * 2. The cache is read and filled only while the state is fresh, nobody is
 *	  lost, our LISTEN is in force, and our Redis servers are those of the
 *	  state.  A restarted Redis has a new run id, so what an old dump brings
 *	  back is of an old epoch; a fail-over to another server likewise.
 * 3. An invalidation counts as delivered only if Redis confirmed it, the
 *	  state is fresh, its servers are ours, and they are serving.
 * 4. Who cannot deliver declares the loss (cache_lost) and answers no writer
 *	  before SETTLE_MS > TRUST_MS have passed: by then no process believes a
 *	  state from before the declaration, hence (2) none reads the cache.  From
 *	  then on writers are answered at once, as long as the declaration is
 *	  renewed every RENEW_MS and is younger than LEASE_MS.
 * 5. Who can deliver again ends its loss by cache_found(), which begins a new
 *	  epoch: everything that was not invalidated meanwhile is void by (1).
 *	  Before that it stops answering by (4), and it puts all revoked tokens
 *	  into Redis, whose blacklist may have missed some.
 * 6. A loss that is not renewed for 15 s (> LEASE_MS) is ended by whoever
 *	  sees it, by a new epoch.
 * 7. A change of servers counts from 2.5 s later (opens_at): until then
 *	  somebody may deliver to, or read from, the servers of before.
 *
 * Not acknowledged, but not to be stale for ever: a process that dies between
 * commit and invalidation is missed by the others through its sign of life in
 * Redis (BEAT_MS, SIGN_MS), as is one whose outcome is unknown by itself; a
 * LISTEN that was interrupted may have missed the NOTIFY of psql or a job.
 * Each of these begins a new epoch.
 *
 * A new epoch costs a cold cache and is never wrong; so in doubt, renew.
 */
#include "shim/epoch.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/arena.h"
#include "daemon/log.h"
#include "shim/cache.h"
#include "shim/gate.h"
#include "shim/scripts.h"

#define TICK_MS		100
#define POLL_MS		500
#define TRUST_MS	2000
#define SETTLE_MS	2500
#define SILENCE_MS	5000
#define RENEW_MS	2000
#define LEASE_MS	10000
#define STEADY_MS	300			/* links must have been up this long to end a
								 * loss */
#define FIND_MS		3000		/* between two changes of servers: two
								 * processes with different ones */
#define BEAT_MS		1000
#define SIGN_MS		5000

#define SIGN_PREFIX "sc:alive:"
#define SIGN_SET	"sc:instances"

typedef enum EpochMode
{
	MODE_NORMAL,
	MODE_DECLARING,				/* cache_lost() is on its way */
	MODE_SETTLING,				/* it is committed; others may not know yet */
	MODE_LOST,					/* everybody knows: writers need not wait */
	MODE_FINDING				/* cache_found() is on its way */
} EpochMode;

/* What the loops share, under one lock that is held for a few loads. */
typedef struct Shared
{
	int64_t		epoch;
	char		server[SERVER_ID_SIZE];
	int64_t		fresh_until;	/* by clock_ms() */
	int64_t		answered_ms;	/* when the database last did; at first, when
								 * we began */
	int64_t		settled_until;
	bool		open;			/* serving, and nobody is lost */
	bool		serving;
	bool		listening;
	int			deliveries;		/* under way */
	int			links_up;		/* loops whose links are up */
	const char *renew_why;		/* NULL: no need */
	uint64_t	renewals;
	uint64_t	declared;
} Shared;

struct Epoch
{
	Server	   *home;
	int			refs;			/* gates */
	bool		stopped;
	char		name[160];		/* of this process, never used twice */
	pthread_mutex_t lock;
	Shared		shared;

	/* Loop 0 only. */
	EpochMode	mode;
	LoopTimer	timer;
	EpochWait  *waiting;

	PgJob		poll;
	bool		polling;
	bool		poll_again;
	int64_t		poll_ms;		/* when the last one was sent */
	bool		overdue;		/* somebody's loss is to be ended */

	PgJob		change;			/* one at a time */
	bool		changing;
	int64_t		change_ms;		/* when it was sent */
	int64_t		settle_ms;		/* when the declaration has settled */
	int64_t		lease_ms;		/* until when it holds */
	int64_t		renewed_ms;		/* when it was last sent */
	char		finding[SERVER_ID_SIZE];
	int64_t		found_ms;		/* when we last went to find */
	int64_t		steady_ms;		/* since when all links are up; 0: they are
								 * not */
	bool		own_loss;		/* sc.cache_losses may have a row of ours */
	bool		hold;			/* no trust before a renewal */
	bool		heard;			/* LISTEN was in force once */

	RedisCmd	beat;
	bool		beating;
	bool		beaten;			/* once at least */
	int64_t		beat_ms;
};

static void step(Epoch *e);

/* Goes on while the machine sleeps, unlike the loop's clock. */
static int64_t
clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- what every loop may ask ---- */

int64_t
epoch_trusted(Epoch *e, const char *server_id)
{
	Shared	   *s = &e->shared;
	int64_t		epoch = 0;

	pthread_mutex_lock(&e->lock);
	if (s->open && s->listening && clock_ms() < s->fresh_until
		&& server_id[0] != '\0' && strcmp(server_id, s->server) == 0)
		epoch = s->epoch;
	pthread_mutex_unlock(&e->lock);
	return epoch;
}

bool
epoch_delivers(Epoch *e, const char *server_id)
{
	Shared	   *s = &e->shared;
	bool		delivers;

	pthread_mutex_lock(&e->lock);
	delivers = s->serving && clock_ms() < s->fresh_until
		&& server_id[0] != '\0' && strcmp(server_id, s->server) == 0;
	pthread_mutex_unlock(&e->lock);
	return delivers;
}

bool
epoch_opening(Epoch *e, const char *server_id)
{
	Shared	   *s = &e->shared;
	bool		opening;

	pthread_mutex_lock(&e->lock);
	opening = !s->serving && clock_ms() < s->fresh_until
		&& server_id[0] != '\0' && strcmp(server_id, s->server) == 0;
	pthread_mutex_unlock(&e->lock);
	return opening;
}

int64_t
epoch_known(Epoch *e)
{
	int64_t		epoch;

	pthread_mutex_lock(&e->lock);
	epoch = e->shared.epoch;
	pthread_mutex_unlock(&e->lock);
	return epoch;
}

void
epoch_renew(Epoch *e, const char *why)
{
	pthread_mutex_lock(&e->lock);
	e->shared.renew_why = why;
	pthread_mutex_unlock(&e->lock);
}

void
epoch_links(Epoch *e, bool up)
{
	pthread_mutex_lock(&e->lock);
	e->shared.links_up += up ? 1 : -1;
	pthread_mutex_unlock(&e->lock);
}

void
epoch_delivering(Epoch *e, int change)
{
	pthread_mutex_lock(&e->lock);
	e->shared.deliveries += change;
	pthread_mutex_unlock(&e->lock);
}

bool
epoch_answered(Epoch *e)
{
	bool		answered;

	pthread_mutex_lock(&e->lock);
	answered = clock_ms() - e->shared.answered_ms < SILENCE_MS;
	pthread_mutex_unlock(&e->lock);
	return answered;
}

void
epoch_stats(Epoch *e, EpochStats *out)
{
	Shared	   *s = &e->shared;

	pthread_mutex_lock(&e->lock);
	*out = (EpochStats) {.epoch = s->epoch, .renewals = s->renewals, .declared = s->declared, .trusted = s->open && s->listening && clock_ms() < s->fresh_until, .lost = s->settled_until > clock_ms()};
	pthread_mutex_unlock(&e->lock);
}

/* ---- waiting writers ---- */

static void
on_released(LoopTask *task)
{
	EpochWait  *w = task->data;

	w->done(w);
}

/* On loop 0: one more waits. */
static void
on_waiting(LoopTask *task)
{
	EpochWait  *w = task->data;
	Epoch	   *e = w->epoch;

	w->next = e->waiting;
	e->waiting = w;
	step(e);
}

bool
epoch_settled(Epoch *e)
{
	bool		settled;

	pthread_mutex_lock(&e->lock);
	settled = clock_ms() < e->shared.settled_until;
	pthread_mutex_unlock(&e->lock);
	return settled;
}

void
epoch_wait(Epoch *e, EpochWait *w)
{
	bool		settled = epoch_settled(e);

	w->epoch = e;
	w->task.data = w;
	w->task.fn = settled ? on_released : on_waiting;
	loop_post(settled ? w->loop : e->home->loop, &w->task);
}

/* Everybody knows: whoever waits, and whoever comes until then, may go on. */
static void
settle(Epoch *e, int64_t until)
{
	pthread_mutex_lock(&e->lock);
	e->shared.settled_until = until;
	pthread_mutex_unlock(&e->lock);
	while (e->waiting != NULL && until > 0)
	{
		EpochWait  *w = e->waiting;

		e->waiting = w->next;
		w->task.fn = on_released;
		loop_post(w->loop, &w->task);
	}
}

/* ---- reading the state ---- */

static void
take_state(Epoch *e, PgRows *rows, int row)
{
	Shared	   *s = &e->shared;
	bool		serving = pg_rows_get(rows, row, 2).data[0] == 't';
	bool		losses = strcmp(pg_rows_get(rows, row, 3).data, "0") != 0;

	pthread_mutex_lock(&e->lock);
	s->epoch = atoll(pg_rows_get(rows, row, 0).data);
	snprintf(s->server, sizeof(s->server), "%s", pg_rows_get(rows, row, 1).data);
	s->serving = serving;
	s->open = serving && !losses && e->mode == MODE_NORMAL && e->beaten && !e->hold;
	s->fresh_until = e->poll_ms + TRUST_MS;
	s->answered_ms = clock_ms();
	pthread_mutex_unlock(&e->lock);
	e->overdue = pg_rows_get(rows, row, 4).data[0] == 't';
}

static void
on_polled(PgJob *job)
{
	Epoch	   *e = job->data;

	e->polling = false;
	if (job->outcome == PG_OK && pg_rows_count(job->rows) > job->row
		&& !pg_rows_is_null(job->rows, job->row, 0))
		take_state(e, job->rows, job->row);
	if (e->poll_again)
		e->poll_ms = 0;
	e->poll_again = false;
	step(e);
}

/*
 * On the listener's connection, where no traffic stands in the way: if an
 * overloaded lane could delay this, the load itself would switch the cache
 * off.  Without that connection a lane will do.
 */
static void
ask_database(Epoch *e, PgJob *job)
{
	PgListener *listener = e->home->process->listener;

	job->lane = PG_LANE_WRITE;
	if (listener == NULL || !pg_listener_submit(listener, job))
		pgpool_submit(e->home->pg, job);
}

static void
poll_state(Epoch *e)
{
	if (e->stopped)
		return;
	if (e->polling)
	{
		e->poll_again = true;
		return;
	}
	e->polling = true;
	e->poll_ms = clock_ms();
	e->poll = (PgJob) {.sql = "SELECT epoch, server, serving, losses, overdue FROM sc_api.cache_state()", .done = on_polled, .data = e};
	ask_database(e, &e->poll);
}

/* ---- changing it ---- */

static void
on_declared(PgJob *job)
{
	Epoch	   *e = job->data;
	int64_t		now = clock_ms();

	e->changing = false;
	if (job->outcome != PG_OK)
	{
		/* Nothing is lost by declaring twice. */
		if (e->mode == MODE_DECLARING)
			e->mode = MODE_NORMAL;
		return;
	}
	e->own_loss = true;
	e->lease_ms = e->change_ms + LEASE_MS;
	if (e->mode == MODE_DECLARING)
	{
		log_warning("cache: invalidations cannot be delivered; nobody uses the cache until they can");
		e->mode = MODE_SETTLING;
		e->settle_ms = now + SETTLE_MS;
		pthread_mutex_lock(&e->lock);
		e->shared.open = false;
		e->shared.declared++;
		pthread_mutex_unlock(&e->lock);
	}
	else if (e->mode == MODE_LOST)
		settle(e, e->lease_ms);
	step(e);
}

static void
on_renewed(PgJob *job)
{
	Epoch	   *e = job->data;

	e->changing = false;
	if (job->outcome != PG_OK)
	{
		epoch_renew(e, e->change.params[0]);
		return;
	}
	e->hold = false;
	pthread_mutex_lock(&e->lock);
	e->shared.renewals++;
	pthread_mutex_unlock(&e->lock);
	log_info("cache: new epoch: %s", e->change.params[0]);
	poll_state(e);
}

static void
on_found(PgJob *job)
{
	Epoch	   *e = job->data;

	e->changing = false;
	e->mode = MODE_NORMAL;
	if (job->outcome == PG_OK)
	{
		e->own_loss = false;
		log_info("cache: in use");
	}
	poll_state(e);
}

static void
change(Epoch *e, const char *sql, void (*done) (PgJob *), const char *one, const char *two)
{
	if (e->stopped)
		return;
	e->changing = true;
	e->change_ms = clock_ms();
	e->change = (PgJob) {.sql = sql, .nparams = two ? 2 : 1, .params = {one, two}, .done = done, .data = e};
	ask_database(e, &e->change);
}

/* The revoked tokens are in Redis: we can deliver again. */
static void
on_reloaded(void *data, bool well)
{
	Epoch	   *e = data;

	if (!well)
	{
		/* The declaration, if there is one, holds on. */
		e->changing = false;
		e->mode = e->own_loss && clock_ms() < e->lease_ms ? MODE_LOST : MODE_NORMAL;
		return;
	}
	change(e, "SELECT sc_api.cache_found($1, $2)", on_found, e->name, e->finding);
}

static void
on_revocations(PgJob *job)
{
	Epoch	   *e = job->data;
	int			n;
	Str		   *entries;

	if (job->outcome != PG_OK)
	{
		on_reloaded(e, false);
		return;
	}
	n = pg_rows_count(job->rows);
	entries = mem_alloc(sizeof(Str) * (size_t) (n + 1));
	for (int i = 0; i < n; i++)
		entries[i] = pg_rows_get(job->rows, i, job->col);
	cache_deliver_once(e->home, entries, n, on_reloaded, e);
	free(entries);
}

/*
 * Our servers are not those of the state, or our loss is over.  Writers that
 * come from now on wait again: the epoch that is about to begin must be
 * younger than every write that was let go undelivered.
 */
static void
find(Epoch *e, const char *server_id)
{
	e->mode = MODE_FINDING;
	e->found_ms = clock_ms();
	settle(e, 0);
	snprintf(e->finding, sizeof(e->finding), "%s", server_id);
	e->changing = true;
	e->change = (PgJob) {.sql = "SELECT r FROM sc_api.revocations() AS r", .done = on_revocations, .data = e};
	ask_database(e, &e->change);
}

/* ---- signs of life ---- */

static void
on_beaten(RedisCmd *cmd, const RedisReply *reply)
{
	Epoch	   *e = cmd->data;

	e->beating = false;
	if (reply == NULL || redis_count(reply) != 2)
		return;
	if (redis_int(redis_at(reply, 0)) > 0)
		epoch_renew(e, "a process vanished");
	else if (!e->beaten && redis_int(redis_at(reply, 1)) == 0)
	{
		/* Nobody listened before us. */
		e->hold = true;
		epoch_renew(e, "first process");
	}
	e->beaten = true;
}

static void
send_beat(Epoch *e, int64_t now)
{
	Gate	   *g = e->home->gate;
	Str			argv[] = {STR(SIGN_SET), STR(SIGN_PREFIX), {e->name, strlen(e->name)}, STR("5000")};

	_Static_assert(SIGN_MS == 5000, "stands in argv");
	if (e->beating || now - e->beat_ms < BEAT_MS || !redis_is_up(g->cache))
		return;
	e->beat_ms = now;
	e->beat.done = on_beaten;
	e->beat.data = e;
	e->beating = redis_eval(g->cache, g->cache_db, &e->beat, SCRIPT_BEAT, 1, 4, argv);
}

void
epoch_farewell(Epoch *e, RedisCmd *cmd)
{
	Gate	   *g = e->home->gate;
	Str			argv[] = {STR(SIGN_SET), STR(SIGN_PREFIX), {e->name, strlen(e->name)}, STR("0"), STR("bye")};

	bool		busy;

	epoch_stop(e);
	pthread_mutex_lock(&e->lock);
	busy = e->shared.deliveries > 0;
	pthread_mutex_unlock(&e->lock);
	if (busy || !redis_eval(g->cache, g->cache_db, cmd, SCRIPT_BEAT, 1, 5, argv))
		cmd->done(cmd, NULL);
}

/* ---- the machine ---- */

/* Which change does the state call for?  One at a time. */
static void
change_something(Epoch *e, int64_t now)
{
	const char *server_id = gate_server_id(e->home->gate);
	const char *why;
	bool		other;
	bool		fresh;

	pthread_mutex_lock(&e->lock);
	if (e->shared.links_up < e->home->process->n_servers)
		e->steady_ms = 0;
	else if (e->steady_ms == 0)
		e->steady_ms = now;
	why = e->shared.renew_why;
	other = strcmp(server_id, e->shared.server) != 0;
	fresh = now < e->shared.fresh_until;
	pthread_mutex_unlock(&e->lock);

	if (e->mode == MODE_NORMAL && e->waiting != NULL)
	{
		e->mode = MODE_DECLARING;
		change(e, "SELECT sc_api.cache_lost($1)", on_declared, e->name, NULL);
	}
	else if ((e->mode == MODE_SETTLING || e->mode == MODE_LOST)
			 && now - e->change_ms >= RENEW_MS && now - e->renewed_ms >= RENEW_MS)
	{
		e->renewed_ms = now;
		change(e, "SELECT sc_api.cache_lost($1)", on_declared, e->name, NULL);
	}
	else if (e->steady_ms != 0 && now - e->steady_ms >= STEADY_MS && server_id[0] != '\0'
			 && (e->mode == MODE_LOST || (e->mode == MODE_NORMAL && fresh
										  && (e->own_loss || (other && now - e->found_ms >= FIND_MS)))))
		find(e, server_id);
	else if (why != NULL || e->overdue)
	{
		/* What is asked for from here on is another renewal. */
		pthread_mutex_lock(&e->lock);
		e->shared.renew_why = NULL;
		pthread_mutex_unlock(&e->lock);
		e->overdue = false;
		change(e, "SELECT sc_api.cache_renew($1)", on_renewed,
			   why != NULL ? why : "a process that lost the cache fell silent", NULL);
	}
}

static void
step(Epoch *e)
{
	int64_t		now = clock_ms();

	if (e->stopped)
		return;
	if (e->mode == MODE_SETTLING && now >= e->settle_ms)
		e->mode = MODE_LOST;
	if ((e->mode == MODE_SETTLING || e->mode == MODE_LOST) && now >= e->lease_ms)
	{
		/* Not renewed in time: others may have ended it. */
		e->mode = MODE_NORMAL;
		settle(e, 0);
	}
	if (e->mode == MODE_LOST)
		settle(e, e->lease_ms);
	if (!e->polling && now - e->poll_ms >= POLL_MS)
		poll_state(e);
	if (!e->changing)
		change_something(e, now);
	send_beat(e, now);
}

static void
on_tick(LoopTimer *timer)
{
	Epoch	   *e = timer->data;

	loop_timer_set(e->home->loop, &e->timer, TICK_MS);
	step(e);
}

void
epoch_notified(Epoch *e)
{
	poll_state(e);
}

void
epoch_listening(Epoch *e, bool up)
{
	bool		missed = up && e->heard;

	/*
	 * What was sent meanwhile is missed; about the first time see
	 * on_beaten().
	 */
	e->heard |= up;
	e->hold |= missed;
	pthread_mutex_lock(&e->lock);
	e->shared.listening = up;
	if (missed)
		e->shared.open = false;
	pthread_mutex_unlock(&e->lock);
	if (missed)
		epoch_renew(e, "LISTEN was interrupted");
}

Epoch *
epoch_new(Server *home)
{
	Epoch	   *e = mem_alloc(sizeof(Epoch));

	e->home = home;
	snprintf(e->name, sizeof(e->name), "%.100s:%d:%lld",
			 home->config->instance != NULL ? home->config->instance : "coachd",
			 (int) getpid(), (long long) loop_wall_ms(home->loop));
	pthread_mutex_init(&e->lock, NULL);
	e->shared.answered_ms = clock_ms();
	e->poll_ms = -POLL_MS;
	e->found_ms = -FIND_MS;
	e->beat_ms = -BEAT_MS;
	loop_timer_init(&e->timer, on_tick, e);
	loop_timer_set(home->loop, &e->timer, 0);
	return e;
}

void
epoch_stop(Epoch *e)
{
	e->stopped = true;
	loop_timer_clear(e->home->loop, &e->timer);
}

void
epoch_keep(Epoch *e)
{
	e->refs++;
}

void
epoch_release(Epoch *e)
{
	if (--e->refs > 0)
		return;
	pthread_mutex_destroy(&e->lock);
	free(e);
}
