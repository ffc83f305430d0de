/*
 * pgconn.c
 *		One PostgreSQL connection in pipeline mode.
 *
 * It connects, prepares, and comes back by itself after a loss, with growing
 * pauses.  See pgpool.c for what the flight list promises.
 *
 * PQcancel is never used: on a pipelined connection it hits whichever request
 * happens to run.  Statement timeouts end what takes too long.
 */
#include "daemon/pgconn.h"

#include <libpq-fe.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "daemon/arena.h"
#include "daemon/log.h"

#define CONNECT_MS 5000
#define BACKOFF_FIRST_MS 100
#define BACKOFF_LAST_MS 5000
#define RECYCLE_MS (30 * 60 * 1000)

/*
 * The same as SELECT * FROM sc_api.dispatch(...), without the tuplestore of a
 * function in FROM, a tenth of a light read.  OFFSET 0 keeps the planner from
 * calling dispatch once per column.
 */
static const char DISPATCH_SQL[] =
"SELECT (d).status, (d).headers, (d).body, (d).touched, (d).events"
" FROM (SELECT sc_api.dispatch($1, $2, $3, $4, $5, $6, $7, $8) AS d OFFSET 0) AS s";

struct PgRows
{
	atomic_int	refs;			/* some rows travel to other loops */
	PGresult   *result;
};

static void start(PgConn *c);
static void lose(PgConn *c, const char *why);

/* ---- lists ---- */

void
joblist_init(JobList *list)
{
	list->head = NULL;
	list->tail = &list->head;
	list->n = 0;
}

void
joblist_push(JobList *list, PgJob *job)
{
	job->next = NULL;
	job->link = list->tail;
	*list->tail = job;
	list->tail = &job->next;
	list->n++;
}

void
joblist_remove(JobList *list, PgJob *job)
{
	*job->link = job->next;
	if (job->next != NULL)
		job->next->link = job->link;
	else
		list->tail = job->link;
	list->n--;
}

PgJob *
joblist_pop(JobList *list)
{
	PgJob	   *job = list->head;

	if (job != NULL)
		joblist_remove(list, job);
	return job;
}

/* ---- rows ---- */

PgRows *
pg_rows_new(PGresult *result)
{
	PgRows	   *rows = mem_alloc(sizeof(PgRows));

	atomic_init(&rows->refs, 1);
	rows->result = result;
	return rows;
}

PgRows *
pg_rows_keep(PgRows *rows)
{
	atomic_fetch_add(&rows->refs, 1);
	return rows;
}

void
pg_rows_release(PgRows *rows)
{
	if (atomic_fetch_sub(&rows->refs, 1) != 1)
		return;
	PQclear(rows->result);
	free(rows);
}

int
pg_rows_count(const PgRows *rows)
{
	return PQntuples(rows->result);
}

int
pg_rows_column(const PgRows *rows, const char *name)
{
	return PQfnumber(rows->result, name);
}

bool
pg_rows_is_null(const PgRows *rows, int row, int col)
{
	return PQgetisnull(rows->result, row, col);
}

Str
pg_rows_get(const PgRows *rows, int row, int col)
{
	return (Str) {PQgetvalue(rows->result, row, col), (size_t) PQgetlength(rows->result, row, col)};
}

/* ---- coming and going ---- */

static void
end_job(PgConn *c, PgJob *job, PgOutcome outcome)
{
	joblist_remove(&c->flight, job);
	c->batches -= job->batch;
	if (c->options.pool != NULL)
		pgpool_job_done(c->options.pool, job, outcome);
	else
	{
		PgRows	   *rows;

		job->outcome = outcome;
		rows = job->rows;
		job->done(job);			/* may free the job */
		if (rows != NULL)
			pg_rows_release(rows);
	}
}

