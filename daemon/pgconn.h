/*
 * pgconn.h
 *		One PostgreSQL connection in pipeline mode; private to daemon/pg*.c.
 */
#ifndef DAEMON_PGCONN_H
#define DAEMON_PGCONN_H

#include "daemon/loop.h"
#include "daemon/pgpool.h"

struct pg_conn;
struct pg_result;

/* Takes the result over. */
extern PgRows *pg_rows_new(struct pg_result *result);

typedef struct JobList
{
	PgJob	   *head;
	PgJob	  **tail;
	int			n;
} JobList;

extern void joblist_init(JobList *list);
extern void joblist_push(JobList *list, PgJob *job);
extern void joblist_remove(JobList *list, PgJob *job);
extern PgJob *joblist_pop(JobList *list);	/* NULL when empty */

typedef enum PgConnState
{
	PGCONN_DOWN,				/* a timer will try again */
	PGCONN_CONNECTING,			/* libpq is shaking hands */
	PGCONN_PREPARING,			/* statements are being prepared */
	PGCONN_UP,
	PGCONN_CLOSED				/* for good */
} PgConnState;

typedef struct PgConn PgConn;

typedef struct PgConnOptions
{
	const char *url;
	const char *name;			/* application_name */
	const char *settings;		/* "-c name=value ...", or NULL: the role's
								 * own */
	bool		prepare;		/* may the server keep statements for us? */
	const char *prepare_many;	/* a second statement to prepare, or NULL */
	PgPool	   *pool;			/* told of jobs that ended; NULL: call done() */
	void		(*on_change) (PgConn *c);	/* came up or went down; or NULL */
	void	   *data;
} PgConnOptions;

struct PgConn
{
	PgConnOptions options;
	Loop	   *loop;
	PgConnState state;
	struct pg_conn *pg;
	LoopFd		fd;
	LoopTimer	timer;			/* next try, or the end of this one */
	int			failures;		/* in a row */
	int64_t		recycle_ms;		/* when it has served long enough */

	JobList		flight;			/* sent, in order */
	int			batches;		/* of those, such as may be batched */
	int			unsynced;		/* sent since the last Sync */
	int			syncs;			/* Syncs not answered yet */
	bool		awaiting_sync;	/* the head's results are complete */
	bool		dirty;			/* libpq may have bytes to send */
	bool		paused;			/* a job's each() wants no more for now */
};

extern void pgconn_init(PgConn *c, Loop *loop, const PgConnOptions *options);
extern void pgconn_close(PgConn *c);	/* ends what is in flight as PG_LOST */
extern bool pgconn_is_up(const PgConn *c);
extern void pgconn_send(PgConn *c, PgJob *job);
extern void pgconn_sync(PgConn *c); /* only if something was sent since */
extern void pgconn_flush(PgConn *c);
extern void pgconn_resume(PgConn *c);	/* a job's each() wants more */

/* pgpool.c: a pool's sessions, which end with it, and its loop. */
extern PgSession **pgpool_sessions(PgPool *pool);
extern Loop *pgpool_loop(PgPool *pool);

/* pgsession.c */
extern void pg_session_free(PgSession *s);

/* pgpool.c: c is through with a job and has forgotten it. */
extern void pgpool_job_done(PgPool *pool, PgJob *job, PgOutcome outcome);

#endif							/* DAEMON_PGCONN_H */
