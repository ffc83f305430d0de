/*
 * export.h
 *		Answers that travel to the client while they are made (lane stream).
 */
#ifndef SHIM_EXPORT_H
#define SHIM_EXPORT_H

#include "shim/request.h"

typedef struct ExportStats
{
	int			running;
	uint64_t	refused;		/* because too many were running */
	uint64_t	cut;			/* after the first byte */
} ExportStats;

/* The gate let it through: open a session. */
extern void export_begin(Request *r);

/* The deadline passed, the client left, or the process ends. */
extern void export_abort(Request *r);

/* Of the whole process. */
extern void export_stats(ExportStats *out);

#endif							/* SHIM_EXPORT_H */
