/*
 * replica.h
 *		How far has the replica got, and who may read from it?
 */
#ifndef SHIM_REPLICA_H
#define SHIM_REPLICA_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/arena.h"
#include "daemon/buf.h"
#include "shim/server.h"

typedef struct Replica Replica;

/* Where a request goes whose route is marked, and why. */
typedef enum ReplicaChoice
{
	REPLICA_NO,					/* not marked, or there is no replica */
	REPLICA_UNSURE,				/* primary: Redis has no word on the session */
	REPLICA_WROTE,				/* primary: the user wrote a moment ago */
	REPLICA_BEHIND,				/* primary: the replica is behind, or away */
	REPLICA_ASKED,
	REPLICA_CHOICES
} ReplicaChoice;

typedef struct ReplicaStats
{
	bool		serves;
	double		lag_s;			/* age of what it is known to have replayed */
	double		lag_bytes;
} ReplicaStats;

/* NULL where none is configured, or where it could never be used. */
extern Replica *replica_new(Process *p);
extern void replica_destroy(Replica *r);

/*
 * May a user read from it of whom Redis remembers no write?  epoch: the one
 * trusted when Redis said so.  Any thread may ask.
 */
extern bool replica_serves(Replica *r, int64_t epoch);

/* The touched entry by which Redis remembers that the user wrote. */
extern Str	replica_wrote(Arena *arena, const char *user);

extern void replica_stats(Replica *r, ReplicaStats *out);

#endif							/* SHIM_REPLICA_H */
