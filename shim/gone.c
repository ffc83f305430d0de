/*
 * gone.c
 *		Requests that wait for the database although their client has left.
 *
 * MHD does not watch a suspended connection.  When a lane is slow, people
 * reload: without a look at the sockets the lane would work for clients that
 * are not there any more, and its queue would be full of them.
 *
 * Only what was not sent yet is dropped, and only after it has waited a while,
 * so that a fast server never looks.  A client that has closed its sending
 * side counts as gone: the kernel cannot tell us whether it still reads.
 */
#include "shim/gone.h"

#include <microhttpd.h>
#include <poll.h>
#include <sys/socket.h>

#include "shim/reply.h"
#include "shim/request.h"

#define LOOK_MS 200

bool
gone_left(Request *r)
{
	const union MHD_ConnectionInfo *info =
	MHD_get_connection_info(r->http, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct pollfd p = {.events = POLLRDHUP};

	if (info == NULL)
		return false;
	p.fd = info->connect_fd;
	return poll(&p, 1, 0) > 0;
}

static void
on_timer(LoopTimer *timer)
{
	Server	   *s = timer->data;
	int64_t		now = loop_now_ms(s->loop);
	Request    *next;

	for (Request *r = s->requests; r != NULL; r = next)
	{
		next = r->next;
		if (r->state == REQUEST_DATABASE && r->suspended && r->job.waiting
			&& now - r->job.queued_ms >= LOOK_MS && gone_left(r) && request_withdraw(r))
			reply_problem(r, 499, "client_gone");
	}
	loop_timer_set(s->loop, timer, LOOK_MS);
}

void
gone_start(Server *s)
{
	loop_timer_init(&s->gone, on_timer, s);
	loop_timer_set(s->loop, &s->gone, LOOK_MS);
}

void
gone_stop(Server *s)
{
	loop_timer_clear(s->loop, &s->gone);
}
