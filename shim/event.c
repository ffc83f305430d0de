/*
 * event.c
 *		Best-effort events of read requests, written in batches.
 */
#include "shim/event.h"

#include <stdlib.h>

#include "daemon/arena.h"

#define EVENTS_MAX ((size_t) 256 << 10)
#define FLUSH_MS 1000

static const char LOG_SQL[] = "SELECT sc_api.log_events($1)";

struct Events
{
	Server	   *server;
	Buf			waiting;		/* a JSON array without its end */
	Buf			sent;
	PgJob		job;
	bool		busy;			/* the job is with the database */
	LoopTimer	timer;
	int			n;
	uint64_t	dropped;
};

/* Lost is lost: sending again could write twice what was written once. */
static void
on_written(PgJob *job)
{
	Events	   *e = job->data;

	e->busy = false;
	if (e->n > 0 && !loop_timer_is_set(&e->timer))
		loop_timer_set(e->server->loop, &e->timer, FLUSH_MS);
}

void
events_flush(Events *e)
{
	Buf			full = e->waiting;

	if (e->busy || e->n == 0)
		return;
	buf_putc(&full, ']');
	e->waiting = e->sent;
	buf_clear(&e->waiting);
	e->sent = full;
	e->n = 0;
	e->busy = true;
	e->job = (PgJob) {.sql = LOG_SQL, .nparams = 1, .params = {e->sent.data}, .lane = PG_LANE_WRITE, .done = on_written, .data = e};
	pgpool_submit(e->server->pg, &e->job);
}

static void
on_timer(LoopTimer *timer)
{
	events_flush(timer->data);
}

Events *
events_new(Server *s)
{
	Events	   *e = mem_alloc(sizeof(Events));

	e->server = s;
	buf_init(&e->waiting, EVENTS_MAX + 2);
	buf_init(&e->sent, EVENTS_MAX + 2);
	loop_timer_init(&e->timer, on_timer, e);
	return e;
}

void
events_destroy(Events *e)
{
	loop_timer_clear(e->server->loop, &e->timer);
	buf_free(&e->waiting);
	buf_free(&e->sent);
	free(e);
}

void
events_add(Events *e, Str json)
{
	/* Arrays are unwrapped: all ends up in one. */
	if (json.len >= 2 && json.data[0] == '[')
		json = (Str) {json.data + 1, json.len - 2};
	if (json.len == 0)
		return;
	if (e->waiting.len + json.len + 1 > EVENTS_MAX)
	{
		e->dropped++;
		return;
	}
	buf_putc(&e->waiting, e->n == 0 ? '[' : ',');
	buf_put(&e->waiting, json.data, json.len);
	e->n++;
	if (!e->busy && !loop_timer_is_set(&e->timer))
		loop_timer_set(e->server->loop, &e->timer, FLUSH_MS);
}

bool
events_are_written(const Events *e)
{
	return e->n == 0 && !e->busy;
}

uint64_t
events_dropped(const Events *e)
{
	return e->dropped;
}
