/*
 * handover.h
 *		From one coachd to the next: when a process begins to accept.
 *
 * Where sockets are inherited, connections wait in the kernel's queue, or
 * another coachd still serves them.  There is no need to answer "starting" to
 * anybody then, so accepting waits until there is something to serve with.
 */
#ifndef SHIM_HANDOVER_H
#define SHIM_HANDOVER_H

#include <stdbool.h>

#include "shim/server.h"

/* Reads LISTEN_FDS, LISTEN_PID and LISTEN_SHARED; gives how many there are. */
extern int	handover_inherited(Sockets *how);

/* Before the loop runs: it will open the server for clients in time. */
extern void handover_start(Server *s);
extern void handover_stop(Server *s);

/* The server was given routes, keys or the document. */
extern void handover_loaded(Server *s);

#endif							/* SHIM_HANDOVER_H */
