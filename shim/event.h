/*
 * event.h
 *		Best-effort events of read requests, written in batches.
 *
 * A read cannot write, yet "last seen" and the like want to be kept.  Events
 * wait in a bounded buffer and go to sc_api.log_events() once a second; what
 * does not fit is dropped and counted.
 */
#ifndef SHIM_EVENT_H
#define SHIM_EVENT_H

#include "shim/server.h"

typedef struct Events Events;

extern Events *events_new(Server *s);
extern void events_destroy(Events *e);

/* A JSON object or an array of them, as dispatch() gives it. */
extern void events_add(Events *e, Str json);
extern void events_flush(Events *e);	/* now, not within a second */
extern bool events_are_written(const Events *e);
extern uint64_t events_dropped(const Events *e);

#endif							/* SHIM_EVENT_H */
