/*
 * intake.h
 *		Reading a request: headers, address, route; what is refused at once.
 */
#ifndef SHIM_INTAKE_H
#define SHIM_INTAKE_H

#include "shim/request.h"

#define API_BASE "/api/v1"

/*
 * Looks at everything but the body.  A fault is left in r->refused and
 * r->refused_code; the first one counts.
 */
extern void intake(Request *r);

/* The size that Content-Length announces; -1 when absent. */
extern int64_t intake_length(const Request *r);

/* Is the body known to have no more than max bytes? */
extern bool intake_is_short(const Request *r, int64_t max);

#endif							/* SHIM_INTAKE_H */
