/*
 * loop.c
 *		One event loop: descriptors, timers, work posted by other threads.
 *
 * Timers are a binary heap of pointers, each timer knowing its place, so that
 * setting and clearing cost O(log n).  heap[0] is not used: place 0 means
 * "not set".
 */
#include "daemon/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "daemon/arena.h"

#define MAX_EVENTS 64

struct Loop
{
	int			index;
	int			epoll_fd;
	bool		stopped;

	int64_t		now_us;
	int64_t		wall_ms;
	uint64_t	random;

	LoopTimer **heap;
	uint32_t	n_timers;
	uint32_t	heap_cap;

	LoopChore  *chores;

	/* Events of this turn, so that a dropped descriptor is not called. */
	struct epoll_event events[MAX_EVENTS];
	int			n_events;

	/* The only part that other threads touch. */
	pthread_mutex_t lock;
	LoopTask   *tasks;
	LoopTask  **tasks_end;
	bool		stop_asked;
	int			wake_fd;
	LoopFd		wake;
};

static void
read_clocks(Loop *loop)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	loop->now_us = (int64_t) t.tv_sec * 1000000 + t.tv_nsec / 1000;
	clock_gettime(CLOCK_REALTIME, &t);
	loop->wall_ms = (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Takes the posted tasks out under the lock and runs them without it. */
static void
on_wake(LoopFd *self, uint32_t events)
{
	Loop	   *loop = self->data;
	uint64_t	count;
	LoopTask   *task;

	(void) events;
	(void) !read(loop->wake_fd, &count, sizeof(count));

	pthread_mutex_lock(&loop->lock);
	task = loop->tasks;
	loop->tasks = NULL;
	loop->tasks_end = &loop->tasks;
	loop->stopped = loop->stop_asked;
	pthread_mutex_unlock(&loop->lock);

	while (task != NULL)
	{
		LoopTask   *next = task->next;

		task->fn(task);
		task = next;
	}
}

Loop *
loop_new(int index)
{
	Loop	   *loop = mem_alloc(sizeof(Loop));

	loop->index = index;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	loop->tasks_end = &loop->tasks;
	pthread_mutex_init(&loop->lock, NULL);
	read_clocks(loop);
	loop->random = (uint64_t) loop->wall_ms * 2654435761u
		+ (uint64_t) getpid() * 40503u + (uint64_t) index + 1;
	loop_fd_init(&loop->wake, on_wake, loop);
	if (loop->epoll_fd < 0 || loop->wake_fd < 0
		|| loop_fd_watch(loop, &loop->wake, loop->wake_fd, EPOLLIN) < 0)
	{
		loop_destroy(loop);
		return NULL;
	}
	return loop;
}

void
loop_destroy(Loop *loop)
{
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	if (loop->wake_fd >= 0)
		close(loop->wake_fd);
	pthread_mutex_destroy(&loop->lock);
	free(loop->heap);
	free(loop);
}

int
loop_index(const Loop *loop)
{
	return loop->index;
}

int64_t
loop_now_ms(const Loop *loop)
{
	return loop->now_us / 1000;
}

int64_t
loop_now_us(const Loop *loop)
{
	return loop->now_us;
}

int64_t
loop_wall_ms(const Loop *loop)
{
	return loop->wall_ms;
}

uint32_t
loop_random(Loop *loop, uint32_t n)
{
	/* xorshift64*: good enough to spread reconnects */
	loop->random ^= loop->random >> 12;
	loop->random ^= loop->random << 25;
	loop->random ^= loop->random >> 27;
	return n == 0 ? 0 : (uint32_t) ((loop->random * 2685821657736338717u) >> 33) % n;
}

/* ---- descriptors ---- */

void
loop_fd_init(LoopFd *w, void (*fn) (LoopFd *, uint32_t), void *data)
{
	*w = (LoopFd) {.fd = -1, .fn = fn, .data = data};
}

int
loop_fd_watch(Loop *loop, LoopFd *w, int fd, uint32_t events)
{
	struct epoll_event ev = {.events = events,.data.ptr = w};

	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -1;
	w->fd = fd;
	w->events = events;
	return 0;
}

void
loop_fd_events(Loop *loop, LoopFd *w, uint32_t events)
{
	struct epoll_event ev = {.events = events,.data.ptr = w};

	if (w->fd < 0 || w->events == events)
		return;
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, w->fd, &ev) == 0)
		w->events = events;
}

void
loop_fd_drop(Loop *loop, LoopFd *w)
{
	if (w->fd < 0)
		return;
	/* It fails when the descriptor is closed already, and then is gone. */
	(void) epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
	w->fd = -1;
	for (int i = 0; i < loop->n_events; i++)
	{
		if (loop->events[i].data.ptr == w)
			loop->events[i].data.ptr = NULL;
	}
}

/* ---- timers ---- */

static void
heap_place(Loop *loop, uint32_t pos, LoopTimer *t)
{
	loop->heap[pos] = t;
	t->pos = pos;
}

