/*
 * stats.c
 *		What /metrics says: a loop's gauges, and the page.
 *
 * Pools, links and the gate belong to their loop's thread and count without
 * locks.  Each loop copies its numbers under a lock twice a second; the page
 * adds the copies up.
 */
#include "shim/stats.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/arena.h"
#include "daemon/log.h"
#include "daemon/metrics.h"
#include "shim/event.h"
#include "shim/export.h"
#include "shim/gate.h"

#define NOTE_MS 500

typedef struct Stats
{
	pthread_mutex_t lock;
	LoopTimer	timer;
	int			requests;
	PgPoolStats pool;
	GateStats	gate;
	uint64_t	events_dropped;
	RedisStats	links[GATE_LINKS];
	int			n_links;
} Stats;

static const char *const lane_names[PG_LANES] = {
	[PG_LANE_READ] = "lane=\"read\"",
	[PG_LANE_HOT] = "lane=\"hot\"",
	[PG_LANE_WRITE] = "lane=\"write\"",
	[PG_LANE_SLOW] = "lane=\"slow\"",
	[PG_LANE_STREAM] = "lane=\"stream\"",
	[PG_LANE_REPLICA] = "lane=\"replica\""
};

static void
note(Server *s)
{
	Stats	   *st = s->stats;

	pthread_mutex_lock(&st->lock);
	st->requests = s->n_requests;
	pgpool_stats(s->pg, &st->pool);
	st->gate = s->gate->stats;
	st->events_dropped = events_dropped(s->events);
	st->n_links = s->gate->n_links;
	for (int i = 0; i < st->n_links; i++)
		redis_stats(s->gate->links[i], &st->links[i]);
	pthread_mutex_unlock(&st->lock);
}

static void
on_timer(LoopTimer *timer)
{
	Server	   *s = timer->data;

	note(s);
	loop_timer_set(s->loop, timer, NOTE_MS);
}

void
stats_start(Server *s)
{
	s->stats = mem_alloc(sizeof(Stats));
	pthread_mutex_init(&s->stats->lock, NULL);
	loop_timer_init(&s->stats->timer, on_timer, s);
	loop_timer_set(s->loop, &s->stats->timer, 0);
}

void
stats_stop(Server *s)
{
	loop_timer_clear(s->loop, &s->stats->timer);
	pthread_mutex_destroy(&s->stats->lock);
	free(s->stats);
	s->stats = NULL;
}

/* ---- the sum over the loops ---- */

typedef struct Totals
{
	int			requests;
	PgPoolStats pool;
	GateStats	gate;
	uint64_t	events_dropped;
	RedisStats	redis;
	int			links;
	int			links_up;
} Totals;

static void
add_pool(PgPoolStats *to, const PgPoolStats *from)
{
	for (int i = 0; i < PG_LANES; i++)
	{
		to->connections[i] += from->connections[i];
		to->connected[i] += from->connected[i];
		to->in_flight[i] += from->in_flight[i];
		to->waiting[i] += from->waiting[i];
		to->jobs[i] += from->jobs[i];
		to->refused[i] += from->refused[i];
		to->lost[i] += from->lost[i];
	}
	to->batches += from->batches;
	to->batch_rows += from->batch_rows;
	to->retried += from->retried;
}

static void
add_gate(GateStats *to, const GateStats *from)
{
	to->hits += from->hits;
	to->misses += from->misses;
	to->bypasses += from->bypasses;
	to->joined += from->joined;
	to->fills += from->fills;
	to->fills_void += from->fills_void;
	to->invalidated += from->invalidated;
	to->delivery_retries += from->delivery_retries;
	to->undelivered += from->undelivered;
	to->limited += from->limited;
	to->limited_locally += from->limited_locally;
	to->revoked += from->revoked;
	for (int i = 0; i < REPLICA_CHOICES; i++)
		to->replica[i] += from->replica[i];
	to->replica_fallbacks += from->replica_fallbacks;
}

static void
add_links(Totals *to, const Stats *from)
{
	for (int i = 0; i < from->n_links; i++)
	{
		const RedisStats *link = &from->links[i];

		to->links++;
		to->links_up += link->up;
		to->redis.in_flight += link->in_flight;
		to->redis.commands += link->commands;
		to->redis.refused += link->refused;
		to->redis.timeouts += link->timeouts;
		to->redis.lost += link->lost;
		to->redis.errors += link->errors;
		to->redis.connects += link->connects;
	}
}

