/*
 * gone.h
 *		Requests that wait for the database although their client has left.
 */
#ifndef SHIM_GONE_H
#define SHIM_GONE_H

#include "shim/server.h"

extern void gone_start(Server *s);	/* begins to look, now and then */
extern void gone_stop(Server *s);

/* Has the client of a suspended request left? */
extern bool gone_left(struct Request *r);

#endif							/* SHIM_GONE_H */
