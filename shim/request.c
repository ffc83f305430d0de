/*
 * request.c
 *		What happens to a request between its last byte and the first of the answer.
 *
 * authenticate -> gate -> hit: answer; miss: lane -> dispatch() -> apply what
 * it touched -> fill the cache -> answer.
 *
 * A write that was committed is always followed by its invalidations, even if
 * nobody waits for the answer any more.  Only what a repetition cannot harm is
 * sent a second time.
 */
#include "shim/request.h"

#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

#include "daemon/log.h"
#include "daemon/metrics.h"
#include "shim/cache.h"
#include "shim/event.h"
#include "shim/export.h"
#include "shim/gate.h"
#include "shim/page.h"
#include "shim/reload.h"
#include "shim/reply.h"
#include "shim/upload.h"

#define FREE_REQUESTS_MAX 512
#define BODY_KEEP_MAX 16384
/* A client that goes on sending this much after a refusal is told and cut off. */
#define DISCARD_MAX ((size_t) 4 << 20)

static void on_dispatched(PgJob *job);

/* ---- its life ---- */

static int64_t
clock_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t) t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t
lane_deadline_ms(const Config *c, PgLane lane)
{
	switch (lane)
	{
		case PG_LANE_HOT:
		case PG_LANE_WRITE:
			return c->write_ms;
		case PG_LANE_SLOW:
			return c->slow_ms;
		case PG_LANE_STREAM:
			return c->stream_ms;
		default:
			return c->read_ms;
	}
}

bool
request_withdraw(Request *r)
{
	if (r->state != REQUEST_DATABASE || !pgpool_withdraw(r->server->pg, &r->job))
		return false;
	if (r->cache == CACHE_MISS)
		cache_release(r);
	request_release(r);
	return true;
}

/*
 * Too late.  A job that was not sent is taken back; one that was will end in
 * on_dispatched(), which finds the request over.
 */
static void
on_deadline(LoopTimer *timer)
{
	Request    *r = timer->data;
	bool		sent = r->state == REQUEST_DATABASE || r->state == REQUEST_TOUCH;

	if (request_is_over(r))
		return;
	r->timed_out = true;
	if (r->uploading != NULL)
	{
		upload_abort(r);
		return;
	}
	if (r->exporting != NULL)
	{
		export_abort(r);
		return;
	}
	if (request_withdraw(r))
		sent = false;
	if (sent && r->route->writes)
		reply_problem(r, 504, "outcome_unknown");
	else
		reply_problem(r, 504, "timeout");
}

Request *
request_new(Server *s, const char *uri)
{
	Request    *r = s->free_requests;
	Buf			body;
	const char *mark;
	size_t		len = strlen(uri);

	if (r != NULL)
	{
		s->free_requests = r->next;
		s->n_free_requests--;
		body = r->body;
	}
	else
	{
		r = mem_alloc(sizeof(Request));
		buf_init(&body, SIZE_MAX / 4);
	}
	memset(r, 0, offsetof(Request, first));
	buf_clear(&body);
	r->body = body;
	r->server = s;
	r->refs = 1;
	arena_init(&r->arena, r->first, sizeof(r->first));
	r->uri = arena_copy(&r->arena, uri, len);
	mark = memchr(r->uri, '?', len);
	r->path = (Str) {r->uri, mark ? (size_t) (mark - r->uri) : len};
	r->query = mark ? (Str) {mark + 1, len - r->path.len - 1}
		: (Str) {"", 0};
	r->started_us = clock_us();
	r->ip = "";
	loop_timer_init(&r->timer, on_deadline, r);

	r->next = s->requests;
	r->link = &s->requests;
	if (r->next != NULL)
		r->next->link = &r->next;
	s->requests = r;
	s->n_requests++;
	return r;
}

void
request_hold(Request *r)
{
	r->refs++;
}

void
request_release(Request *r)
{
	Server	   *s = r->server;

	if (--r->refs > 0)
		return;
	*r->link = r->next;
	if (r->next != NULL)
		r->next->link = r->link;
	s->n_requests--;
	loop_timer_clear(s->loop, &r->timer);
	if (r->rows != NULL)
		pg_rows_release(r->rows);
	route_table_release(r->routes);
	arena_reset(&r->arena);
	if (r->body.cap > BODY_KEEP_MAX)
		buf_free(&r->body);
	if (s->n_free_requests >= FREE_REQUESTS_MAX)
	{
		buf_free(&r->body);
		free(r);
		return;
	}
	r->next = s->free_requests;
	s->free_requests = r;
	s->n_free_requests++;
}