/* Drops the link and tells the jobs in flight; the state is the caller's. */
static void
disconnect(PgConn *c)
{
	PgJob	   *job;

	loop_timer_clear(c->loop, &c->timer);
	loop_fd_drop(c->loop, &c->fd);
	if (c->pg != NULL)
		PQfinish(c->pg);
	c->pg = NULL;
	c->unsynced = c->syncs = 0;
	c->awaiting_sync = c->dirty = c->paused = false;
	while ((job = c->flight.head) != NULL)
	{
		job->aborted = false;
		end_job(c, job, PG_LOST);
	}
}

static void
lose(PgConn *c, const char *why)
{
	int			pause = BACKOFF_FIRST_MS << (c->failures < 6 ? c->failures : 6);

	if (c->failures == 0)
		log_warning("%s: connection lost: %.300s", c->options.name, why);
	if (pause > BACKOFF_LAST_MS)
		pause = BACKOFF_LAST_MS;
	c->failures++;
	c->state = PGCONN_DOWN;
	disconnect(c);
	loop_timer_set(c->loop, &c->timer,
				   pause / 2 + (int) loop_random(c->loop, (uint32_t) pause));
	if (c->options.on_change != NULL)
		c->options.on_change(c);
}

static void
up(PgConn *c)
{
	if (c->failures > 0)
		log_info("%s: connected again", c->options.name);
	c->failures = 0;
	c->state = PGCONN_UP;
	loop_timer_clear(c->loop, &c->timer);
	c->recycle_ms = loop_now_ms(c->loop) + RECYCLE_MS
		+ loop_random(c->loop, RECYCLE_MS / 2);
	if (c->options.on_change != NULL)
		c->options.on_change(c);
}

/* Connected: enter pipeline mode and prepare what this lane runs. */
static void
prepare(PgConn *c)
{
	bool		ok = PQsetnonblocking(c->pg, 1) == 0
	&& PQenterPipelineMode(c->pg) == 1;

	if (ok && c->options.prepare)
	{
		ok = PQsendPrepare(c->pg, "dispatch", DISPATCH_SQL, 0, NULL) == 1;
		if (ok && c->options.prepare_many != NULL)
			ok = PQsendPrepare(c->pg, "many", c->options.prepare_many, 0, NULL) == 1;
		ok = ok && PQpipelineSync(c->pg) == 1;
		c->state = PGCONN_PREPARING;
		loop_fd_events(c->loop, &c->fd, EPOLLIN);
		c->dirty = true;
		pgconn_flush(c);
	}
	else if (ok)
	{
		loop_fd_events(c->loop, &c->fd, EPOLLIN);
		up(c);
	}
	if (!ok)
		lose(c, PQerrorMessage(c->pg));
}

/* A step of the handshake.  libpq may change its socket between steps. */
static void
connect_step(PgConn *c)
{
	PostgresPollingStatusType step = PQconnectPoll(c->pg);
	uint32_t	events = step == PGRES_POLLING_READING ? EPOLLIN : EPOLLOUT;

	if (step == PGRES_POLLING_FAILED)
	{
		lose(c, PQerrorMessage(c->pg));
		return;
	}
	loop_fd_drop(c->loop, &c->fd);
	if (loop_fd_watch(c->loop, &c->fd, PQsocket(c->pg), events) < 0)
		lose(c, "cannot watch its socket");
	else if (step == PGRES_POLLING_OK)
		prepare(c);
}

static void
start(PgConn *c)
{
	const char *keywords[] = {
		"dbname", "application_name", "client_encoding", "keepalives_idle",
		"tcp_user_timeout", "options", NULL
	};
	const char *values[] = {
		c->options.url, c->options.name, "UTF8", "30", "15000", c->options.settings, NULL
	};

	if (c->options.settings == NULL)
		keywords[5] = NULL;
	c->state = PGCONN_CONNECTING;
	c->pg = PQconnectStartParams(keywords, values, 1);
	if (c->pg == NULL)
	{
		lose(c, "out of memory");
		return;
	}
	if (PQstatus(c->pg) == CONNECTION_BAD
		|| loop_fd_watch(c->loop, &c->fd, PQsocket(c->pg), EPOLLOUT) < 0)
	{
		lose(c, PQerrorMessage(c->pg));
		return;
	}
	loop_timer_set(c->loop, &c->timer, CONNECT_MS);
}

