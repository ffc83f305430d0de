/*
 * gate.h
 *		What Redis says about a request before the database is asked.
 */
#ifndef SHIM_GATE_H
#define SHIM_GATE_H

#include "shim/request.h"

extern struct Gate *gate_new(Server *s);
extern void gate_destroy(struct Gate *gate);

/* Ends in request_gated(), at once or later. */
extern void gate_enter(Request *r);

/* A log-in route answered 401. */
extern void gate_login_failed(Request *r);

#endif							/* SHIM_GATE_H */