static void
heap_up(Loop *loop, uint32_t pos, LoopTimer *t)
{
	while (pos > 1 && loop->heap[pos / 2]->due_ms > t->due_ms)
	{
		heap_place(loop, pos, loop->heap[pos / 2]);
		pos /= 2;
	}
	heap_place(loop, pos, t);
}

static void
heap_down(Loop *loop, uint32_t pos, LoopTimer *t)
{
	for (;;)
	{
		uint32_t	child = pos * 2;

		if (child > loop->n_timers)
			break;
		if (child < loop->n_timers
			&& loop->heap[child + 1]->due_ms < loop->heap[child]->due_ms)
			child++;
		if (loop->heap[child]->due_ms >= t->due_ms)
			break;
		heap_place(loop, pos, loop->heap[child]);
		pos = child;
	}
	heap_place(loop, pos, t);
}

void
loop_timer_init(LoopTimer *t, void (*fn) (LoopTimer *), void *data)
{
	*t = (LoopTimer) {.fn = fn, .data = data};
}

void
loop_timer_set(Loop *loop, LoopTimer *t, int64_t delay_ms)
{
	loop_timer_clear(loop, t);
	if (loop->n_timers + 2 > loop->heap_cap)
	{
		loop->heap_cap = loop->heap_cap ? loop->heap_cap * 2 : 64;
		loop->heap = mem_realloc(loop->heap, loop->heap_cap * sizeof(LoopTimer *));
	}
	t->due_ms = loop->now_us / 1000 + (delay_ms > 0 ? delay_ms : 0);
	loop->n_timers++;
	heap_up(loop, loop->n_timers, t);
}

void
loop_timer_clear(Loop *loop, LoopTimer *t)
{
	uint32_t	pos = t->pos;
	LoopTimer  *last;

	if (pos == 0)
		return;
	t->pos = 0;
	last = loop->heap[loop->n_timers--];
	if (last == t)
		return;
	if (pos > 1 && loop->heap[pos / 2]->due_ms > last->due_ms)
		heap_up(loop, pos, last);
	else
		heap_down(loop, pos, last);
}

bool
loop_timer_is_set(const LoopTimer *t)
{
	return t->pos != 0;
}

static void
run_timers(Loop *loop)
{
	int64_t		now = loop->now_us / 1000;

	while (loop->n_timers > 0 && loop->heap[1]->due_ms <= now)
	{
		LoopTimer  *t = loop->heap[1];

		loop_timer_clear(loop, t);
		t->fn(t);
	}
}

/* ---- the turn ---- */

void
loop_chore_add(Loop *loop, LoopChore *chore)
{
	LoopChore **end = &loop->chores;

	while (*end != NULL && (*end)->order <= chore->order)
		end = &(*end)->next;
	chore->next = *end;
	*end = chore;
}

void
loop_chore_remove(Loop *loop, LoopChore *chore)
{
	LoopChore **link = &loop->chores;

	while (*link != NULL && *link != chore)
		link = &(*link)->next;
	if (*link != NULL)
		*link = chore->next;
}

/* Runs the chores; gives how long the loop may sleep, -1 for ever. */
static int
run_chores(Loop *loop)
{
	int			sleep_ms = -1;

	for (LoopChore *c = loop->chores; c != NULL; c = c->next)
	{
		int			ms = c->fn(c);

		if (ms >= 0 && (sleep_ms < 0 || ms < sleep_ms))
			sleep_ms = ms;
	}
	if (loop->n_timers > 0)
	{
		int64_t		ms = loop->heap[1]->due_ms - loop->now_us / 1000;

		if (ms < 0)
			ms = 0;
		if (sleep_ms < 0 || ms < sleep_ms)
			sleep_ms = (int) (ms < 3600000 ? ms : 3600000);
	}
	return sleep_ms;
}

void
loop_run(Loop *loop)
{
	while (!loop->stopped)
	{
		int			sleep_ms = run_chores(loop);
		int			n = epoll_wait(loop->epoll_fd, loop->events, MAX_EVENTS, sleep_ms);

		read_clocks(loop);
		loop->n_events = n > 0 ? n : 0;
		for (int i = 0; i < loop->n_events; i++)
		{
			LoopFd	   *w = loop->events[i].data.ptr;

			if (w != NULL)
				w->fn(w, loop->events[i].events);
		}
		loop->n_events = 0;
		run_timers(loop);
	}
}

void
loop_post(Loop *loop, LoopTask *task)
{
	uint64_t	one = 1;

	task->next = NULL;
	pthread_mutex_lock(&loop->lock);
	*loop->tasks_end = task;
	loop->tasks_end = &task->next;
	pthread_mutex_unlock(&loop->lock);
	(void) !write(loop->wake_fd, &one, sizeof(one));
}

void
loop_stop(Loop *loop)
{
	uint64_t	one = 1;

	pthread_mutex_lock(&loop->lock);
	loop->stop_asked = true;
	pthread_mutex_unlock(&loop->lock);
	(void) !write(loop->wake_fd, &one, sizeof(one));
}