bool
request_is_over(const Request *r)
{
	return r->state >= REQUEST_ANSWERED;
}

/* The moment a line was written; the text is made once a second. */
static void
put_stamp(Server *s, Buf *b)
{
	int64_t		wall = loop_wall_ms(s->loop);
	time_t		second = (time_t) (wall / 1000);

	if (second != s->log_second)
	{
		struct tm	tm;

		s->log_second = second;
		gmtime_r(&second, &tm);
		strftime(s->log_stamp, sizeof(s->log_stamp), "%Y-%m-%dT%H:%M:%S.", &tm);
	}
	buf_puts(b, s->log_stamp);
	buf_padded(b, (int) (wall % 1000), 3);
}

/* A line for every request: printf() would take a tenth of the time of a cached read. */
static void
write_access_log(const Request *r, int64_t took_us)
{
	Buf		   *b = &r->server->log;

	buf_puts(b, "{\"ts\":\"");
	put_stamp(r->server, b);
	buf_puts(b, "Z\",\"level\":\"info\",\"msg\":\"request\",\"req_id\":\"");
	buf_puts(b, r->id);
	buf_puts(b, "\",\"method\":\"");
	buf_puts(b, r->head ? "HEAD" : method_name(r->method));
	buf_puts(b, "\",\"path\":");
	if (text_is_utf8(r->path.data, r->path.len))
		buf_json(b, r->path.data, r->path.len);
	else
		buf_puts(b, "\"\"");
	if (r->route != NULL)
	{
		buf_puts(b, ",\"route\":");
		buf_json(b, r->route->path.data, r->route->path.len);
	}
	buf_puts(b, ",\"status\":");
	buf_int(b, r->sent_status);
	buf_puts(b, ",\"dur_ms\":");
	buf_int(b, took_us / 1000);
	buf_putc(b, '.');
	buf_padded(b, (int) (took_us % 1000), 3);
	buf_puts(b, ",\"bytes\":");
	buf_int(b, (int64_t) r->sent_bytes);
	buf_puts(b, ",\"ip\":\"");
	buf_puts(b, r->ip);
	buf_putc(b, '"');
	if (r->who.actor != 0)
	{
		buf_puts(b, ",\"user_id\":");
		buf_puts(b, r->who.actor_text);
	}
	if (r->cache == CACHE_HIT)
		buf_puts(b, ",\"cache\":\"hit\"");
	if (r->job.lane == PG_LANE_REPLICA)
		buf_puts(b, ",\"replica\":true");
	if (r->sent_code != NULL)
	{
		buf_puts(b, ",\"code\":\"");
		buf_puts(b, r->sent_code);
		buf_putc(b, '"');
	}
	if (r->gone)
		buf_puts(b, ",\"gone\":true");
	buf_puts(b, "}\n");
}

void
request_completed(Request *r, bool well)
{
	int64_t		took_us = clock_us() - r->started_us;

	r->gone = !well;
	r->state = REQUEST_DONE;
	r->http = NULL;
	loop_timer_clear(r->server->loop, &r->timer);
	if (r->uploading != NULL)
		upload_abort(r);
	if (r->exporting != NULL)
		export_abort(r);
	metrics_request(r->server->metrics, r->route != NULL ? r->route->metric : 0,
					r->sent_status, took_us, r->sent_bytes);
	if (r->server->config->access_log)
		write_access_log(r, took_us);
	request_release(r);
}

/* ---- the body ---- */

bool
request_body(Request *r, const char *data, size_t len)
{
	int64_t		max = r->route != NULL ? r->route->max_body : 0;

	if (r->state < REQUEST_BODY)
		r->state = REQUEST_BODY;
	if (r->refused == 0 && r->uploading == NULL && r->route != NULL
		&& r->body.len + len <= (size_t) max)
	{
		buf_put(&r->body, data, len);
		return true;
	}

	/* Read on so that the connection can be kept, but not for ever. */
	if (r->refused == 0 && r->uploading == NULL && r->route != NULL)
	{
		r->refused = 413;
		r->refused_code = "body_too_large";
	}
	r->sent_bytes += len;
	if (r->sent_bytes <= DISCARD_MAX)
		return true;
	if (r->refused == 0 && r->uploading == NULL)
	{
		r->refused = 413;
		r->refused_code = "body_too_large";
	}
	return false;
}

