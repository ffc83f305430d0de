/*
 * export.c
 *		Answers that travel to the client while they are made (lane stream).
 *
 * One statement on a connection of its own, dispatch_stream(), in libpq's
 * single-row mode: its first row is the head of the answer, or all of a
 * refusal; each further row is a piece of the body, sent in HTTP's chunks.
 *
 * We hold one piece.  While the client takes it nothing is read from
 * PostgreSQL, which stops when the socket between us is full; while there is
 * none HTTP is suspended.  So whoever is slower sets the pace.
 *
 * What goes wrong before the head is a problem document.  Afterwards the body
 * is cut off: the connection closes without the last chunk, which no client
 * takes for the end.
 *
 * A client that left, and a deadline that passed, close the connection to
 * PostgreSQL; a backend that sends nothing at the time notices by itself, see
 * pgsession.c.
 */
#include "shim/export.h"

#include <microhttpd.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/log.h"
#include "shim/event.h"
#include "shim/gone.h"
#include "shim/reply.h"

#define WATCH_MS 500
/* An export takes a while: who is refused should not ask again at once. */
#define RETRY_AFTER_S 5

static const char EXPORT_SQL[] =
"SELECT (d).status, (d).headers, (d).body, (d).touched, (d).events"
" FROM (SELECT sc_api.dispatch_stream($1, $2, $3, $4, $5, $6, $7, $8) AS d OFFSET 0) AS s";

typedef enum ExportState
{
	EXPORT_OPENING,				/* no head yet */
	EXPORT_FLOWING,				/* pieces come */
	EXPORT_WHOLE,				/* the last one is here */
	EXPORT_CUT					/* there will be no more */
} ExportState;

typedef struct Export
{
	ExportState state;
	PgSession  *session;		/* NULL: closed */
	bool		opening;		/* on_open() will come, and has a reference */
	PgRows	   *piece;			/* being sent; or NULL */
	Str			rest;			/* of it */
	LoopTimer	watch;			/* is the client still there? */
} Export;

static atomic_int running;
static _Atomic uint64_t refused;
static _Atomic uint64_t cut;

static void
close_session(Request *r)
{
	Export	   *e = r->exporting;

	if (e->session == NULL)
		return;
	pg_session_close(e->session);
	e->session = NULL;
	atomic_fetch_sub(&running, 1);
	if (e->opening)
	{
		e->opening = false;
		request_release(r);
	}
}

/* Nothing more is needed of PostgreSQL, and nothing of what it sent. */
static void
over(Request *r)
{
	Export	   *e = r->exporting;

	loop_timer_clear(r->server->loop, &e->watch);
	if (e->piece != NULL)
		pg_rows_release(e->piece);
	e->piece = NULL;
	close_session(r);
}

/* No good end: a problem document, or, where the body has begun, half a body. */
static void
fail(Request *r, int status, const char *code)
{
	Export	   *e = r->exporting;
	bool		begun = e->state != EXPORT_OPENING;

	if (e->state >= EXPORT_WHOLE)
		return;
	e->state = EXPORT_CUT;
	over(r);
	if (!begun)
	{
		if (!request_is_over(r))
			reply_problem(r, status, code);
		return;
	}
	if (r->state == REQUEST_ANSWERED)
		request_resume(r);
	atomic_fetch_add(&cut, 1);
	if (status == 499)
		return;
	r->sent_code = "cut";
	log_warning("request %s: the export was cut off after %zu bytes: %s", r->id, r->sent_bytes, code);
}

void
export_abort(Request *r)
{
	Export	   *e = r->exporting;

	if (r->timed_out)
		fail(r, 504, "timeout");
	else if (r->state < REQUEST_DONE)
		fail(r, 503, "overloaded");
	else if (e->state == EXPORT_FLOWING)
		fail(r, 499, "client_gone");
	else
		over(r);

	/* It was us who left. */
	if (e->state == EXPORT_CUT && r->sent_code != NULL)
		r->gone = false;
}

/* ---- to the client ---- */

/*
 * MHD would close the connection only when it next looks at it, which may be
 * at the end of its idle time: the client would wait so long for more.
 */
static ssize_t
cut_off(Request *r)
{
	const union MHD_ConnectionInfo *info =
	MHD_get_connection_info(r->http, MHD_CONNECTION_INFO_CONNECTION_FD);

	if (info != NULL)
		(void) shutdown(info->connect_fd, SHUT_RDWR);
	return MHD_CONTENT_READER_END_WITH_ERROR;
}

