/*
 * pgsession.c
 *		A connection that is opened for one purpose and closed after it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "daemon/arena.h"
#include "daemon/pgconn.h"

/* A client that drips must not hold locks for ever; one that pauses may. */
#define IDLE_MS 60000
/* So often a backend that is at work looks whether we are still there. */
#define CHECK_MS 1000

struct PgSession
{
	PgSession  *next;			/* of the same pool */
	PgSession **link;
	PgSessionOptions options;
	Loop	   *loop;
	PgConn		conn;
	char		settings[160];
	bool		begun;			/* the connection was asked for */
	bool		told;			/* on_open was called */
	bool		closing;
	LoopTimer	timer;			/* opens, reads on, and frees what is in use
								 * now */
};

static void
tell(PgSession *s, bool well)
{
	if (s->told || s->closing)
		return;
	s->told = true;
	s->options.on_open(s->options.data, well);
}

static void
on_change(PgConn *c)
{
	PgSession  *s = c->options.data;

	if (c->state == PGCONN_UP)
		tell(s, true);
	else
	{
		/* A session that is lost is over: its transaction is gone. */
		pgconn_close(c);
		tell(s, false);
	}
}

void
pg_session_free(PgSession *s)
{
	*s->link = s->next;
	if (s->next != NULL)
		s->next->link = s->link;
	s->closing = true;
	loop_timer_clear(s->loop, &s->timer);
	pgconn_close(&s->conn);
	free(s);
}

static void
on_timer(LoopTimer *timer)
{
	PgSession  *s = timer->data;

	if (s->closing)
		pg_session_free(s);
	else if (s->begun)
		pgconn_resume(&s->conn);
	else
	{
		PgConnOptions options = {
			.url = s->options.url, .name = "coachd stream", .settings = s->settings,
			.on_change = on_change, .data = s
		};

		s->begun = true;
		pgconn_init(&s->conn, s->loop, &options);
	}
}

PgSession *
pg_session_open(PgPool *pool, const PgSessionOptions *options)
{
	PgSession  *s = mem_alloc(sizeof(PgSession));
	Loop	   *loop = pgpool_loop(pool);

	s->link = pgpool_sessions(pool);
	s->next = *s->link;
	if (s->next != NULL)
		s->next->link = &s->next;
	*s->link = s;
	s->options = *options;
	s->loop = loop;
	snprintf(s->settings, sizeof(s->settings),
			 "-c statement_timeout=%d -c idle_in_transaction_session_timeout=%d"
			 " -c client_connection_check_interval=%d",
			 options->statement_ms, IDLE_MS, CHECK_MS);

	/* Not before the caller knows the session: on_open may come at once. */
	joblist_init(&s->conn.flight);
	s->conn.loop = loop;
	s->conn.state = PGCONN_CLOSED;
	loop_fd_init(&s->conn.fd, NULL, NULL);
	loop_timer_init(&s->timer, on_timer, s);
	loop_timer_set(loop, &s->timer, 0);
	return s;
}

void
pg_session_run(PgSession *s, PgJob *job)
{
	job->rows = NULL;
	job->row = job->col = 0;
	job->sqlstate[0] = '\0';
	if (s->conn.state != PGCONN_UP)
	{
		job->outcome = PG_LOST;
		job->done(job);
		return;
	}
	pgconn_send(&s->conn, job);
	pgconn_sync(&s->conn);
	pgconn_flush(&s->conn);
}

void
pg_session_next(PgSession *s)
{
	loop_timer_set(s->loop, &s->timer, 0);
}

void
pg_session_close(PgSession *s)
{
	s->closing = true;
	loop_timer_set(s->loop, &s->timer, 0);
}
