/*
 * handover.c
 *		From one coachd to the next: when a process begins to accept.
 *
 * A server can serve once it has routes and keys.  One that takes over from
 * another coachd (LISTEN_SHARED=1) accepts nobody before; if it never gets
 * there, the other one goes on and nobody notices.  It also waits a little for
 * what makes the first answers as good as the later ones: the OpenAPI
 * document, all connections to PostgreSQL and to Redis.
 *
 * Where the sockets are inherited and nobody serves them, clients wait in the
 * queue of the kernel for a moment; then they are told "starting", since
 * balancers and operators want to hear it.
 */
#include "shim/handover.h"

#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/log.h"
#include "shim/gate.h"

#define LOOK_MS 10
/* Routes and keys are there: how long to wait for the connections, */
#define WARM_MS 2000
/* and how long for the document, which takes a busy database a while. */
#define DOCUMENT_MS 15000
/* Nobody else accepts: how long clients are left in the queue. */
#define QUEUED_MS 1000

int
handover_inherited(Sockets *how)
{
	const char *pid = getenv("LISTEN_PID");
	const char *fds = getenv("LISTEN_FDS");
	const char *shared = getenv("LISTEN_SHARED");

	*how = SOCKETS_OWN;
	if (fds == NULL || atoi(fds) <= 0 || (pid != NULL && atol(pid) != (long) getpid()))
		return 0;
	*how = shared != NULL && strcmp(shared, "1") == 0 ? SOCKETS_SHARED : SOCKETS_INHERITED;
	return atoi(fds);
}

/*
 * Tells who started us that requests can be served: a datagram to the socket
 * named by NOTIFY_SOCKET, where '@' begins an abstract name.
 */
static void
tell_ready(void)
{
	static const char message[] = "READY=1";
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t		len = path ? strlen(path) : 0;
	int			fd;

	if (len == 0 || len >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, len);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (sendto(fd, message, sizeof(message) - 1, MSG_NOSIGNAL, (struct sockaddr *) &address,
			   (socklen_t) (offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		log_warning("cannot tell %s that we are ready", path);
	close(fd);
}

static bool
can_serve(const Server *s)
{
	return s->routes != NULL && s->keys != NULL;
}

static bool
is_connected(const Server *s)
{
	PgPoolStats pg;

	for (int i = 0; i < s->gate->n_links; i++)
	{
		if (!redis_is_up(s->gate->links[i]))
			return false;
	}
	pgpool_stats(s->pg, &pg);
	for (int i = 0; i < PG_LANES; i++)
	{
		if (pg.connected[i] < pg.connections[i])
			return false;
	}
	return true;
}

/* Would the first answers be as good as the later ones, or is it no use to wait? */
static bool
is_warm(const Server *s, int64_t waited_ms)
{
	return (s->openapi != NULL || waited_ms >= DOCUMENT_MS)
		&& (is_connected(s) || waited_ms >= WARM_MS);
}

/* Once all loops serve, whoever started us may end a predecessor. */
static void
note_ready(Server *s)
{
	if (s->ready || s->http == NULL || !can_serve(s))
		return;
	s->ready = true;
	if (atomic_fetch_add(&s->process->n_ready, 1) + 1 == s->process->n_servers)
		tell_ready();
}

static void
open_server(Server *s)
{
	if (!server_open(s))
	{
		log_error("cannot start the HTTP server");
		kill(getpid(), SIGTERM);
		return;
	}
	note_ready(s);
}

static void
on_look(LoopTimer *timer)
{
	Server	   *s = timer->data;
	int64_t		now = loop_now_ms(s->loop);

	if (s->listen_fd < 0)
		return;					/* to end before it began */
	if (s->looked_ms == 0)
		s->looked_ms = now;
	if (can_serve(s) && s->loaded_ms == 0)
		s->loaded_ms = now;
	if ((s->loaded_ms != 0 && is_warm(s, now - s->loaded_ms))
		|| (s->process->sockets == SOCKETS_INHERITED && now - s->looked_ms >= QUEUED_MS))
		open_server(s);
	else
		loop_timer_set(s->loop, timer, LOOK_MS);
}

void
handover_start(Server *s)
{
	loop_timer_init(&s->look, on_look, s);
	loop_timer_set(s->loop, &s->look, 0);
}

void
handover_stop(Server *s)
{
	loop_timer_clear(s->loop, &s->look);
}

void
handover_loaded(Server *s)
{
	note_ready(s);
}
