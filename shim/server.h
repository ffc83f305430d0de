/*
 * server.h
 *		One HTTP server per event loop, and what its requests share.
 *
 * A Server and everything it points to belongs to one thread.
 */
#ifndef SHIM_SERVER_H
#define SHIM_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/config.h"
#include "daemon/loop.h"
#include "daemon/pgpool.h"
#include "shim/route.h"

struct MHD_Daemon;
struct Request;
struct Keys;

/* What the whole process shares; fixed after the start, or atomic. */
typedef struct Process
{
	const Config *config;
	int			n_servers;
	struct Server *servers;
	int			started;		/* servers whose tables are loaded (atomic) */
	bool		draining;		/* atomic */
} Process;

typedef struct Server
{
	Process    *process;
	const Config *config;
	int			index;			/* which loop; 0 also does the process's chores */
	Loop	   *loop;
	PgPool	   *pg;
	RouteTable *routes;			/* NULL until loaded */
	struct Keys *keys;			/* NULL until loaded */
	struct Gate *gate;			/* Redis: limits, revocation, cache (gate.h) */
	struct Metrics *metrics;	/* this loop's counters (metrics.h) */

	struct MHD_Daemon *http;
	int			listen_fd;
	LoopFd		http_fd;
	LoopChore	http_chore;
	struct Request *free_requests;
	int			n_free_requests;
	int			n_requests;		/* that are being served */
	struct Request *requests;	/* all of those, linked */
} Server;

extern bool server_start(Server *s);
extern void server_quiesce(Server *s);	/* stop accepting; answers say close */
extern void server_stop(Server *s); /* ends what is left, frees */

#endif							/* SHIM_SERVER_H */
