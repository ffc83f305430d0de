/*
 * metrics.h
 *		Counters of the process.
 */
#ifndef DAEMON_METRICS_H
#define DAEMON_METRICS_H

#include "shim/server.h"

extern struct Metrics *metrics_new(int index);
extern void metrics_destroy(struct Metrics *m);
extern void metrics_render(Process *p, Buf *out);

#endif							/* DAEMON_METRICS_H */