void
request_resume(Request *r)
{
	if (!r->suspended)
		return;
	r->suspended = false;
	MHD_resume_connection(r->http);
}

/* ---- who asks ---- */

/*
 * Gives NULL, or the code of a 401.  Where a route asks for nobody, a token
 * that is no good counts as none: clients send old ones along when they log
 * in again.
 */
const char *
request_authenticate(Request *r)
{
	Str			header = r->headers[HEADER_AUTHORIZATION];
	bool		optional = r->route->anonymous
	|| (r->route->attempt && r->headers[HEADER_ATTEMPT_TOKEN].data != NULL);

	if (header.len <= 7 || strncasecmp(header.data, "Bearer ", 7) != 0)
		return optional ? NULL : "token_required";
	switch (token_check(r->server->keys, header.data + 7, header.len - 7, r->server->config,
						loop_wall_ms(r->server->loop) / 1000, &r->who))
	{
		case JWT_OK:
			return NULL;
		case JWT_EXPIRED:
			return optional ? NULL : "token_expired";
		case JWT_UNKNOWN_KEY:
			reload_ask(r->server->process);
			return optional ? NULL : "token_invalid";
		default:
			return optional ? NULL : "token_invalid";
	}
}

/* ---- the database ---- */

static void
put_member(Buf *b, const char *name, Str value)
{
	if (value.data == NULL)
		return;
	buf_putc(b, ',');
	buf_putc(b, '"');
	buf_puts(b, name);
	buf_puts(b, "\":");
	buf_json(b, value.data, value.len);
}

/* The context that handlers see as ctx. */
static const char *
make_context(Request *r, Str upload)
{
	static const struct
	{
		const char *name;
		HeaderName	header;
	}			passed[] = {
		{"user_agent", HEADER_USER_AGENT},
		{"content_type", HEADER_CONTENT_TYPE},
		{"if_match", HEADER_IF_MATCH},
		{"idempotency_key", HEADER_IDEMPOTENCY_KEY},
		{"traceparent", HEADER_TRACEPARENT},
		{"attempt_token", HEADER_ATTEMPT_TOKEN}
	};
	Buf		   *b = &r->server->scratch;

	buf_clear(b);
	buf_puts(b, "{\"request_id\":\"");
	buf_puts(b, r->id);
	buf_puts(b, "\",\"ip\":\"");
	buf_puts(b, r->ip);
	buf_puts(b, r->turkish ? "\",\"lang\":\"tr\"" : "\",\"lang\":\"en\"");
	buf_puts(b, ",\"touch\":\"ack\",\"remaining_ms\":");
	buf_int(b, r->deadline_ms - loop_now_ms(r->server->loop));
	for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++)
	{
		Str			value = r->headers[passed[i].header];

		if (value.data != NULL && text_is_utf8(value.data, value.len))
			put_member(b, passed[i].name, value);
	}
	put_member(b, "upload", upload);
	buf_putc(b, '}');
	return arena_copy(&r->arena, b->data, b->len);
}

static const char *
make_path(Request *r)
{
	Buf		   *b = &r->server->scratch;

	if (r->n_path_values == 0)
		return "{}";
	buf_clear(b);
	for (int i = 0; i < r->n_path_values; i++)
	{
		buf_putc(b, i == 0 ? '{' : ',');
		buf_array_element(b, r->path_values[i].data, r->path_values[i].len);
	}
	buf_putc(b, '}');
	return arena_copy(&r->arena, b->data, b->len);
}

void
request_fill_job(Request *r, Str upload)
{
	PgJob	   *job = &r->job;
	bool		known = r->who.actor != 0;

	job->sql = NULL;
	job->nparams = 8;
	job->params[0] = r->route->id_text;
	job->params[1] = known ? r->who.actor_text : NULL;
	job->params[2] = known ? r->who.jti : NULL;
	job->params[3] = known ? r->who.iat_text : NULL;
	job->params[4] = make_path(r);
	job->params[5] = r->query.len > 0 ? r->query.data : NULL;
	job->params[6] = r->body.len > 0 && r->uploading == NULL && r->method != METHOD_GET
		? r->body.data : NULL;
	job->params[7] = make_context(r, upload);
	job->lane = r->replica == REPLICA_ASKED ? PG_LANE_REPLICA : r->route->lane;
	job->cost = r->route->cost;
	job->batch = r->route->batch;
	job->done = on_dispatched;
	job->data = r;
}

