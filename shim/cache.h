/*
 * cache.h
 *		Cached answers and their invalidation.
 */
#ifndef SHIM_CACHE_H
#define SHIM_CACHE_H

#include "shim/request.h"

/* A miss is answered: keep r->answer, or give the lease back. */
extern void cache_fill(Request *r);
extern void cache_release(Request *r);

/* Invalidates what a committed write touched; done() is called once. */
extern void cache_apply_touched(Server *s, const Str *entries, int n,
								void (*done) (void *), void *data);

/* What the listener hears. */
extern void cache_notified(Server *s, const char *payload);
extern void cache_epoch_notified(Server *s, const char *payload);
extern void cache_listener_up(Server *s);
extern void cache_listener_down(Server *s);

#endif							/* SHIM_CACHE_H */