/* ---- the page ---- */

static void
one(Buf *out, const char *name, const char *type, const char *help, double value)
{
	metrics_family(out, name, type, help);
	metrics_sample(out, name, NULL, value);
}

static void
by_lane_int(Buf *out, const char *name, const char *help, const int *values)
{
	metrics_family(out, name, "gauge", help);
	for (int i = 0; i < PG_LANES; i++)
		metrics_sample(out, name, lane_names[i], values[i]);
}

static void
by_lane_count(Buf *out, const char *name, const char *help, const uint64_t *values)
{
	metrics_family(out, name, "counter", help);
	for (int i = 0; i < PG_LANES; i++)
		metrics_sample(out, name, lane_names[i], (double) values[i]);
}

static void
render_pool(const PgPoolStats *p, Buf *out)
{
	by_lane_int(out, "sc_pg_connections", "Connections to PostgreSQL that a lane may have.", p->connections);
	by_lane_int(out, "sc_pg_connected", "Connections that are open.", p->connected);
	by_lane_int(out, "sc_pg_in_flight", "Statements sent and not answered.", p->in_flight);
	by_lane_int(out, "sc_pg_waiting", "Statements waiting for a connection.", p->waiting);
	by_lane_count(out, "sc_pg_jobs_total", "Statements submitted.", p->jobs);
	by_lane_count(out, "sc_pg_refused_total", "Statements never sent: queue full or no connection in time.", p->refused);
	by_lane_count(out, "sc_pg_lost_total", "Statements sent whose connection was lost.", p->lost);
	one(out, "sc_pg_batches_total", "counter", "Statements of routes whose requests travel together.", (double) p->batches);
	one(out, "sc_pg_batch_rows_total", "counter", "Requests in them.", (double) p->batch_rows);
	one(out, "sc_pg_retried_total", "counter", "Statements taken down by a neighbour in the pipeline and sent again.", (double) p->retried);
}

static void
render_gate(const GateStats *g, Buf *out)
{
	metrics_family(out, "sc_cache_requests_total", "counter", "Requests of cached routes by what the cache said.");
	metrics_sample(out, "sc_cache_requests_total", "result=\"hit\"", (double) g->hits);
	metrics_sample(out, "sc_cache_requests_total", "result=\"miss\"", (double) g->misses);
	metrics_sample(out, "sc_cache_requests_total", "result=\"bypass\"", (double) g->bypasses);
	one(out, "sc_cache_joined_total", "counter", "Misses that waited for another one's fill.", (double) g->joined);
	metrics_family(out, "sc_cache_fills_total", "counter", "Values offered to the cache; void: changed meanwhile.");
	metrics_sample(out, "sc_cache_fills_total", "result=\"stored\"", (double) g->fills);
	metrics_sample(out, "sc_cache_fills_total", "result=\"void\"", (double) g->fills_void);
	one(out, "sc_cache_invalidated_total", "counter", "Keys and groups invalidated, session entries set.", (double) g->invalidated);
	one(out, "sc_cache_delivery_retries_total", "counter", "Invalidations tried again.", (double) g->delivery_retries);
	one(out, "sc_cache_undelivered_total", "counter", "Writes that had to wait until nobody used the cache.", (double) g->undelivered);
	one(out, "sc_gate_limited_total", "counter", "Requests refused by a rate limit.", (double) g->limited);
	one(out, "sc_gate_limited_locally_total", "counter", "Buckets kept here because Redis was away.", (double) g->limited_locally);
	one(out, "sc_gate_revoked_total", "counter", "Requests with a token on the blacklist.", (double) g->revoked);
}

static void
render_epoch(Epoch *e, Buf *out)
{
	EpochStats	s = {0};

	if (e != NULL)
		epoch_stats(e, &s);
	one(out, "sc_cache_trusted", "gauge", "1 while the cache is read.", s.trusted);
	one(out, "sc_cache_lost", "gauge", "1 while this process cannot invalidate and has said so.", s.lost);
	one(out, "sc_cache_epoch", "gauge", "The cache's epoch.", (double) s.epoch);
	one(out, "sc_cache_renewals_total", "counter", "Epochs begun by this process.", (double) s.renewals);
	one(out, "sc_cache_losses_total", "counter", "Times this process could not invalidate.", (double) s.declared);
}

