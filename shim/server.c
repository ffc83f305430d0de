/*
 * server.c
 *		One HTTP server per event loop.
 *
 * libmicrohttpd runs inside our loop: its epoll descriptor is watched by
 * ours, and it is given a turn once in every turn of the loop.
 *
 * What the library wants to be done just so:
 * - the first call of the handler for a request queues no answer (the
 *   connection would be closed), unless the body is refused unread;
 * - a connection is suspended only inside the handler, and answered and
 *   resumed once, by reply.c;
 * - suspended connections have no time-out and do not notice that the client
 *   left: every request has a deadline of its own;
 * - con_cls is freed in the completed callback and nowhere else;
 * - stopping with suspended connections is undefined: all are answered first.
 */
#include "shim/server.h"

#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "daemon/arena.h"
#include "daemon/log.h"
#include "daemon/metrics.h"
#include "shim/event.h"
#include "shim/export.h"
#include "shim/gate.h"
#include "shim/gone.h"
#include "shim/intake.h"
#include "shim/linger.h"
#include "shim/reload.h"
#include "shim/reply.h"
#include "shim/request.h"
#include "shim/upload.h"

#define CONNECTION_MEMORY 8192
/* A client has this long to send a body, however slowly it drips. */
#define BODY_US ((int64_t) 60 * 1000000)
#define LOG_MAX ((size_t) 4 << 20)
/* How long idle clients of a process that ends are kept. */
#define QUIET_MS 1000
/* The same where another one serves: there is no hurry then. */
#define QUIET_REPLACED_MS 5000
/* The library accepts a few connections in each of its turns. */
#define ACCEPT_TURNS 1000
/* A body up to this size is read to its end although it was refused. */
#define DISCARD_MAX (4 << 20)

static void *
on_uri(void *cls, const char *uri, struct MHD_Connection *connection)
{
	Request    *r = request_new(cls, uri);

	r->http = connection;
	return r;
}

static void
on_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
			 enum MHD_RequestTerminationCode how)
{
	Request    *r = *con_cls;

	const union MHD_ConnectionInfo *info;

	(void) cls;
	*con_cls = NULL;
	if (r == NULL)
		return;
	if (r->unread && r->state == REQUEST_ANSWERED)
	{
		info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
		if (info != NULL)
			linger(r->server, info->connect_fd);
	}
	request_completed(r, r->unread || how == MHD_REQUEST_TERMINATED_COMPLETED_OK);
}

static void
suspend(Request *r)
{
	MHD_suspend_connection(r->http);
	r->suspended = true;
}

/* Uploads are large: who may not send one is told before it comes. */
static void
refuse_early(Request *r)
{
	const char *code = r->server->keys == NULL ? "starting" : request_authenticate(r);

	if (code == NULL)
		return;
	r->refused = r->server->keys == NULL ? 503 : 401;
	r->refused_code = code;
}

/* A part of the body: for the request's memory, or for the database at once. */
static enum MHD_Result
take_body(Request *r, const char *data, size_t *size)
{
	struct timespec now;
	UploadTake	taken = UPLOAD_REFUSED;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (r->refused == 0 && r->route != NULL && route_takes_upload(r->route))
	{
		/* What it asks for first comes back through request_gated(). */
		if (r->state < REQUEST_GATE)
			request_start(r);
		if (r->refused == 0)
			taken = r->uploading != NULL ? upload_body(r, data, *size) : UPLOAD_WAIT;
		if (taken == UPLOAD_WAIT)
		{
			suspend(r);
			return MHD_YES;
		}
	}
	else if ((int64_t) now.tv_sec * 1000000 - r->started_us > BODY_US)
		return MHD_NO;
	if (taken == UPLOAD_REFUSED && !request_body(r, data, *size))
	{
		reply_in_body(r);
		return MHD_NO;
	}
	*size = 0;
	return MHD_YES;
}

static enum MHD_Result
on_request(void *cls, struct MHD_Connection *connection, const char *url,
		   const char *method, const char *version, const char *data,
		   size_t *size, void **con_cls)
{
	Request    *r = *con_cls;

	(void) cls;
	(void) connection;
	(void) url;
	(void) version;
	if (r->state == REQUEST_NEW)
	{
		r->state = REQUEST_HEADERS;
		r->method = method_parse(method);
		r->head = r->method == METHOD_HEAD;
		if (r->head)
			r->method = METHOD_GET;
		intake(r);
		if (r->refused == 0 && r->route != NULL && route_takes_upload(r->route))
			refuse_early(r);
		if (r->refused == 413 || (r->refused != 0 && !intake_is_short(r, DISCARD_MAX)))
		{
			r->unread = true;	/* the body is not even looked at */
			request_start(r);
		}
		return MHD_YES;
	}
	if (r->state >= REQUEST_ANSWERED)
	{
		/* Refused at once, and the body comes nevertheless. */
		*size = 0;
		return MHD_YES;
	}
	if (*size > 0)
		return take_body(r, data, size);
	r->body_complete = true;
	if (r->uploading != NULL)
		upload_finish(r);
	else
		request_start(r);
	if (r->state < REQUEST_ANSWERED)
		suspend(r);
	return MHD_YES;
}

/* Path and query are decoded by intake.c, which knows what it may refuse. */
static size_t
leave_escaped(void *cls, struct MHD_Connection *connection, char *s)
{
	(void) cls;
	(void) connection;
	return strlen(s);
}

static void
on_library_log(void *cls, const char *fmt, va_list args)
{
	char		line[512];

	(void) cls;
	vsnprintf(line, sizeof(line), fmt, args);
	line[strcspn(line, "\n")] = '\0';

	log_debug("http: %s", line);
}

