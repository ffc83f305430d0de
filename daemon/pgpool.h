/*
 * pgpool.h
 *		PostgreSQL for one event loop: lanes of connections.
 *
 * The only file that calls libpq.  A job is one statement with text
 * parameters; it is embedded in whatever waits for it, and its done() is
 * called exactly once, on the loop's thread, never from inside
 * pgpool_submit().
 *
 * Lanes differ in how connections are shared:
 *
 * read		many jobs share one Sync, sent at the end of the turn.  A job that
 *			failed takes those after it down; they are sent again, each with
 *			a Sync of its own.  Those that may be batched travel as one
 *			dispatch_many().
 * hot		jobs for dispatch() that meet here travel as one dispatch_many().
 * write	a Sync for each job; the result counts once the Sync is back.
 * slow		one job to a connection, a bounded queue, caps by cost.
 * replica	one job to a connection, on the replica.  Who submits to it asks
 *			another lane if that was in vain.
 * stream	a PgSession: a connection of its own for a request that needs a
 *			transaction of several statements.
 */
#ifndef DAEMON_PGPOOL_H
#define DAEMON_PGPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/buf.h"
#include "daemon/loop.h"

typedef struct PgPool PgPool;
typedef struct PgJob PgJob;
typedef struct PgRows PgRows;
typedef struct PgSession PgSession;

typedef enum PgLane
{
	PG_LANE_READ,
	PG_LANE_HOT,
	PG_LANE_WRITE,
	PG_LANE_SLOW,
	PG_LANE_STREAM,
	PG_LANE_REPLICA,
	PG_LANES
} PgLane;

/* What a slow job spends; each has its own cap for the whole process. */
typedef enum PgCost
{
	PG_COST_WAIT,
	PG_COST_CPU,
	PG_COST_HASH,
	PG_COSTS
} PgCost;

/* How a job ended. */
typedef enum PgOutcome
{
	PG_OK,						/* rows are there; if it wrote, it is
								 * committed */
	PG_ERROR,					/* sqlstate says what the server refused */
	PG_UNAVAILABLE,				/* never sent: no connection in time */
	PG_BUSY,					/* never sent: the queue is full */
	PG_LOST						/* sent, and the connection went away */
} PgOutcome;

#define PG_MAX_PARAMS 8

struct PgJob
{
	const char *sql;			/* NULL: sc_api.dispatch() with these
								 * parameters */
	int			nparams;
	const char *params[PG_MAX_PARAMS];	/* NUL-terminated text, or NULL */
	const int  *lengths;		/* NULL, or with formats: as libpq takes them */
	const int  *formats;		/* 1: that parameter is bytes */
	PgLane		lane;
	PgCost		cost;
	bool		batch;			/* may go as one with others of its route */
	bool		(*each) (PgJob *job);	/* or NULL; see PgSession */
	void		(*done) (PgJob *job);
	void	   *data;

	/* The answer; rows belong to the pool unless pg_rows_keep() is called. */
	PgOutcome	outcome;
	PgRows	   *rows;
	int			row;			/* the answer is this row of them, */
	int			col;			/* from this column on */
	char		sqlstate[6];

	/* The pool's own. */
	PgJob	   *next;
	PgJob	  **link;			/* what points here while it waits or flies */
	int64_t		queued_ms;
	bool		waiting;		/* not sent yet */
	bool		alone;			/* gets a Sync of its own */
	bool		synced;			/* a Sync follows it */
	bool		aborted;		/* a neighbour took it down */
	bool		permitted;		/* holds a permit of its cost */
};

typedef struct PgPoolStats
{
	int			connections[PG_LANES];
	int			connected[PG_LANES];
	int			in_flight[PG_LANES];
	int			waiting[PG_LANES];
	uint64_t	jobs[PG_LANES];
	uint64_t	refused[PG_LANES];	/* queue full, or nobody answered in time */
	uint64_t	lost[PG_LANES];
	uint64_t	batches;		/* dispatch_many() calls and the rows in them */
	uint64_t	batch_rows;
	uint64_t	retried;		/* jobs taken down by a neighbour in the tick */
} PgPoolStats;

