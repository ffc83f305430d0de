/*
 * arena.h
 *		Memory that lives as long as a request.
 *
 * Allocation moves a pointer; everything is given back at once.  The first
 * block is part of whoever embeds the arena, so that a common request never
 * asks malloc().  Running out of memory ends the process.
 */
#ifndef DAEMON_ARENA_H
#define DAEMON_ARENA_H

#include <stddef.h>

typedef struct ArenaBlock ArenaBlock;

typedef struct Arena
{
	char	   *next;			/* free space of the current block */
	char	   *end;
	ArenaBlock *blocks;			/* those that came from malloc() */
	char	   *first;
	size_t		first_size;
} Arena;

extern void arena_init(Arena *a, void *first, size_t size);
extern void arena_reset(Arena *a);	/* keeps only the first block */
extern void *arena_alloc(Arena *a, size_t size);	/* aligned to 16, not
													 * zeroed */
extern char *arena_copy(Arena *a, const char *s, size_t len);	/* adds a NUL */

/* malloc() and friends of the daemons: they do not come back without memory. */
extern void *mem_alloc(size_t size);	/* zeroed */
extern void *mem_realloc(void *p, size_t size);
extern char *mem_strdup(const char *s);

#endif							/* DAEMON_ARENA_H */