static void
dispatch(Request *r)
{
	r->state = REQUEST_DATABASE;
	r->server->gate->stats.replica[r->replica]++;
	request_fill_job(r, (Str) {NULL, 0});
	request_hold(r);
	pgpool_submit(r->server->pg, &r->job);
}

/* Sends the same job again, perhaps on another lane; its reference goes on. */
static void
dispatch_again(Request *r, PgLane lane)
{
	r->tries++;
	r->job.lane = lane;
	pgpool_submit(r->server->pg, &r->job);
}

/*
 * The replica gave no success: it was cancelled by the recovery, went away, or
 * does not know yet what the primary knows.  True: the primary is asked.
 */
static bool
ask_primary(Request *r)
{
	if (r->job.lane != PG_LANE_REPLICA || request_is_over(r))
		return false;
	r->server->gate->stats.replica_fallbacks++;
	r->job.lane = r->route->lane;
	pgpool_submit(r->server->pg, &r->job);
	return true;
}

/* The elements of an array as PostgreSQL prints it; they are never NULL. */
static int
read_array(Arena *arena, Str s, Str **out)
{
	const char *p = s.data + 1;
	const char *end = s.data + s.len - 1;
	int			n = 0;
	int			most = 1;

	if (s.len <= 2)
		return 0;
	for (size_t i = 0; i < s.len; i++)
		most += s.data[i] == ',';
	*out = arena_alloc(arena, sizeof(Str) * (size_t) most);
	while (p < end)
	{
		char	   *text = arena_alloc(arena, (size_t) (end - p) + 1);
		size_t		len = 0;
		bool		quoted = *p == '"';

		if (quoted)
			p++;
		while (p < end && *p != (quoted ? '"' : ','))
		{
			if (*p == '\\' && p + 1 < end)
				p++;
			text[len++] = *p++;
		}
		if (quoted)
			p++;
		text[len] = '\0';

		(*out)[n++] = (Str) {text, len};
		p++;					/* the comma */
	}
	return n;
}

static bool
has_no_store(Request *r)
{
	Str			rest = r->answer.headers;
	Str			name;
	Str			value;

	while (rest.len > 2 && reply_next_header(&r->arena, &rest, &name, &value))
	{
		if (strcasecmp(name.data, "X-No-Store") == 0)
			return true;
	}
	return false;
}

/* It is committed and its keys are invalidated: answer. */
static void
settled(void *data)
{
	Request    *r = data;

	if (r->cache == CACHE_MISS)
	{
		if (r->answer.status == 200 && !has_no_store(r))
		{
			reply_etag(r->answer.body, r->answer.etag);
			cache_fill(r);
		}
		else
			cache_release(r);
	}
	if (r->answer.status == 401 && r->route->rate == RATE_LOGIN)
		gate_login_failed(r);
	else if (r->answer.status < 300)
		gate_vouch(r);
	if (!request_is_over(r))
		reply_answer(r);
	request_release(r);
}

/* Where a replica may answer, that a user wrote is among what a write touches. */
static int
remember_write(Request *r, Str **touched, int n)
{
	Str		   *all;

	if (!r->route->writes || r->answer.status >= 400 || r->who.actor == 0
		|| r->server->process->replica == NULL)
		return n;
	all = arena_alloc(&r->arena, sizeof(Str) * (size_t) (n + 1));
	for (int i = 0; i < n; i++)
		all[i] = (*touched)[i];
	all[n] = replica_wrote(&r->arena, r->who.actor_text);
	*touched = all;
	return n + 1;
}

/* Takes dispatch()'s row, and sees to what it touched. */
void
request_take_answer(Request *r)
{
	PgRows	   *rows = r->job.rows;
	int			row = r->job.row;
	int			col = r->job.col;
	Str		   *touched;
	int			n;

	r->answer.status = atoi(pg_rows_get(rows, row, col).data);
	if (r->answer.status >= 400 && ask_primary(r))
		return;
	if (r->answer.status == 504 && r->job.lane == PG_LANE_READ && r->tries == 0
		&& !request_is_over(r))
	{
		/* Too slow for the lane that all share: once more where it may be. */
		dispatch_again(r, PG_LANE_SLOW);
		return;
	}
	r->rows = pg_rows_keep(rows);
	r->answer.headers = pg_rows_get(rows, row, col + 1);
	r->answer.body = pg_rows_get(rows, row, col + 2);
	if (!pg_rows_is_null(rows, row, col + 4))
		events_add(r->server->events, pg_rows_get(rows, row, col + 4));
	if (r->answer.status == 404 && strstr(r->answer.body.data, "\"route_reload\"") != NULL)
		reload_ask(r->server->process);
	n = read_array(&r->arena, pg_rows_get(rows, row, col + 3), &touched);
	n = remember_write(r, &touched, n);
	if (n == 0)
	{
		settled(r);
		return;
	}
	if (!request_is_over(r))
		r->state = REQUEST_TOUCH;
	cache_apply_touched(r->server, r->epoch, touched, n, settled, r);
}

