/*
 * upload.c
 *		Bodies that travel to the database while they arrive (lane stream).
 *
 * One transaction on a connection of its own: BEGIN, upload_begin() (which
 * asks whether the user may), the chunks, dispatch() with the upload's id,
 * COMMIT.  Whatever ends it earlier closes the connection, and nothing has
 * happened.
 *
 * At most one chunk is on its way while the next one is gathered; when that
 * one is full too, HTTP is suspended: a slow database slows the client down,
 * and memory stays constant.
 *
 * MHD takes no answer while it still has parts of the body.  A refusal that is
 * known earlier waits until the body is over: see reply_problem().
 */
#include "shim/upload.h"

#include <microhttpd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "shim/reply.h"

#define CHUNK_SIZE ((size_t) 256 << 10)
/* How many at once in this process; main.c leaves room for their connections. */
#define UPLOADS_MAX 1
#define WATCH_MS 500

static const char BEGIN_SQL[] = "BEGIN";
static const char ALLOW_SQL[] = "SELECT * FROM sc_api.upload_begin($1, $2, $3, $4, $5)";
static const char CHUNK_SQL[] = "SELECT sc_api.upload_chunk($1, $2, $3)";
static const char COMMIT_SQL[] = "COMMIT";

typedef enum UploadState
{
	UPLOAD_OPENING,				/* until upload_begin() has answered */
	UPLOAD_OPEN,				/* chunks are welcome */
	UPLOAD_CLOSING,				/* dispatch() or COMMIT is under way */
	UPLOAD_OVER					/* no session any more */
} UploadState;

typedef struct Upload
{
	UploadState state;
	PgSession  *session;
	PgJob		job;
	bool		opening;		/* on_open() will come, and has a reference */
	bool		busy;			/* job is with the database */
	bool		complete;		/* the whole body has arrived */
	bool		waiting;		/* HTTP is suspended until there is room */
	bool		answered;		/* r->answer is a refusal of the database */
	Str			id;
	Buf			sending;
	int			seq;
	char		seq_text[12];
	int			lengths[3];
	PgRows	   *rows;			/* dispatch()'s, until the COMMIT is through */
	LoopTimer	watch;			/* is the client still there? */
} Upload;

static atomic_int running;

static void send_chunk(Request *r);
static void send_dispatch(Request *r);

/* ---- the end ---- */

static void
over(Request *r)
{
	Upload	   *u = r->uploading;

	if (u->state == UPLOAD_OVER)
		return;
	u->state = UPLOAD_OVER;
	loop_timer_clear(r->server->loop, &u->watch);
	atomic_fetch_sub(&running, 1);
	if (u->session != NULL)
		pg_session_close(u->session);
	u->session = NULL;
	if (u->rows != NULL)
		pg_rows_release(u->rows);
	u->rows = NULL;
	if (!u->busy)
		buf_free(&u->sending);
	if (u->opening)
	{
		u->opening = false;
		request_release(r);
	}
}

/* Answers if MHD can take an answer; otherwise when the body is over. */
static void
settle(Request *r)
{
	Upload	   *u = r->uploading;

	over(r);
	if (request_is_over(r))
		return;
	if (u->answered && u->complete)
		reply_answer(r);
	else if (u->answered)
		request_resume(r);
	else
		reply_problem(r, r->refused, r->refused_code);
}

static void
refuse(Request *r, int status, const char *code)
{
	if (r->refused == 0)
	{
		r->refused = status;
		r->refused_code = code;
	}
	settle(r);
}

void
upload_abort(Request *r)
{
	refuse(r, 504, "timeout");
}

/* ---- statements ---- */

static void
run(Request *r, const char *sql, int nparams, void (*done) (PgJob *))
{
	Upload	   *u = r->uploading;

	u->job.sql = sql;
	u->job.nparams = nparams;
	u->job.lengths = u->job.formats = NULL;
	u->job.done = done;
	u->job.data = r;
	u->busy = true;
	request_hold(r);
	pg_session_run(u->session, &u->job);
}