static void
render_replica(Replica *r, const GateStats *g, Buf *out)
{
	static const char *const choices[REPLICA_CHOICES] = {
		[REPLICA_UNSURE] = "sent=\"primary\",why=\"session\"",
		[REPLICA_WROTE] = "sent=\"primary\",why=\"wrote\"",
		[REPLICA_BEHIND] = "sent=\"primary\",why=\"behind\"",
		[REPLICA_ASKED] = "sent=\"replica\",why=\"\""
	};
	ReplicaStats s = {0};

	if (r != NULL)
		replica_stats(r, &s);
	one(out, "sc_replica_serves", "gauge", "1 while the replica is near enough to be read.", s.serves);
	one(out, "sc_replica_lag_seconds", "gauge", "Age of what the replica is known to have replayed; 1 is none, by the way of asking.", s.lag_s);
	one(out, "sc_replica_lag_bytes", "gauge", "Log that the primary had flushed and the replica not replayed.", s.lag_bytes);
	metrics_family(out, "sc_replica_requests_total", "counter", "Requests of routes that a replica may answer, by where they were sent; why: the session is not known to Redis, the user wrote a moment ago, the replica is behind or away.");
	for (int i = REPLICA_UNSURE; i < REPLICA_CHOICES; i++)
		metrics_sample(out, "sc_replica_requests_total", choices[i], (double) g->replica[i]);
	one(out, "sc_replica_fallbacks_total", "counter", "Requests that the replica did not answer with success, asked of the primary.", (double) g->replica_fallbacks);
}

static void
render_redis(const Totals *t, Buf *out)
{
	one(out, "sc_redis_links", "gauge", "Links to Redis.", t->links);
	one(out, "sc_redis_links_up", "gauge", "Links that answer.", t->links_up);
	one(out, "sc_redis_in_flight", "gauge", "Commands without an answer.", t->redis.in_flight);
	one(out, "sc_redis_commands_total", "counter", "Commands sent.", (double) t->redis.commands);
	metrics_family(out, "sc_redis_failures_total", "counter", "Commands without a good answer.");
	metrics_sample(out, "sc_redis_failures_total", "kind=\"refused\"", (double) t->redis.refused);
	metrics_sample(out, "sc_redis_failures_total", "kind=\"timeout\"", (double) t->redis.timeouts);
	metrics_sample(out, "sc_redis_failures_total", "kind=\"lost\"", (double) t->redis.lost);
	metrics_sample(out, "sc_redis_failures_total", "kind=\"error\"", (double) t->redis.errors);
	one(out, "sc_redis_connects_total", "counter", "Links opened.", (double) t->redis.connects);
}

void
stats_render(Process *p, Buf *out)
{
	Metrics   **sets = mem_alloc(sizeof(Metrics *) * (size_t) p->n_servers);
	Totals		t = {0};
	ExportStats exports;

	for (int i = 0; i < p->n_servers; i++)
	{
		Stats	   *st = p->servers[i].stats;

		sets[i] = p->servers[i].metrics;
		pthread_mutex_lock(&st->lock);
		t.requests += st->requests;
		add_pool(&t.pool, &st->pool);
		add_gate(&t.gate, &st->gate);
		t.events_dropped += st->events_dropped;
		add_links(&t, st);
		pthread_mutex_unlock(&st->lock);
	}
	metrics_family(out, "sc_build_info", "gauge", "The version, as a label.");
	metrics_sample(out, "sc_build_info", "version=\"" COACH_VERSION "\"", 1);
	metrics_render(sets, p->n_servers, out);
	free(sets);
	one(out, "sc_http_requests_in_flight", "gauge", "Requests being served.", t.requests);
	render_pool(&t.pool, out);
	render_gate(&t.gate, out);
	render_epoch(p->epoch, out);
	render_replica(p->replica, &t.gate, out);
	render_redis(&t, out);
	export_stats(&exports);
	one(out, "sc_exports", "gauge", "Exports being sent.", exports.running);
	one(out, "sc_exports_refused_total", "counter", "Exports refused because too many were being sent.", (double) exports.refused);
	one(out, "sc_exports_cut_total", "counter", "Exports that ended in the middle of the body.", (double) exports.cut);
	one(out, "sc_events_dropped_total", "counter", "Best-effort events dropped because too many waited.", (double) t.events_dropped);
	one(out, "sc_log_dropped_total", "counter", "Log lines dropped because nobody read them.", (double) log_dropped());
	metrics_render_process(out);
}
