/*
 * resolve.c
 *		Looking up a host name without holding up a loop.
 *
 * The C library's look-up blocks, so a thread of its own does it and touches
 * nothing but the Resolve.
 */
#include "daemon/resolve.h"

#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "daemon/arena.h"

struct Resolve
{
	LoopTask	task;
	pthread_t	thread;
	Loop	   *loop;
	const char *host;
	const char *port;
	struct addrinfo *found;
	void		(*done) (void *data, const struct addrinfo *found);
	void	   *data;
};

static void *
look_up(void *arg)
{
	Resolve    *r = arg;
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};

	if (getaddrinfo(r->host, r->port, &hints, &r->found) != 0)
		r->found = NULL;
	loop_post(r->loop, &r->task);
	return NULL;
}

void
resolve_abandon(Resolve *r)
{
	pthread_join(r->thread, NULL);
	if (r->found != NULL)
		freeaddrinfo(r->found);
	free(r);
}

static void
on_found(LoopTask *task)
{
	Resolve    *r = task->data;

	r->done(r->data, r->found);
	resolve_abandon(r);
}

Resolve *
resolve_start(Loop *loop, const char *host, const char *port,
			  void (*done) (void *data, const struct addrinfo *found), void *data)
{
	Resolve    *r = mem_alloc(sizeof(Resolve));

	*r = (Resolve) {.task.fn = on_found,.task.data = r, .loop = loop, .host = host, .port = port, .done = done, .data = data};
	if (pthread_create(&r->thread, NULL, look_up, r) != 0)
	{
		free(r);
		return NULL;
	}
	return r;
}
