/*
 * cache.c
 *		Cached answers and their invalidation.
 */
#include "shim/cache.h"

void
cache_fill(Request *r)
{
	(void) r;
}

void
cache_release(Request *r)
{
	(void) r;
}

void
cache_apply_touched(Server *s, const Str *entries, int n, void (*done) (void *), void *data)
{
	(void) s;
	(void) entries;
	(void) n;
	done(data);
}

void
cache_notified(Server *s, const char *payload)
{
	(void) s;
	(void) payload;
}

void
cache_epoch_notified(Server *s, const char *payload)
{
	(void) s;
	(void) payload;
}

void
cache_listener_up(Server *s)
{
	(void) s;
}

void
cache_listener_down(Server *s)
{
	(void) s;
}
