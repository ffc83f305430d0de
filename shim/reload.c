/*
 * reload.c
 *		Routes, signing keys and the OpenAPI document, as the database has them.
 */
#include "shim/reload.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/arena.h"
#include "daemon/log.h"
#include "shim/cache.h"
#include "shim/handover.h"
#include "shim/reply.h"

#define POLL_MS 30000
#define RETRY_MS 1000
#define ASK_AT_MOST_MS 1000
#define OTHER_VERSION "SCVER"	/* what sc.check_schema() raises */
#define DEMO_ACCOUNTS "SCDEM"	/* what sc_api.signing_keys(true) raises */

static const char KEYS_SQL[] =
"SELECT kid, algorithm, encode(secret, 'hex') FROM sc_api.signing_keys()";

/* The same, as long as nobody is served: a demo never becomes a school unseen. */
static const char PRODUCTION_KEYS_SQL[] =
"SELECT kid, algorithm, encode(secret, 'hex') FROM sc_api.signing_keys(true)";
static const char OPENAPI_SQL[] = "SELECT sc_api.openapi($1)::text";

typedef enum What
{
	ROUTES,
	KEYS,
	OPENAPI,
	WHATS
} What;

/* Rows on their way to a loop. */
typedef struct Delivery
{
	LoopTask	task;
	Server	   *server;
	What		what;
	PgRows	   *rows;
} Delivery;

struct Reload
{
	Process    *process;
	Server	   *server;			/* whose loop and connections we use */
	PgListener *listener;
	PgJob		jobs[WHATS];
	bool		busy[WHATS];
	bool		again;			/* asked while busy */
	bool		full;			/* somebody asked: the document too */
	bool		failed;
	int64_t		asked_ms;
	LoopTimer	timer;
	LoopTask	ask;
	atomic_bool asked;			/* the task is posted */
};

/* ---- what a loop does with rows ---- */

static void
take_routes(Server *s, PgRows *rows)
{
	RouteTable *t = route_table_new(rows);

	/* A table that makes no sense is not used; the old one goes on. */
	if (t == NULL)
		return;
	if (s->routes == NULL && s->index == 0)
		log_info("%d routes loaded", route_table_count(t));
	route_table_release(s->routes);
	s->routes = t;
}

static int
unhex(Str hex, unsigned char *out, size_t size)
{
	size_t		len = hex.len / 2;

	for (size_t i = 0; i < len && i < size; i++)
	{
		unsigned	byte;

		if (sscanf(hex.data + 2 * i, "%2x", &byte) != 1)
			return -1;
		out[i] = (unsigned char) byte;
	}
	return len <= size ? (int) len : -1;
}

static void
take_keys(Server *s, PgRows *rows)
{
	int			n = pg_rows_count(rows);
	Keys	   *keys = mem_alloc(sizeof(Keys) + (size_t) n * sizeof(JwtKey));

	for (int i = 0; i < n; i++)
	{
		Str			kid = pg_rows_get(rows, i, 0);
		Str			algorithm = pg_rows_get(rows, i, 1);
		unsigned char secret[512];
		int			len = unhex(pg_rows_get(rows, i, 2), secret, sizeof(secret));
		JwtAlgorithm which = sc_jwt_algorithm(algorithm.data, algorithm.len);
		JwtKey	   *key = &keys->keys[keys->n];

		if (len <= 0 || which == JWT_NO_ALGORITHM || kid.len > SC_JWT_KID_MAX)
		{
			log_error("signing key %.64s cannot be used", kid.data);
			continue;
		}
		memcpy(key->kid, kid.data, kid.len + 1);
		sc_jwt_mac_init(&key->mac, which, secret, (size_t) len);
		explicit_bzero(secret, sizeof(secret));
		keys->n++;
	}
	free(s->keys);
	s->keys = keys;
}

static void
take_openapi(Server *s, PgRows *rows)
{
	if (pg_rows_count(rows) != 1 || pg_rows_is_null(rows, 0, 0))
		return;
	if (s->openapi != NULL)
		pg_rows_release(s->openapi);
	s->openapi = pg_rows_keep(rows);
	reply_etag(pg_rows_get(rows, 0, 0), s->openapi_etag);
}

static void
deliver(LoopTask *task)
{
	Delivery   *d = task->data;

	switch (d->what)
	{
		case ROUTES:
			take_routes(d->server, d->rows);
			break;
		case KEYS:
			take_keys(d->server, d->rows);
			break;
		default:
			take_openapi(d->server, d->rows);
			break;
	}
	handover_loaded(d->server);
	pg_rows_release(d->rows);
	free(d);
}

void
reload_forget(Server *s)
{
	route_table_release(s->routes);
	s->routes = NULL;
	free(s->keys);
	s->keys = NULL;
	if (s->openapi != NULL)
		pg_rows_release(s->openapi);
	s->openapi = NULL;
}

/* ---- asking ---- */

/*
 * Tables of another version than the code, with which nothing that we could do
 * would be right, or a demo's accounts in production.  What is said here and by
 * the server is for a person, who has to act.
 */
static void
refuse_to_start(Reload *r, const char *why)
{
	log_error("%s; not starting", why);
	atomic_store(&r->process->misfit, true);
	kill(getpid(), SIGTERM);
}

