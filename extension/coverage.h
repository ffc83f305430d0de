/*
 * coverage.h
 *		Sets of watched seconds, as sorted disjoint spans.
 */
#ifndef SC_COVERAGE_H
#define SC_COVERAGE_H

#include "postgres.h"

/* Open ends of a range; every finite bound is an int4. */
#define SPAN_MIN	PG_INT64_MIN
#define SPAN_MAX	PG_INT64_MAX

/* The seconds from lo up to, not including, hi.  Never empty in a SpanSet. */
typedef struct Span
{
	int64		lo;
	int64		hi;
} Span;

/*
 * A set of seconds.  Spans up to "merged" are sorted, disjoint and do not
 * touch; what was added behind them waits for spans_merge().
 */
typedef struct SpanSet
{
	MemoryContext context;		/* holds the array */
	Span	   *spans;
	int			count;
	int			merged;
	int			size;
} SpanSet;

extern SpanSet *sc_spans_new(MemoryContext context);
extern void sc_spans_add(SpanSet *set, int64 lo, int64 hi);
extern void sc_spans_add_multirange(SpanSet *set, Datum multirange);
extern void sc_spans_merge(SpanSet *set);
extern int64 sc_spans_length(SpanSet *set);
extern void sc_spans_compact(SpanSet *set, int most);
extern Datum sc_spans_to_multirange(SpanSet *set);

#endif							/* SC_COVERAGE_H */