/*
 * Every done() begins here: false when the statement failed or nobody waits
 * any more; then all is seen to.
 */
static bool
went_well(Request *r, const PgJob *job)
{
	Upload	   *u = r->uploading;

	u->busy = false;
	if (u->state == UPLOAD_OVER)
	{
		buf_free(&u->sending);
		return false;
	}
	if (job->outcome == PG_OK)
		return true;
	if (job->outcome == PG_ERROR && strcmp(job->sqlstate, "SC413") == 0)
		refuse(r, 413, "body_too_large");
	else if (job->outcome == PG_ERROR && strcmp(job->sqlstate, "57014") == 0)
		refuse(r, 504, "timeout");
	else if (job->outcome == PG_ERROR && job->sqlstate[0] != '5' && job->sqlstate[0] != '0')
		refuse(r, 500, "internal");
	else
		refuse(r, 503, job->sql == COMMIT_SQL ? "outcome_unknown" : "database_unavailable");
	return false;
}

static void
on_committed(PgJob *job)
{
	Request    *r = job->data;
	Upload	   *u = r->uploading;

	if (went_well(r, job))
	{
		PgRows	   *rows = u->rows;

		u->rows = NULL;
		over(r);
		r->job.rows = rows;
		request_hold(r);
		request_take_answer(r);
		pg_rows_release(rows);
	}
	request_release(r);
}

static void
on_dispatched(PgJob *job)
{
	Request    *r = job->data;
	Upload	   *u = r->uploading;

	if (went_well(r, job))
	{
		u->rows = pg_rows_keep(job->rows);
		run(r, COMMIT_SQL, 0, on_committed);
	}
	request_release(r);
}

static void
send_dispatch(Request *r)
{
	Upload	   *u = r->uploading;

	u->state = UPLOAD_CLOSING;
	request_fill_job(r, u->id);
	memcpy(u->job.params, r->job.params, sizeof(u->job.params));
	run(r, NULL, 8, on_dispatched);
}

static void
on_chunk(PgJob *job)
{
	Request    *r = job->data;
	Upload	   *u = r->uploading;

	if (went_well(r, job))
	{
		if (r->body.len >= CHUNK_SIZE || (u->complete && r->body.len > 0))
			send_chunk(r);
		else if (u->complete)
			send_dispatch(r);
		if (u->waiting && r->body.len < CHUNK_SIZE)
		{
			u->waiting = false;
			request_resume(r);
		}
	}
	request_release(r);
}

/* Sends what was gathered, and gathers on in the other buffer. */
static void
send_chunk(Request *r)
{
	static const int formats[3] = {0, 0, 1};
	Upload	   *u = r->uploading;
	Buf			full = r->body;

	r->body = u->sending;
	buf_clear(&r->body);
	u->sending = full;
	snprintf(u->seq_text, sizeof(u->seq_text), "%d", u->seq++);
	u->job.sql = CHUNK_SQL;
	u->job.params[0] = u->id.data;
	u->job.params[1] = u->seq_text;
	u->job.params[2] = u->sending.data;
	u->lengths[2] = (int) u->sending.len;
	u->job.nparams = 3;
	u->job.lengths = u->lengths;
	u->job.formats = formats;
	u->job.done = on_chunk;
	u->job.data = r;
	u->busy = true;
	request_hold(r);
	pg_session_run(u->session, &u->job);
}

/*
 * MHD overlooks that a client has left when the end of the stream came
 * together with data; it would notice after its idle time, and so long the
 * place would be taken.  Shutting the socket down makes it look.
 */