static void
on_rows(PgJob *job)
{
	Reload	   *r = job->data;
	What		what = (What) (job - r->jobs);

	r->busy[what] = false;
	if (job->outcome != PG_OK && what == OPENAPI)
	{
		log_warning("cannot load the OpenAPI document");
		r->full = true;			/* with the next poll */
	}
	else if (job->outcome != PG_OK)
	{
		bool		starting = atomic_load(&r->process->n_ready) == 0;

		if (starting && strcmp(job->sqlstate, OTHER_VERSION) == 0)
			refuse_to_start(r, "the database's tables are not of its extension's version: SELECT sc.migrate() brings older ones up to it");
		else if (starting && strcmp(job->sqlstate, DEMO_ACCOUNTS) == 0)
			refuse_to_start(r, "COACH_ENV is production, and the accounts of the demo (…@demo.test) are open: deactivate them");
		else if (!r->failed)
			log_warning("cannot load routes and keys yet; trying again");
		r->failed = true;
		loop_timer_set(r->server->loop, &r->timer, RETRY_MS);
		return;
	}
	for (int i = 0; i < r->process->n_servers && job->outcome == PG_OK; i++)
	{
		Delivery   *d = mem_alloc(sizeof(Delivery));

		d->task.fn = deliver;
		d->task.data = d;
		d->server = &r->process->servers[i];
		d->what = what;
		d->rows = pg_rows_keep(job->rows);
		loop_post(d->server->loop, &d->task);
	}
	if (r->busy[ROUTES] || r->busy[KEYS] || r->busy[OPENAPI])
		return;
	r->failed = false;
	if (r->again)
		loop_timer_set(r->server->loop, &r->timer, 0);
}

static void
ask_for(Reload *r, What what, const char *sql)
{
	PgJob	   *job = &r->jobs[what];

	*job = (PgJob) {.sql = sql, .lane = PG_LANE_SLOW, .done = on_rows, .data = r};
	if (what == OPENAPI)
	{
		job->nparams = 1;
		job->params[0] = r->process->config->base_url;
	}
	r->busy[what] = true;
	pgpool_submit(r->server->pg, job);
}

static void
on_timer(LoopTimer *timer)
{
	Reload	   *r = timer->data;

	if (r->busy[ROUTES] || r->busy[KEYS] || r->busy[OPENAPI])
	{
		r->again = true;
		return;
	}
	r->again = false;
	r->asked_ms = loop_now_ms(r->server->loop);
	loop_timer_set(r->server->loop, &r->timer, POLL_MS);
	ask_for(r, ROUTES, ROUTES_SQL);
	ask_for(r, KEYS, atomic_load(&r->process->n_ready) == 0 && strcmp(r->process->config->env, "production") == 0
			? PRODUCTION_KEYS_SQL : KEYS_SQL);
	if (r->full)
		ask_for(r, OPENAPI, OPENAPI_SQL);
	r->full = false;
}

static void
ask_soon(Reload *r)
{
	int64_t		since = loop_now_ms(r->server->loop) - r->asked_ms;

	r->full = true;
	loop_timer_set(r->server->loop, &r->timer,
				   since >= ASK_AT_MOST_MS ? 0 : ASK_AT_MOST_MS - since);
}

static void
on_ask(LoopTask *task)
{
	Reload	   *r = task->data;

	atomic_store(&r->asked, false);
	ask_soon(r);
}

void
reload_ask(Process *p)
{
	Reload	   *r = p->reload;

	if (r != NULL && !atomic_exchange(&r->asked, true))
		loop_post(r->server->loop, &r->ask);
}

/* ---- listening ---- */

static void
on_notify(void *data, const char *channel, const char *payload)
{
	Reload	   *r = data;

	if (strcmp(channel, "sc_reload") == 0)
		ask_soon(r);
	else if (strcmp(channel, "sc_touch") == 0)
		cache_notified(r->server, payload);
	else if (strcmp(channel, "sc_epoch") == 0)
		cache_epoch_notified(r->server, payload);
}

static void
on_up(void *data)
{
	Reload	   *r = data;

	ask_soon(r);
	cache_listener_up(r->server);
}

static void
on_down(void *data)
{
	Reload	   *r = data;

	cache_listener_down(r->server);
}

Reload *
reload_new(Process *p)
{
	static const char *const channels[] = {"sc_reload", "sc_touch", "sc_epoch", NULL};
	Reload	   *r = mem_alloc(sizeof(Reload));

	r->process = p;
	r->server = &p->servers[0];
	r->ask.fn = on_ask;
	r->ask.data = r;
	r->full = true;
	r->asked_ms = -ASK_AT_MOST_MS;
	loop_timer_init(&r->timer, on_timer, r);
	loop_timer_set(r->server->loop, &r->timer, 0);
	if (p->config->db_direct_url != NULL)
	{
		PgListenerOptions options = {
			.url = p->config->db_direct_url, .name = "coachd listen", .channels = channels,
			.on_notify = on_notify, .on_up = on_up, .on_down = on_down, .data = r
		};

		r->listener = pg_listener_new(r->server->loop, &options);
		p->listener = r->listener;
	}
	return r;
}

void
reload_destroy(Reload *r)
{
	loop_timer_clear(r->server->loop, &r->timer);
	r->process->listener = NULL;
	if (r->listener != NULL)
		pg_listener_destroy(r->listener);
	free(r);
}
