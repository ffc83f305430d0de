/*
 * gate.h
 *		What Redis is asked before the database is: limits, revocation, cache.
 */
#ifndef SHIM_GATE_H
#define SHIM_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/redis.h"
#include "shim/epoch.h"
#include "shim/ratelimit.h"
#include "shim/replica.h"
#include "shim/server.h"

#define GATE_LINKS 3

struct Request;
struct Flight;
struct Delivery;

typedef struct GateStats
{
	uint64_t	hits;
	uint64_t	misses;
	uint64_t	bypasses;		/* cached route, but the cache was passed by */
	uint64_t	joined;			/* waited for somebody else's fill */
	uint64_t	fills;
	uint64_t	fills_void;		/* refused: something was invalidated
								 * meanwhile */
	uint64_t	invalidated;	/* keys and groups */
	uint64_t	delivery_retries;
	uint64_t	undelivered;	/* sets of keys that had to wait for the epoch */
	uint64_t	limited;
	uint64_t	limited_locally;	/* buckets asked here because Redis was
									 * away */
	uint64_t	revoked;
	uint64_t	replica[REPLICA_CHOICES];
	uint64_t	replica_fallbacks;	/* asked, and then the primary after all */
} GateStats;

/* One for each loop. */
typedef struct Gate
{
	Server	   *server;
	Epoch	   *epoch;			/* the process's */
	Redis	   *links[GATE_LINKS];	/* one for each distinct server */
	int			n_links;
	Redis	   *cache;			/* some of links, or NULL: not configured */
	Redis	   *session;
	Redis	   *limit;
	int			cache_db;
	int			session_db;
	int			limit_db;
	bool		up;				/* cache and session both are */
	char		server_id[SERVER_ID_SIZE];
	Limiter		limiter;

	/* gate.c's own: buckets to be asked at the end of this turn */
	struct Draws *draws;
	struct Draws *free_draws;
	LoopChore	chore;

	/* cache.c's own */
	struct Flight *flights[256];
	struct Delivery *deliveries;
	Buf			scratch;
	uint64_t	random[2];
	GateStats	stats;
} Gate;

/* Links to the Redis servers of the configuration; NULL if a URL is no good. */
extern Gate *gate_new(Server *s);
extern void gate_destroy(Gate *g);

/*
 * A clean good-bye to the other processes, once no invalidation is under way:
 * loop 0, at the end of a drain.  done() is called once, within a second.
 */
extern void gate_farewell(Gate *g, void (*done) (void *data), void *data);

/* Ends in request_gated(r), once, at once or later. */
extern void gate_enter(struct Request *r);

/* dispatch() refused a log-in: counts against the address. */
extern void gate_login_failed(struct Request *r);

/*
 * dispatch() took the token of a request: Redis may vouch for its user again.
 * To be called for every request that dispatch() answered with success.
 */
extern void gate_vouch(struct Request *r);

/* Run ids of the servers of cache and sessions; "" while one is away. */
extern const char *gate_server_id(const Gate *g);
extern bool gate_is_up(const Gate *g);

#endif							/* SHIM_GATE_H */
