/*
 * arena.c
 *		Memory that lives as long as a request.
 */
#include "daemon/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 16
#define BLOCK_SIZE ((size_t) 8192)

struct ArenaBlock
{
	ArenaBlock *next;
	size_t		size;			/* keeps the data after it aligned to 16 */
};

static void
out_of_memory(void)
{
	static const char message[] = "out of memory\n";

	(void) !fwrite(message, 1, sizeof(message) - 1, stderr);
	abort();
}

void *
mem_alloc(size_t size)
{
	void	   *p = calloc(1, size ? size : 1);

	if (p == NULL)
		out_of_memory();
	return p;
}

void *
mem_realloc(void *p, size_t size)
{
	p = realloc(p, size ? size : 1);
	if (p == NULL)
		out_of_memory();
	return p;
}

char *
mem_strdup(const char *s)
{
	size_t		len = strlen(s) + 1;

	return memcpy(mem_alloc(len), s, len);
}

void
arena_init(Arena *a, void *first, size_t size)
{
	a->first = first;
	a->first_size = size;
	a->blocks = NULL;
	a->next = first;
	a->end = a->next + size;
}

void
arena_reset(Arena *a)
{
	while (a->blocks != NULL)
	{
		ArenaBlock *block = a->blocks;

		a->blocks = block->next;
		free(block);
	}
	a->next = a->first;
	a->end = a->first + a->first_size;
}

static char *
align(char *p)
{
	return p + (-(uintptr_t) p & (ALIGNMENT - 1));
}

void *
arena_alloc(Arena *a, size_t size)
{
	char	   *p = align(a->next);
	ArenaBlock *block;
	size_t		room;

	if (p <= a->end && size <= (size_t) (a->end - p))
	{
		a->next = p + size;
		return p;
	}

	/* A large piece gets a block to itself; the current one stays in use. */
	room = size > BLOCK_SIZE / 2 ? size : BLOCK_SIZE;
	block = mem_realloc(NULL, sizeof(ArenaBlock) + room);
	block->size = room;
	block->next = a->blocks;
	a->blocks = block;
	p = (char *) (block + 1);
	if (room == BLOCK_SIZE)
	{
		a->next = p + size;
		a->end = p + room;
	}
	return p;
}

char *
arena_copy(Arena *a, const char *s, size_t len)
{
	char	   *p = arena_alloc(a, len + 1);

	if (len > 0)
		memcpy(p, s, len);
	p[len] = '\0';
	return p;
}