static void
on_timer(LoopTimer *timer)
{
	PgConn	   *c = timer->data;

	if (c->state == PGCONN_DOWN)
		start(c);
	else
		lose(c, "no answer in time");
}

/* ---- results ---- */

static void
take_error(PgJob *job, const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	snprintf(job->sqlstate, sizeof(job->sqlstate), "%.5s",
			 sqlstate ? sqlstate : "08006");
	if (job->rows != NULL)
	{
		pg_rows_release(job->rows);
		job->rows = NULL;
	}

	/* There refusals are errors, and conflicts with the recovery are daily. */
	log_event(job->lane == PG_LANE_REPLICA ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING,
			  "statement failed: %s %s", job->sqlstate, text ? text : "");
}

/*
 * Takes one result off the wire; NULL is libpq's "no more for this query".
 * False when nothing further can be read now.
 */
static bool
take_result(PgConn *c, PGresult *result)
{
	PgJob	   *job = c->flight.head;

	if (result == NULL)
	{
		if (c->awaiting_sync)
			return false;
		if (job->synced)
			c->awaiting_sync = true;
		else
			end_job(c, job, job->sqlstate[0] ? PG_ERROR : PG_OK);
		return true;
	}
	switch (PQresultStatus(result))
	{
		case PGRES_TUPLES_OK:
		case PGRES_COMMAND_OK:
			if (job->rows != NULL)
				pg_rows_release(job->rows);
			job->rows = pg_rows_new(result);
			return true;
		case PGRES_SINGLE_TUPLE:
			job->rows = pg_rows_new(result);
			c->paused = !job->each(job);
			pg_rows_release(job->rows);
			job->rows = NULL;
			return !c->paused;
		case PGRES_PIPELINE_SYNC:
			PQclear(result);
			c->syncs--;
			c->awaiting_sync = false;
			end_job(c, job, job->sqlstate[0] ? PG_ERROR : PG_OK);
			return true;
		case PGRES_PIPELINE_ABORTED:
			job->aborted = true;
			PQclear(result);
			return true;
		default:
			take_error(job, result);
			PQclear(result);
			return true;
	}
}

static void
read_results(PgConn *c)
{
	while (c->pg != NULL && c->flight.n > 0 && !c->paused && !PQisBusy(c->pg))
	{
		if (!take_result(c, PQgetResult(c->pg)))
			break;
	}
	if (c->pg != NULL && PQstatus(c->pg) == CONNECTION_BAD)
		lose(c, "closed by the server");
	else if (c->paused)
		loop_fd_events(c->loop, &c->fd, 0);
}

/* Prepared statements are confirmed one by one, then comes the Sync. */
static void
read_prepared(PgConn *c)
{
	while (!PQisBusy(c->pg))
	{
		PGresult   *result = PQgetResult(c->pg);
		ExecStatusType status = PQresultStatus(result);
		char		why[256];

		if (result == NULL)
			continue;
		snprintf(why, sizeof(why), "%s", PQresultErrorMessage(result));
		PQclear(result);
		if (status == PGRES_PIPELINE_SYNC)
		{
			up(c);
			return;
		}
		if (status != PGRES_COMMAND_OK)
		{
			lose(c, why);
			return;
		}
	}
}

