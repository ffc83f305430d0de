/*
 * cache.h
 *		Cached answers (cache.c), and their invalidation (deliver.c).
 */
#ifndef SHIM_CACHE_H
#define SHIM_CACHE_H

#include "shim/gate.h"
#include "shim/request.h"

/* Names in Redis besides those that routes give. */
#define GENERATION_PREFIX	"sc:gen:"
#define LEASE_PREFIX		"sc:lease:"

/* A generation outlives every value that depends on it. */
#define VALUE_MAX_S		7200
#define GENERATION_MS	"10800000"

/* ---- for the gate ---- */

/* Makes the key; false if this request cannot have one. */
extern bool cache_prepare(Gate *g, Request *r);

/* Asks for the value in this turn; cmd's reply is for cache_take(). */
extern bool cache_ask(Gate *g, Request *r, RedisCmd *cmd);
extern void cache_take(Gate *g, Request *r, const RedisReply *reply);

/* Was there a value, and may it be believed?  Then it is r->answer. */
extern bool cache_serve(Gate *g, Request *r);

/*
 * There was none: gets the lease for filling it, or waits a little for who
 * has it.  Ends in request_gated() and gives the gate's reference back.
 */
extern void cache_miss(Gate *g, Request *r);

/* ---- for requests ---- */

/*
 * What a request that was let go with CACHE_MISS must end in: keep r->answer,
 * or give the lease back.  Either may be called again without harm.
 */
extern void cache_fill(Request *r);
extern void cache_release(Request *r);

/*
 * Carries out what a committed write touched, entries as dispatch() gives
 * them; they are copied.  epoch is the one known when the request came in.
 * done() is called once: nobody can read the older version any more.
 */
extern void cache_apply_touched(Server *s, int64_t epoch, const Str *entries, int n,
								void (*done) (void *data), void *data);

/* A write was lost on its way: whether it was committed is not known. */
extern void cache_outcome_unknown(Server *s);

/* Tries once, whatever the epoch says: for the epoch's own use. */
extern void cache_deliver_once(Server *s, const Str *entries, int n,
							   void (*done) (void *data, bool well), void *data);

/* Ends what is under way, for gate_destroy(). */
extern void cache_stop(Gate *g);

/* ---- what the listener hears, on loop 0 ---- */

extern void cache_notified(Server *s, const char *payload);
extern void cache_epoch_notified(Server *s, const char *payload);
extern void cache_listener_up(Server *s);
extern void cache_listener_down(Server *s);

/* A random generation or token: 16 hex digits and a NUL. */
extern void cache_random(Gate *g, char out[17]);

#endif							/* SHIM_CACHE_H */
