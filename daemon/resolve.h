/*
 * resolve.h
 *		Looking up a host name without holding up a loop.
 */
#ifndef DAEMON_RESOLVE_H
#define DAEMON_RESOLVE_H

#include "daemon/loop.h"

struct addrinfo;
typedef struct Resolve Resolve;

/*
 * Calls done() once on the loop, with what was found or NULL; the answer and
 * the Resolve are gone when it returns.  host and port must live until then.
 * NULL if there is no thread to be had.
 */
extern Resolve *resolve_start(Loop *loop, const char *host, const char *port,
							  void (*done) (void *data, const struct addrinfo *found),
							  void *data);

/* Waits and forgets, done() is not called: only when the loop has ended. */
extern void resolve_abandon(Resolve *r);

#endif							/* DAEMON_RESOLVE_H */
