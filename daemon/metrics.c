/*
 * metrics.c
 *		Counters of the process.
 */
#include "daemon/metrics.h"

#include "daemon/log.h"

struct Metrics *
metrics_new(int index)
{
	(void) index;
	return NULL;
}

void
metrics_destroy(struct Metrics *m)
{
	(void) m;
}

void
metrics_render(Process *p, Buf *out)
{
	(void) p;
	buf_puts(out, "# TYPE sc_log_dropped_total counter\nsc_log_dropped_total ");
	buf_int(out, (int64_t) log_dropped());
	buf_puts(out, "\n");
}
