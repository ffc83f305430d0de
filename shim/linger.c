/*
 * linger.c
 *		Clients that are sent away while they are still sending.
 *
 * Closing a socket with unread bytes makes the kernel reset the connection,
 * and a client whose body was refused would lose the answer that tells it why.
 * So a duplicate of the socket is kept: our side is closed, what comes is
 * thrown away until the client closes too, has sent too much or takes too long.
 */
#include "shim/linger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/arena.h"

#define LINGER_MS 10000
#define LINGER_BYTES (128 << 20)
/* So many on one loop; what is beyond is closed at once. */
#define LINGERING_MAX 64
/* Read at most so much before others have their turn. */
#define TURN_BYTES (256 << 10)

typedef struct Lingering
{
	LoopFd		fd;
	LoopTimer	timer;
	Server	   *server;
	int64_t		left;			/* bytes */
	struct Lingering *next;
	struct Lingering **link;
} Lingering;

static void
end(Lingering *l)
{
	Server	   *s = l->server;
	int			fd = l->fd.fd;

	loop_fd_drop(s->loop, &l->fd);
	loop_timer_clear(s->loop, &l->timer);
	close(fd);
	*l->link = l->next;
	if (l->next != NULL)
		l->next->link = l->link;
	s->n_lingering--;
	free(l);
}

static void
on_bytes(LoopFd *w, uint32_t events)
{
	Lingering  *l = w->data;
	char		bytes[32768];

	(void) events;
	for (int turn = 0; turn < TURN_BYTES / (int) sizeof(bytes); turn++)
	{
		ssize_t		n = recv(w->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		l->left -= n;
		if (n <= 0 || l->left <= 0)
		{
			end(l);
			return;
		}
	}
}

static void
on_timer(LoopTimer *timer)
{
	end(timer->data);
}

void
linger(Server *s, int fd)
{
	Lingering  *l;
	int			mine;

	if (s->n_lingering >= LINGERING_MAX)
		return;
	mine = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (mine < 0)
		return;
	l = mem_alloc(sizeof(Lingering));
	loop_fd_init(&l->fd, on_bytes, l);
	if (shutdown(mine, SHUT_WR) < 0 || loop_fd_watch(s->loop, &l->fd, mine, EPOLLIN) < 0)
	{
		close(mine);
		free(l);
		return;
	}
	loop_timer_init(&l->timer, on_timer, l);
	loop_timer_set(s->loop, &l->timer, LINGER_MS);
	l->server = s;
	l->left = LINGER_BYTES;
	l->next = s->lingering;
	l->link = &s->lingering;
	if (l->next != NULL)
		l->next->link = &l->next;
	s->lingering = l;
	s->n_lingering++;
}

void
linger_stop(Server *s)
{
	while (s->lingering != NULL)
		end(s->lingering);
}
