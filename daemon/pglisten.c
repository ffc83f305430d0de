/*
 * pglisten.c
 *		A connection that LISTENs.
 *
 * After a loss it comes back like the others; what was sent meanwhile is
 * lost, which on_down and on_up tell the owner.  A SELECT every few seconds
 * finds out that a link is dead whose other end vanished silently.
 */
#include "daemon/pgconn.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "daemon/arena.h"
#include "daemon/log.h"

#define CONNECT_MS 5000
#define PING_MS 5000
#define BACKOFF_FIRST_MS 200
#define BACKOFF_LAST_MS 5000

struct PgListener
{
	PgListenerOptions options;
	Loop	   *loop;
	PGconn	   *pg;
	LoopFd		fd;
	LoopTimer	timer;
	bool		connected;		/* the handshake is over */
	bool		up;				/* the LISTENs are in force */
	bool		busy;			/* a statement is under way */
	PgJob	   *running;		/* whose it is; NULL: our own */
	JobList		jobs;			/* that wait */
	int			pause_ms;
};

static void
end_job(PgJob *job, PgOutcome outcome)
{
	PgRows	   *rows = job->rows;

	job->outcome = outcome;
	job->done(job);				/* may free the job */
	if (rows != NULL)
		pg_rows_release(rows);
}

/* Those who wait learn that their statements are lost. */
static void
lose_jobs(PgListener *l)
{
	PgJob	   *job = l->running;

	l->running = NULL;
	if (job != NULL)
		end_job(job, PG_LOST);
	while ((job = joblist_pop(&l->jobs)) != NULL)
		end_job(job, PG_LOST);
}

static void
lose(PgListener *l, const char *why)
{
	if (l->up || l->pause_ms == 0)
		log_warning("%s: connection lost: %.300s", l->options.name, why);
	loop_timer_clear(l->loop, &l->timer);
	loop_fd_drop(l->loop, &l->fd);
	if (l->pg != NULL)
		PQfinish(l->pg);
	l->pg = NULL;
	l->connected = l->busy = false;
	if (l->up)
	{
		l->up = false;
		l->options.on_down(l->options.data);
	}
	lose_jobs(l);
	l->pause_ms = l->pause_ms == 0 ? BACKOFF_FIRST_MS : l->pause_ms * 2;
	if (l->pause_ms > BACKOFF_LAST_MS)
		l->pause_ms = BACKOFF_LAST_MS;
	loop_timer_set(l->loop, &l->timer, l->pause_ms / 2
				   + loop_random(l->loop, (uint32_t) l->pause_ms));
}

