/*
 * metrics.h
 *		Counts and times of what was served, one set for each loop.
 *
 * A loop writes its own set without locks; whoever renders reads all sets and
 * adds them up.  A series is a place in a table that only grows, shared by all
 * loops: route template and method, or nothing for what matched no route.
 */
#ifndef DAEMON_METRICS_H
#define DAEMON_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/buf.h"

typedef struct Metrics Metrics;

extern Metrics *metrics_new(void);
extern void metrics_destroy(Metrics *m);

/*
 * The place of a route; the same for the same names, whichever loop asks.
 * 0, which stands for "no route", when there are too many.
 */
extern int	metrics_route(const char *method, Str path);

/* One answer: its status, how long it took, and the bytes of its body. */
extern void metrics_request(Metrics *m, int route, int status, int64_t us, size_t bytes);

/* The sum over n sets, in Prometheus' text format. */
extern void metrics_render(Metrics *const *sets, int n, Buf *out);

/* CPU, memory, descriptors and start of this process. */
extern void metrics_render_process(Buf *out);

/* A family's head, and a sample with optional labels: `a="b",c="d"`. */
extern void metrics_family(Buf *out, const char *name, const char *type, const char *help);
extern void metrics_sample(Buf *out, const char *name, const char *labels, double value);

#endif							/* DAEMON_METRICS_H */
