/*
 * linger.h
 *		Clients that are sent away while they are still sending.
 */
#ifndef SHIM_LINGER_H
#define SHIM_LINGER_H

#include "shim/server.h"

/* The client of this socket, which is about to be closed, was answered. */
extern void linger(Server *s, int fd);

/* At the end of the server. */
extern void linger_stop(Server *s);

#endif							/* SHIM_LINGER_H */