typedef struct PgPoolOptions
{
	const char *url;
	const char *slow_url;
	const char *replica_url;	/* NULL: that lane has no connections */
	int			connections[PG_LANES];	/* this loop's share */
	int			statement_ms[PG_LANES]; /* time a statement may take */
	bool		prepare;		/* false behind PgBouncer */
	int			wait_ms;		/* how long a job may wait for a connection */
	int			queue;			/* how many may wait in a lane */
	int			slow_queue;		/* and in the slow one */
} PgPoolOptions;

extern PgPool *pgpool_new(Loop *loop, const PgPoolOptions *options);
extern void pgpool_destroy(PgPool *pool);	/* ends all jobs as PG_LOST */

/* One of PG_COST_*: how many of them run at once in this process. */
extern void pgpool_set_cap(PgCost cost, int cap);

extern void pgpool_submit(PgPool *pool, PgJob *job);

/* Takes back a job that has not been sent; false if it has. done() is not called. */
extern bool pgpool_withdraw(PgPool *pool, PgJob *job);
extern void pgpool_stats(PgPool *pool, PgPoolStats *out);
extern bool pgpool_is_up(PgPool *pool, PgLane which);	/* has the lane a
														 * server? */

/* Rows are counted references: batches share one result. */
extern PgRows *pg_rows_keep(PgRows *rows);
extern void pg_rows_release(PgRows *rows);
extern int	pg_rows_count(const PgRows *rows);
extern int	pg_rows_column(const PgRows *rows, const char *name);	/* -1: none */
extern bool pg_rows_is_null(const PgRows *rows, int row, int col);
extern Str	pg_rows_get(const PgRows *rows, int row, int col);	/* NUL-terminated */

/*
 * A session: a connection that is opened for one purpose and closed after it,
 * or with the pool.
 * on_open tells once whether it came up.  Jobs run one after the other; a job
 * is done() when the server has confirmed it.  After pg_session_close() only
 * the done() of a job that was running is still called, with PG_LOST.
 *
 * A job with each() is given its rows one by one, each alone in job->rows, and
 * none with done().  When each() says false no more is read from the server
 * until pg_session_next(), which calls nobody at once.
 */
typedef struct PgSessionOptions
{
	const char *url;
	int			statement_ms;
	void		(*on_open) (void *data, bool well);
	void	   *data;
} PgSessionOptions;

extern PgSession *pg_session_open(PgPool *pool, const PgSessionOptions *options);
extern void pg_session_run(PgSession *s, PgJob *job);
extern void pg_session_next(PgSession *s);
extern void pg_session_close(PgSession *s);

/*
 * A listener: its own connection, LISTENing on the named channels, for the
 * whole process (run it on one loop).  on_notify gets channel and payload;
 * on_up is called whenever the LISTENs are (again) in force, on_down when the
 * link is lost: what was sent in between is missed.
 */
typedef struct PgListener PgListener;

typedef struct PgListenerOptions
{
	const char *url;
	const char *name;			/* towards the server, and in the log */
	const char *const *channels;	/* NULL-terminated, perhaps none */
	void		(*on_notify) (void *data, const char *channel, const char *payload);
	void		(*on_up) (void *data);
	void		(*on_down) (void *data);
	void	   *data;
} PgListenerOptions;

extern PgListener *pg_listener_new(Loop *loop, const PgListenerOptions *options);
extern void pg_listener_destroy(PgListener *l);

/*
 * Runs a statement on the listener's connection, past all lanes.  False, and
 * done() is not called, while the link is down; when it is lost meanwhile,
 * done() gets PG_LOST.
 */
extern bool pg_listener_submit(PgListener *l, PgJob *job);

#endif							/* DAEMON_PGPOOL_H */