static void
on_watch(LoopTimer *timer)
{
	Request    *r = timer->data;
	const union MHD_ConnectionInfo *info =
	MHD_get_connection_info(r->http, MHD_CONNECTION_INFO_CONNECTION_FD);
	char		byte;

	if (info != NULL && !r->suspended
		&& recv(info->connect_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
		(void) shutdown(info->connect_fd, SHUT_RDWR);
	loop_timer_set(r->server->loop, &r->uploading->watch, WATCH_MS);
}

/* ---- the beginning ---- */

static void
on_allowed(PgJob *job)
{
	Request    *r = job->data;
	Upload	   *u = r->uploading;

	if (went_well(r, job))
	{
		r->rows = pg_rows_keep(job->rows);
		r->answer.status = pg_rows_count(r->rows) == 1 ? atoi(pg_rows_get(r->rows, 0, 0).data) : 500;
		if (r->answer.status != 200 || pg_rows_is_null(r->rows, 0, 3))
		{
			r->answer.headers = pg_rows_get(r->rows, 0, 1);
			r->answer.body = pg_rows_get(r->rows, 0, 2);
			u->answered = true;
			settle(r);
		}
		else
		{
			Str			id = pg_rows_get(r->rows, 0, 3);

			u->id = (Str) {arena_copy(&r->arena, id.data, id.len), id.len};
			pg_rows_release(r->rows);
			r->rows = NULL;
			u->state = UPLOAD_OPEN;
			if (u->complete)
				send_dispatch(r);
			else
				request_resume(r);
		}
	}
	request_release(r);
}

static void
on_begun(PgJob *job)
{
	Request    *r = job->data;
	Upload	   *u = r->uploading;

	if (went_well(r, job))
	{
		request_fill_job(r, (Str) {NULL, 0});
		memcpy(u->job.params, r->job.params, sizeof(u->job.params));
		u->job.params[4] = u->job.params[7];
		run(r, ALLOW_SQL, 5, on_allowed);
	}
	request_release(r);
}

static void
on_open(void *data, bool well)
{
	Request    *r = data;

	r->uploading->opening = false;
	if (well)
		run(r, BEGIN_SQL, 0, on_begun);
	else
		refuse(r, 503, "database_unavailable");
	request_release(r);
}

void
upload_begin(Request *r)
{
	const Config *c = r->server->config;
	Upload	   *u = arena_alloc(&r->arena, sizeof(Upload));
	PgSessionOptions options = {
		.url = c->db_direct_url != NULL ? c->db_direct_url : c->db_slow_url,
		.statement_ms = (int) c->stream_ms, .on_open = on_open, .data = r
	};

	memset(u, 0, sizeof(*u));
	buf_init(&u->sending, r->body.max);
	r->uploading = u;
	r->state = REQUEST_DATABASE;
	u->complete = r->body_complete;
	loop_timer_init(&u->watch, on_watch, r);
	loop_timer_set(r->server->loop, &u->watch, WATCH_MS);
	if (atomic_fetch_add(&running, 1) >= UPLOADS_MAX)
	{
		refuse(r, 503, "overloaded");
		return;
	}
	u->opening = true;
	request_hold(r);
	u->session = pg_session_open(r->server->pg, &options);
}

UploadTake
upload_body(Request *r, const char *data, size_t len)
{
	Upload	   *u = r->uploading;

	if (r->refused != 0 || u->answered || u->state == UPLOAD_OVER)
		return UPLOAD_REFUSED;
	if (u->state == UPLOAD_OPENING)
		return UPLOAD_WAIT;
	if (r->body.len >= CHUNK_SIZE)
	{
		u->waiting = true;
		return UPLOAD_WAIT;
	}
	buf_put(&r->body, data, len);
	if (r->body.len >= CHUNK_SIZE && !u->busy)
		send_chunk(r);
	return UPLOAD_TAKEN;
}

void
upload_finish(Request *r)
{
	Upload	   *u = r->uploading;

	u->complete = true;
	if (u->state == UPLOAD_OVER)
		settle(r);
	else if (u->state == UPLOAD_OPEN && !u->busy)
	{
		if (r->body.len > 0)
			send_chunk(r);
		else
			send_dispatch(r);
	}
}
