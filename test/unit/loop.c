/*
 * loop.c
 *		The event loop: order of timers, dropping while serving, other threads.
 *
 * links: daemon/loop.c daemon/arena.c
 */
#include "daemon/loop.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define N_TIMERS 500

static int	failures;
static Loop *loop;

static void
check(bool ok, const char *what)
{
	if (!ok)
	{
		printf("failed: %s\n", what);
		failures++;
	}
}

/* Timers fire in the order of their due times, whatever was cleared meanwhile. */

static LoopTimer timers[N_TIMERS];
static bool cleared[N_TIMERS];
static int	fired;
static int64_t last_due;
static bool ordered = true;
static LoopTimer stop_timer;

static void
on_timer(LoopTimer *t)
{
	long		i = t - timers;

	ordered = ordered && t->due_ms >= last_due && !cleared[i]
		&& t->due_ms <= loop_now_ms(loop) && !loop_timer_is_set(t);
	last_due = t->due_ms;
	fired++;

	/* A timer may clear others, and set itself again. */
	if (i % 7 == 0 && i + 1 < N_TIMERS && loop_timer_is_set(&timers[i + 1]))
	{
		loop_timer_clear(loop, &timers[i + 1]);
		cleared[i + 1] = true;
	}
}

static void
on_stop(LoopTimer *t)
{
	(void) t;
	loop_stop(loop);
}

static void
test_timers(void)
{
	int			expected = 0;

	srandom(1);
	for (int i = 0; i < N_TIMERS; i++)
	{
		loop_timer_init(&timers[i], on_timer, NULL);
		loop_timer_set(loop, &timers[i], random() % 40);
	}
	for (int i = 0; i < N_TIMERS; i += 3)
		loop_timer_set(loop, &timers[i], random() % 40);
	for (int i = 0; i < N_TIMERS; i += 5)
	{
		loop_timer_clear(loop, &timers[i]);
		loop_timer_clear(loop, &timers[i]);
		cleared[i] = true;
	}
	loop_timer_init(&stop_timer, on_stop, NULL);
	loop_timer_set(loop, &stop_timer, 60);
	loop_run(loop);
	for (int i = 0; i < N_TIMERS; i++)
		expected += !cleared[i];
	check(ordered, "timers fire in order");
	check(fired == expected, "each once, cleared ones never");
}

/* A descriptor that is dropped by another's callback is not called any more. */

static LoopFd watches[2];
static int	served;

static void
on_ready(LoopFd *w, uint32_t events)
{
	LoopFd	   *other = w == &watches[0] ? &watches[1] : &watches[0];

	(void) events;
	served++;
	loop_fd_drop(loop, other);
	loop_fd_drop(loop, w);
}

/* Chores run in their order, in every turn. */

static char chore_order[8];

static int
on_chore(LoopChore *c)
{
	if (strlen(chore_order) < 3)
		strcat(chore_order, c->data);
	return -1;
}

static LoopTask task;

static void
on_task(LoopTask *t)
{
	check(t->data == &task, "the task's data");
	loop_stop(loop);
}

static void *
poster(void *arg)
{
	(void) arg;
	task.fn = on_task;
	task.data = &task;
	loop_post(loop, &task);
	return NULL;
}

static void
test_descriptors_chores_tasks(void)
{
	int			pipes[2][2];
	pthread_t	thread;
	LoopChore	chores[3] = {
		{.order = LOOP_FLUSH, .fn = on_chore, .data = "c"},
		{.order = LOOP_COLLECT, .fn = on_chore, .data = "a"},
		{.order = LOOP_SERVE, .fn = on_chore, .data = "b"}
	};

	for (int i = 0; i < 3; i++)
		loop_chore_add(loop, &chores[i]);
	for (int i = 0; i < 2; i++)
	{
		check(pipe(pipes[i]) == 0 && write(pipes[i][1], "x", 1) == 1, "pipe");
		loop_fd_init(&watches[i], on_ready, NULL);
		check(loop_fd_watch(loop, &watches[i], pipes[i][0], EPOLLIN) == 0, "watch");
	}
	pthread_create(&thread, NULL, poster, NULL);
	loop_run(loop);
	pthread_join(thread, NULL);
	check(served == 1, "a dropped descriptor is not served");
	check(strcmp(chore_order, "abc") == 0, "chores by order");
	for (int i = 0; i < 2; i++)
	{
		close(pipes[i][0]);
		close(pipes[i][1]);
	}
}

int
main(void)
{
	loop = loop_new(0);
	test_timers();
	loop_destroy(loop);
	loop = loop_new(1);
	check(loop_index(loop) == 1, "index");
	test_descriptors_chores_tasks();
	loop_destroy(loop);
	return failures != 0;
}