static void
on_ready(LoopFd *w, uint32_t events)
{
	PgConn	   *c = w->data;

	if (c->state == PGCONN_CONNECTING)
	{
		connect_step(c);
		return;
	}
	if (events & EPOLLOUT)
		c->dirty = true;
	if (events & ~(uint32_t) EPOLLOUT)
	{
		if (PQconsumeInput(c->pg) == 0)
		{
			char		why[256];

			snprintf(why, sizeof(why), "%s", PQerrorMessage(c->pg));
			/* What came before the end still counts. */
			if (c->state == PGCONN_UP)
				read_results(c);
			if (c->pg != NULL)
				lose(c, why);
			return;
		}
		if (c->state == PGCONN_PREPARING)
			read_prepared(c);
		else
			read_results(c);
	}
	if (c->pg != NULL)
		pgconn_flush(c);
}

/* ---- what the pool calls ---- */

void
pgconn_init(PgConn *c, Loop *loop, const PgConnOptions *options)
{
	memset(c, 0, sizeof(*c));
	c->options = *options;
	c->loop = loop;
	joblist_init(&c->flight);
	loop_fd_init(&c->fd, on_ready, c);
	loop_timer_init(&c->timer, on_timer, c);
	start(c);
}

void
pgconn_close(PgConn *c)
{
	c->state = PGCONN_CLOSED;
	disconnect(c);
}

bool
pgconn_is_up(const PgConn *c)
{
	return c->state == PGCONN_UP;
}

void
pgconn_send(PgConn *c, PgJob *job)
{
	int			ok;

	job->waiting = job->synced = job->aborted = false;
	job->sqlstate[0] = '\0';
	joblist_push(&c->flight, job);
	c->batches += job->batch;
	c->unsynced++;
	if (c->options.prepare && job->sql == NULL)
		ok = PQsendQueryPrepared(c->pg, "dispatch", job->nparams, job->params,
								 NULL, NULL, 0);
	else if (c->options.prepare && job->sql == c->options.prepare_many)
		ok = PQsendQueryPrepared(c->pg, "many", job->nparams, job->params,
								 job->lengths, job->formats, 0);
	else
		ok = PQsendQueryParams(c->pg, job->sql ? job->sql : DISPATCH_SQL,
							   job->nparams, NULL, job->params, job->lengths,
							   job->formats, 0);
	if (ok && job->each != NULL)
		ok = PQsetSingleRowMode(c->pg);
	if (!ok)
		lose(c, PQerrorMessage(c->pg));
}

void
pgconn_sync(PgConn *c)
{
	PgJob	   *last;

	if (c->state != PGCONN_UP || c->unsynced == 0)
		return;
	last = (PgJob *) ((char *) c->flight.tail - offsetof(PgJob, next));
	last->synced = true;
	c->unsynced = 0;
	c->syncs++;
	c->dirty = true;
	if (PQpipelineSync(c->pg) == 0)
		lose(c, PQerrorMessage(c->pg));
}

/* Sends what libpq still holds, and asks to be called when it could not. */
void
pgconn_flush(PgConn *c)
{
	int			rest;

	if (c->pg == NULL)
		return;
	if (c->state == PGCONN_UP && c->flight.n == 0 && c->options.pool != NULL
		&& loop_now_ms(c->loop) >= c->recycle_ms)
	{
		/* Old enough: caches of the backend are given back to the system. */
		disconnect(c);
		start(c);
		return;
	}
	if (!c->dirty || c->state < PGCONN_PREPARING)
		return;
	rest = PQflush(c->pg);
	if (rest < 0)
	{
		lose(c, PQerrorMessage(c->pg));
		return;
	}
	c->dirty = rest > 0;
	loop_fd_events(c->loop, &c->fd, rest > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/*
 * What libpq holds already comes first: to read on before it is used up would
 * make its buffer grow with every turn.
 */
void
pgconn_resume(PgConn *c)
{
	if (!c->paused)
		return;
	c->paused = false;
	read_results(c);
	if (c->pg == NULL || c->paused)
		return;
	loop_fd_events(c->loop, &c->fd, EPOLLIN);
	on_ready(&c->fd, EPOLLIN);
}