/* What cannot be sent at once waits for EPOLLOUT. */
static void
flush(PgListener *l)
{
	int			rest = PQflush(l->pg);

	if (rest < 0)
		lose(l, PQerrorMessage(l->pg));
	else
		loop_fd_events(l->loop, &l->fd, rest > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void
say(PgListener *l, const char *sql)
{
	if (PQsendQuery(l->pg, sql) == 0)
	{
		lose(l, PQerrorMessage(l->pg));
		return;
	}
	l->busy = true;
	loop_timer_set(l->loop, &l->timer, CONNECT_MS);
	flush(l);
}

static void
listen_all(PgListener *l)
{
	char		sql[512];
	size_t		len = 0;

	l->connected = true;
	(void) PQsetnonblocking(l->pg, 1);
	for (int i = 0; l->options.channels[i] != NULL && len < sizeof(sql); i++)
		len += (size_t) snprintf(sql + len, sizeof(sql) - len, "LISTEN %s;",
								 l->options.channels[i]);
	say(l, len > 0 ? sql : "SELECT 1");
}

static void
connect_step(PgListener *l)
{
	PostgresPollingStatusType step = PQconnectPoll(l->pg);
	uint32_t	events = step == PGRES_POLLING_READING ? EPOLLIN : EPOLLOUT;

	if (step == PGRES_POLLING_FAILED)
	{
		lose(l, PQerrorMessage(l->pg));
		return;
	}
	loop_fd_drop(l->loop, &l->fd);
	if (loop_fd_watch(l->loop, &l->fd, PQsocket(l->pg), events) < 0)
		lose(l, "cannot watch its socket");
	else if (step == PGRES_POLLING_OK)
		listen_all(l);
}

/* Sends the next job, if the connection is free for it. */
static void
run_next(PgListener *l)
{
	PgJob	   *job;

	if (!l->up || l->busy || (job = joblist_pop(&l->jobs)) == NULL)
		return;
	l->running = job;
	if (PQsendQueryParams(l->pg, job->sql, job->nparams, NULL, job->params,
						  job->lengths, job->formats, 0) == 0)
	{
		lose(l, PQerrorMessage(l->pg));
		return;
	}
	l->busy = true;
	loop_timer_set(l->loop, &l->timer, CONNECT_MS);
	flush(l);
}

/* The statement that was under way is over. */
static void
finish(PgListener *l)
{
	PgJob	   *job = l->running;

	l->busy = false;
	l->running = NULL;
	loop_timer_set(l->loop, &l->timer, PING_MS);
	if (!l->up)
	{
		l->up = true;
		l->pause_ms = 0;
		l->options.on_up(l->options.data);
	}
	if (job != NULL)
		end_job(job, job->sqlstate[0] ? PG_ERROR : PG_OK);
	run_next(l);
}

/* Reads what came; false if a statement of our own failed. */
static bool
read_results(PgListener *l)
{
	while (l->pg != NULL && l->busy && !PQisBusy(l->pg))
	{
		PGresult   *result = PQgetResult(l->pg);
		ExecStatusType status = PQresultStatus(result);
		const char *sqlstate;

		if (result == NULL)
			finish(l);
		else if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
		{
			if (l->running != NULL && l->running->rows == NULL)
				l->running->rows = pg_rows_new(result);
			else
				PQclear(result);
		}
		else if (l->running == NULL)
		{
			PQclear(result);
			return false;
		}
		else
		{
			sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
			snprintf(l->running->sqlstate, sizeof(l->running->sqlstate), "%.5s",
					 sqlstate ? sqlstate : "08006");
			log_warning("statement failed: %s %s", l->running->sqlstate,
						PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
			PQclear(result);
		}
	}
	return true;
}

static void
on_ready(LoopFd *w, uint32_t events)
{
	PgListener *l = w->data;
	PGnotify   *notify;

	if (!l->connected)
	{
		connect_step(l);
		return;
	}
	if ((events & ~(uint32_t) EPOLLOUT) && PQconsumeInput(l->pg) == 0)
	{
		lose(l, PQerrorMessage(l->pg));
		return;
	}
	if (!read_results(l))
	{
		lose(l, "a statement failed");
		return;
	}
	while (l->pg != NULL && (notify = PQnotifies(l->pg)) != NULL)
	{
		l->options.on_notify(l->options.data, notify->relname, notify->extra);
		PQfreemem(notify);
	}
	if (l->pg != NULL)
		flush(l);
}

static void
start(PgListener *l)
{
	const char *const keywords[] = {
		"dbname", "application_name", "client_encoding", "keepalives_idle", NULL
	};
	const char *const values[] = {l->options.url, l->options.name, "UTF8", "30", NULL};

	l->pg = PQconnectStartParams(keywords, values, 1);
	if (l->pg == NULL || PQstatus(l->pg) == CONNECTION_BAD
		|| loop_fd_watch(l->loop, &l->fd, PQsocket(l->pg), EPOLLOUT) < 0)
	{
		lose(l, l->pg ? PQerrorMessage(l->pg) : "out of memory");
		return;
	}
	loop_timer_set(l->loop, &l->timer, CONNECT_MS);
}

static void
on_timer(LoopTimer *timer)
{
	PgListener *l = timer->data;

	if (l->pg == NULL)
		start(l);
	else if (l->up && !l->busy)
		say(l, "SELECT 1");
	else
		lose(l, "no answer in time");
}

PgListener *
pg_listener_new(Loop *loop, const PgListenerOptions *options)
{
	PgListener *l = mem_alloc(sizeof(PgListener));

	l->options = *options;
	l->loop = loop;
	joblist_init(&l->jobs);
	loop_fd_init(&l->fd, on_ready, l);
	loop_timer_init(&l->timer, on_timer, l);
	start(l);
	return l;
}

void
pg_listener_destroy(PgListener *l)
{
	loop_timer_clear(l->loop, &l->timer);
	loop_fd_drop(l->loop, &l->fd);
	if (l->pg != NULL)
		PQfinish(l->pg);
	lose_jobs(l);
	free(l);
}

bool
pg_listener_submit(PgListener *l, PgJob *job)
{
	if (!l->up)
		return false;
	job->rows = NULL;
	job->row = job->col = 0;
	job->sqlstate[0] = '\0';
	joblist_push(&l->jobs, job);
	run_next(l);
	return true;
}
