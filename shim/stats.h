/*
 * stats.h
 *		What /metrics says: a loop's gauges, and the page.
 */
#ifndef SHIM_STATS_H
#define SHIM_STATS_H

#include "daemon/buf.h"
#include "shim/server.h"

/* Notes the gauges of a loop from time to time, for whoever renders. */
extern void stats_start(Server *s);
extern void stats_stop(Server *s);

/* The page, from any loop. */
extern void stats_render(Process *p, Buf *out);

#endif							/* SHIM_STATS_H */
