/*
 * loop.h
 *		One event loop: descriptors, timers, work posted by other threads.
 *
 * A loop belongs to one thread and shares nothing with the others.  A turn
 * is: sleep in epoll, serve descriptors, run posted tasks, run due timers,
 * run the chores.  Chores are where
 * HTTP is served and where requests gathered during the turn are flushed, so
 * a backend sees one write for all of them.
 *
 * Everything here is intrusive: the caller embeds the structures, nothing
 * allocates.  Only loop_post() and loop_stop() may be called by other threads.
 */
#ifndef DAEMON_LOOP_H
#define DAEMON_LOOP_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Loop Loop;
typedef struct LoopFd LoopFd;
typedef struct LoopTimer LoopTimer;
typedef struct LoopTask LoopTask;
typedef struct LoopChore LoopChore;

/* A watched descriptor; fn gets the EPOLL* bits that are ready. */
struct LoopFd
{
	int			fd;				/* -1 while not watched */
	uint32_t	events;
	void		(*fn) (LoopFd *self, uint32_t events);
	void	   *data;
};

/* Fires once; pos is its place in the heap, 0 while not set. */
struct LoopTimer
{
	int64_t		due_ms;
	uint32_t	pos;
	void		(*fn) (LoopTimer *self);
	void	   *data;
};

/* Work for another thread's loop.  The poster may not touch it until it ran. */
struct LoopTask
{
	LoopTask   *next;
	void		(*fn) (LoopTask *self);
	void	   *data;
};

/* Chores run in this order; those of the same order as they were added. */
enum
{
	LOOP_COLLECT,				/* tell requests of answers that came in */
	LOOP_SERVE,					/* serve HTTP */
	LOOP_FLUSH					/* send on what was asked for in this turn */
};

/*
 * Runs once a turn.  Gives how many ms the loop may sleep at most as far as
 * this chore is concerned: 0 for "I have more to do", -1 for "as long as you
 * like".
 */
struct LoopChore
{
	LoopChore  *next;
	int			order;			/* LOOP_COLLECT, ... */
	int			(*fn) (LoopChore *self);
	void	   *data;
};

extern Loop *loop_new(int index);
extern void loop_destroy(Loop *loop);
extern void loop_run(Loop *loop);	/* until loop_stop() */
extern void loop_stop(Loop *loop);
extern int	loop_index(const Loop *loop);

/* Clocks, read once a turn: monotonic ms and us, and wall-clock ms since 1970. */
extern int64_t loop_now_ms(const Loop *loop);
extern int64_t loop_now_us(const Loop *loop);
extern int64_t loop_wall_ms(const Loop *loop);

extern void loop_fd_init(LoopFd *w, void (*fn) (LoopFd *, uint32_t), void *data);
extern int	loop_fd_watch(Loop *loop, LoopFd *w, int fd, uint32_t events);
extern void loop_fd_events(Loop *loop, LoopFd *w, uint32_t events);
extern void loop_fd_drop(Loop *loop, LoopFd *w);

extern void loop_timer_init(LoopTimer *t, void (*fn) (LoopTimer *), void *data);
extern void loop_timer_set(Loop *loop, LoopTimer *t, int64_t delay_ms);
extern void loop_timer_clear(Loop *loop, LoopTimer *t);
extern bool loop_timer_is_set(const LoopTimer *t);

extern void loop_chore_add(Loop *loop, LoopChore *chore);
extern void loop_chore_remove(Loop *loop, LoopChore *chore);
extern void loop_post(Loop *loop, LoopTask *task);

/* A random number in [0, n), for jitter and nothing else. */
extern uint32_t loop_random(Loop *loop, uint32_t n);

#endif							/* DAEMON_LOOP_H */