/* No row to take: say why.  The reference of the job is given back. */
static void
fail(Request *r, int status, const char *code)
{
	if (r->cache == CACHE_MISS)
		cache_release(r);
	if (!request_is_over(r))
		reply_problem(r, status, code);
	request_release(r);
}

/* The server refused the statement itself. */
static void
take_error(Request *r)
{
	const char *state = r->job.sqlstate;
	bool		again = r->tries == 0 && !request_is_over(r);
	bool		shutdown = strncmp(state, "57P", 3) == 0;

	if (strcmp(state, "57014") == 0)
	{
		if (again && r->job.lane == PG_LANE_READ)
			dispatch_again(r, PG_LANE_SLOW);
		else
			fail(r, 504, "timeout");
	}
	else if (again && shutdown && r->route->idempotent)
		dispatch_again(r, r->route->lane);
	else if (shutdown || strncmp(state, "53", 2) == 0 || strncmp(state, "08", 2) == 0)
		fail(r, 503, "database_unavailable");
	else
		fail(r, 500, "internal");
}

static void
on_dispatched(PgJob *job)
{
	Request    *r = job->data;
	bool		again = r->tries == 0 && !request_is_over(r);

	if (job->outcome != PG_OK && ask_primary(r))
		return;
	switch (job->outcome)
	{
		case PG_OK:
			if (pg_rows_count(job->rows) <= job->row)
				fail(r, 500, "internal");
			else
				request_take_answer(r);
			break;
		case PG_ERROR:
			take_error(r);
			break;
		case PG_BUSY:
			fail(r, 503, "overloaded");
			break;
		case PG_UNAVAILABLE:
			fail(r, 503, "database_unavailable");
			break;
		case PG_LOST:
			if (r->route->writes)
				cache_outcome_unknown(r->server);
			if (again && r->route->idempotent)
				dispatch_again(r, job->lane);
			else
				fail(r, 503, r->route->writes ? "outcome_unknown" : "database_unavailable");
			break;
	}
}

/* ---- the way through ---- */

void
request_gated(Request *r)
{
	if (request_is_over(r))
	{
		if (r->verdict == GATE_GO && r->cache == CACHE_MISS)
			cache_release(r);
		return;
	}
	switch (r->verdict)
	{
		case GATE_HIT:
			reply_answer(r);
			break;
		case GATE_LIMITED:
			reply_problem(r, 429, "rate_limited");
			break;
		case GATE_REVOKED:
			reply_problem(r, 401, "token_revoked");
			break;
		case GATE_GO:
			if (route_takes_upload(r->route))
				upload_begin(r);
			else if (r->route->lane == PG_LANE_STREAM)
				export_begin(r);
			else
				dispatch(r);
			break;
	}
}

void
request_start(Request *r)
{
	const char *code;
	int64_t		ms;

	if (r->refused != 0)
	{
		reply_problem(r, r->refused, r->refused_code);
		return;
	}
	if (page_serve(r))
		return;
	if (r->method == METHOD_OPTIONS && r->allowed != 0)
	{
		reply_options(r);
		return;
	}
	if (r->route == NULL)
	{
		reply_problem(r, r->allowed ? 405 : 404, r->allowed ? "method_not_allowed" : "not_found");
		return;
	}
	if (r->server->keys == NULL)
	{
		reply_problem(r, 503, "starting");
		return;
	}
	code = request_authenticate(r);
	if (code != NULL)
	{
		reply_problem(r, 401, code);
		return;
	}
	if (!text_is_utf8(r->query.data, r->query.len)
		|| (!route_takes_upload(r->route) && !text_is_utf8(r->body.data, r->body.len)))
	{
		reply_problem(r, 400, "invalid_utf8");
		return;
	}
	ms = lane_deadline_ms(r->server->config, r->route->lane);
	r->deadline_ms = loop_now_ms(r->server->loop) + ms;
	loop_timer_set(r->server->loop, &r->timer, ms);
	r->state = REQUEST_GATE;
	gate_enter(r);
}