/* Is everybody gone?  Idle clients cannot be told to leave: they time out. */
static void
watch_drain(Server *s)
{
	const union MHD_DaemonInfo *info;
	int64_t		now = loop_now_ms(s->loop);
	int64_t		quiet = atomic_load(&s->process->replaced) ? QUIET_REPLACED_MS : QUIET_MS;

	if (s->listen_fd >= 0 || !atomic_load(&s->process->draining))
		return;
	if (s->n_requests > 0 || s->n_lingering > 0 || !events_are_written(s->events))
	{
		s->quiet_ms = now;
		return;
	}
	info = MHD_get_daemon_info(s->http, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
	if (info == NULL || info->num_connections == 0 || now - s->quiet_ms >= quiet)
		atomic_store(&s->drained, true);
}

/* HTTP's turn. */
static int
serve(LoopChore *chore)
{
	Server	   *s = chore->data;
	MHD_UNSIGNED_LONG_LONG ms;

	(void) MHD_run(s->http);
	if (s->log.len > 0)
	{
		log_raw(s->log.data, s->log.len);
		buf_clear(&s->log);
	}
	watch_drain(s);
	if (MHD_get_timeout(s->http, &ms) != MHD_YES)
		return -1;
	return ms < 1000 ? (int) ms : 1000;
}

/* Being awake is all it takes: HTTP has its turn in every turn. */
static void
on_http_ready(LoopFd *w, uint32_t events)
{
	(void) w;
	(void) events;
}

void
server_start(Server *s)
{
	s->ids = ((uint64_t) getpid() << 40) ^ (uint64_t) loop_wall_ms(s->loop) << 8 ^ (uint64_t) s->index;
	buf_init(&s->scratch, (size_t) 128 << 20);
	buf_init(&s->log, LOG_MAX);
	s->events = events_new(s);
	gone_start(s);
}

bool
server_open(Server *s)
{
	const Config *c = s->config;
	const union MHD_DaemonInfo *info;
	int			limit = (int) (c->connections / s->process->n_servers) + 1;

	s->http = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_TURBO | MHD_ALLOW_SUSPEND_RESUME
							   | MHD_USE_ITC | MHD_USE_ERROR_LOG, 0, NULL, NULL,
							   on_request, s,
							   MHD_OPTION_EXTERNAL_LOGGER, on_library_log, s,
							   MHD_OPTION_LISTEN_SOCKET, s->listen_fd,
							   MHD_OPTION_CONNECTION_LIMIT, (unsigned) limit,
							   MHD_OPTION_CONNECTION_TIMEOUT, (unsigned) c->idle_timeout_s,
							   MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t) CONNECTION_MEMORY,
							   MHD_OPTION_STRICT_FOR_CLIENT, 1,
							   MHD_OPTION_URI_LOG_CALLBACK, on_uri, s,
							   MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, s,
							   MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
							   MHD_OPTION_END);
	if (s->http == NULL)
		return false;
	info = MHD_get_daemon_info(s->http, MHD_DAEMON_INFO_EPOLL_FD);
	loop_fd_init(&s->http_fd, on_http_ready, s);
	if (info == NULL || loop_fd_watch(s->loop, &s->http_fd, info->epoll_fd, EPOLLIN) < 0)
		return false;
	s->http_chore = (LoopChore) {.order = LOOP_SERVE, .fn = serve, .data = s};
	loop_chore_add(s->loop, &s->http_chore);
	return true;
}

/* Who is connected but not accepted yet is served too: nobody else would. */
static void
accept_waiting(Server *s)
{
	struct pollfd p = {.fd = s->listen_fd, .events = POLLIN};

	for (int i = 0; i < ACCEPT_TURNS && poll(&p, 1, 0) > 0; i++)
		(void) MHD_run(s->http);
}

void
server_quiesce(Server *s)
{
	MHD_socket	fd = s->listen_fd;

	if (s->listen_fd < 0)
		return;
	if (s->http == NULL)
		atomic_store(&s->drained, true);
	else
	{
		if (!atomic_load(&s->process->replaced))
			accept_waiting(s);
		fd = MHD_quiesce_daemon(s->http);
	}

	/* Never shut down: another process may be accepting on the same socket. */
	if (fd != MHD_INVALID_SOCKET)
		close(fd);
	s->listen_fd = -1;
	s->quiet_ms = loop_now_ms(s->loop);
	events_flush(s->events);
}

void
server_stop(Server *s)
{
	Request    *next;

	/* Who is still waiting gets an answer; MHD must have nobody suspended. */
	for (Request *r = s->requests; r != NULL; r = next)
	{
		next = r->next;
		if (r->suspended && r->state == REQUEST_ANSWERED)
			export_abort(r);
		else if (r->suspended)
			reply_problem(r, 503, "overloaded");
	}
	if (s->http != NULL)
	{
		(void) MHD_run(s->http);
		loop_chore_remove(s->loop, &s->http_chore);
		loop_fd_drop(s->loop, &s->http_fd);
		MHD_stop_daemon(s->http);
	}

	gone_stop(s);
	linger_stop(s);

	/* Jobs end here and give back the last references. */
	pgpool_destroy(s->pg);
	gate_destroy(s->gate);
	events_destroy(s->events);
	reload_forget(s);
	while (s->free_requests != NULL)
	{
		Request    *r = s->free_requests;

		s->free_requests = r->next;
		buf_free(&r->body);
		free(r);
	}
	if (s->log.len > 0)
		log_raw(s->log.data, s->log.len);
	buf_free(&s->log);
	buf_free(&s->scratch);
}