/* MHD asks for what comes next. */
static ssize_t
give(void *cls, uint64_t position, char *to, size_t max)
{
	Request    *r = cls;
	Export	   *e = r->exporting;
	size_t		n = e->rest.len < max ? e->rest.len : max;

	(void) position;
	if (e->state == EXPORT_CUT)
		return cut_off(r);
	if (e->piece == NULL)
	{
		if (e->state == EXPORT_WHOLE)
			return MHD_CONTENT_READER_END_OF_STREAM;
		MHD_suspend_connection(r->http);
		r->suspended = true;
		return 0;
	}
	memcpy(to, e->rest.data, n);
	e->rest.data += n;
	e->rest.len -= n;
	r->sent_bytes += n;
	if (e->rest.len == 0)
	{
		pg_rows_release(e->piece);
		e->piece = NULL;
		if (e->session != NULL)
			pg_session_next(e->session);
	}
	return (ssize_t) n;
}

static void
on_watch(LoopTimer *timer)
{
	Request    *r = timer->data;

	if (loop_now_ms(r->server->loop) >= r->deadline_ms)
	{
		r->timed_out = true;
		fail(r, 504, "timeout");
	}
	else if (r->suspended && gone_left(r))
		fail(r, 499, "client_gone");
	else
		loop_timer_set(r->server->loop, timer, WATCH_MS);
}

/* ---- from PostgreSQL ---- */

/* The head: the answer begins, unless this is all of it. */
static bool
take_head(Request *r, PgRows *rows)
{
	Export	   *e = r->exporting;

	if (!pg_rows_is_null(rows, 0, 2))
	{
		/* A refusal, whose row is one of dispatch(). */
		e->state = EXPORT_WHOLE;
		over(r);
		request_hold(r);
		request_take_answer(r);
		return false;
	}
	r->rows = pg_rows_keep(rows);
	r->answer.status = atoi(pg_rows_get(rows, 0, 0).data);
	r->answer.headers = pg_rows_get(rows, 0, 1);
	if (!pg_rows_is_null(rows, 0, 4))
		events_add(r->server->events, pg_rows_get(rows, 0, 4));
	e->state = EXPORT_FLOWING;
	if (r->head)
	{
		e->state = EXPORT_WHOLE;
		over(r);
	}
	reply_stream(r, give);
	return !r->head;
}

static bool
on_row(PgJob *job)
{
	Request    *r = job->data;
	Export	   *e = r->exporting;

	if (e->session == NULL)
		return false;
	if (e->state == EXPORT_OPENING)
		return take_head(r, job->rows);
	e->piece = pg_rows_keep(job->rows);
	e->rest = pg_rows_get(job->rows, 0, 2);
	request_resume(r);
	return false;
}

static void
on_done(PgJob *job)
{
	Request    *r = job->data;
	Export	   *e = r->exporting;

	if (e->session == NULL)
		;						/* nobody waits any more */
	else if (job->outcome == PG_OK && e->state == EXPORT_FLOWING)
	{
		e->state = EXPORT_WHOLE;
		over(r);
		request_resume(r);
	}
	else if (job->outcome == PG_ERROR && strcmp(job->sqlstate, "57014") == 0)
		fail(r, 504, "timeout");
	else if (job->outcome == PG_OK || (job->outcome == PG_ERROR && job->sqlstate[0] != '5' && job->sqlstate[0] != '0'))
		fail(r, 500, "internal");
	else
		fail(r, 503, "database_unavailable");
	request_release(r);
}

static void
on_open(void *data, bool well)
{
	Request    *r = data;
	Export	   *e = r->exporting;

	e->opening = false;
	if (well)
	{
		request_fill_job(r, (Str) {NULL, 0});
		r->job.sql = EXPORT_SQL;
		r->job.each = on_row;
		r->job.done = on_done;
		request_hold(r);
		pg_session_run(e->session, &r->job);
	}
	else
		fail(r, 503, "database_unavailable");
	request_release(r);
}

void
export_begin(Request *r)
{
	const Config *c = r->server->config;
	Export	   *e;
	PgSessionOptions options = {
		.url = c->db_direct_url != NULL ? c->db_direct_url : c->db_slow_url,
		.statement_ms = (int) c->stream_ms, .on_open = on_open, .data = r
	};

	if (atomic_fetch_add(&running, 1) >= (int) c->exports)
	{
		atomic_fetch_sub(&running, 1);
		atomic_fetch_add(&refused, 1);
		r->retry_after = RETRY_AFTER_S;
		reply_problem(r, 503, "overloaded");
		return;
	}
	e = arena_alloc(&r->arena, sizeof(Export));
	memset(e, 0, sizeof(*e));
	r->exporting = e;
	r->state = REQUEST_DATABASE;
	loop_timer_init(&e->watch, on_watch, r);
	loop_timer_set(r->server->loop, &e->watch, WATCH_MS);
	e->opening = true;
	request_hold(r);
	e->session = pg_session_open(r->server->pg, &options);
}

void
export_stats(ExportStats *out)
{
	out->running = atomic_load(&running);
	out->refused = atomic_load(&refused);
	out->cut = atomic_load(&cut);
}
