/*
 * server.h
 *		One HTTP server per event loop, and what its requests share.
 *
 * A Server and everything it points to belongs to one thread.
 */
#ifndef SHIM_SERVER_H
#define SHIM_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/config.h"
#include "daemon/loop.h"
#include "daemon/net.h"
#include "daemon/pgpool.h"
#include "shim/route.h"

struct MHD_Daemon;
struct Request;
struct Keys;

/* Who else looks after the listening sockets. */
typedef enum Sockets
{
	SOCKETS_OWN,				/* nobody: accept at once */
	SOCKETS_INHERITED,			/* somebody keeps them, nobody accepts */
	SOCKETS_SHARED				/* another coachd serves them until we can */
} Sockets;

/* What the whole process shares; fixed after the start, or atomic. */
typedef struct Process
{
	const Config *config;
	int			n_servers;
	struct Server *servers;
	Nets		proxies;		/* COACH_TRUSTED_PROXIES */
	Nets		schools;		/* COACH_TRUSTED_NETS */
	Sockets		sockets;
	atomic_bool draining;
	atomic_bool replaced;		/* by a coachd that accepts already */
	atomic_int	n_ready;		/* servers that serve clients */
	atomic_bool misfit;			/* ends because the database does not fit */
	struct Reload *reload;
	PgListener *listener;		/* loop 0's; NULL: there is no direct URL */
	struct Epoch *epoch;		/* trust in the cache (epoch.h); NULL without
								 * one */
	struct Replica *replica;	/* how far it is (replica.h); NULL without one */
	LoopTask   *tasks;			/* of the drain */
	struct Farewell *farewell;	/* to the other processes */
} Process;

typedef struct Server
{
	Process    *process;
	const Config *config;
	int			index;			/* which loop; 0 also does the process's
								 * chores */
	Loop	   *loop;
	PgPool	   *pg;
	RouteTable *routes;			/* NULL until loaded */
	struct Keys *keys;			/* NULL until loaded */
	struct Gate *gate;			/* Redis: limits, revocation, cache (gate.h) */
	struct Metrics *metrics;	/* this loop's counters (metrics.h) */
	struct Stats *stats;		/* and its gauges (stats.h) */

	struct MHD_Daemon *http;	/* NULL until clients are accepted */
	int			listen_fd;
	LoopTimer	look;			/* handover.c: is it time to accept? */
	int64_t		looked_ms;		/* first */
	int64_t		loaded_ms;		/* since when there are routes and keys */
	bool		ready;			/* serves clients */
	LoopTimer	gone;			/* gone.c: who has left? */
	struct Lingering *lingering;	/* linger.c: sockets of clients sent away */
	int			n_lingering;
	LoopFd		http_fd;
	LoopChore	http_chore;
	uint64_t	ids;			/* state of the generator of request ids */
	Buf			scratch;		/* for what lives no longer than a call */
	Buf			log;			/* access log of this turn */
	int64_t		log_second;		/* since 1970 */
	char		log_stamp[24];	/* the same as text, up to the second */
	struct Events *events;		/* best-effort events, waiting to be written */
	PgRows	   *openapi;		/* rows with the document; NULL until loaded */
	char		openapi_etag[33];
	struct Request *free_requests;
	int			n_free_requests;
	int			n_requests;		/* that are being served */
	struct Request *requests;	/* all of those, linked */
	atomic_bool drained;		/* draining, and nobody is connected any more */
	int64_t		quiet_ms;		/* since when nothing is being served */
} Server;

extern void server_start(Server *s);
extern bool server_open(Server *s); /* begin to accept */
extern void server_quiesce(Server *s);	/* stop accepting; answers say close */
extern void server_stop(Server *s); /* ends what is left, frees */

#endif							/* SHIM_SERVER_H */
