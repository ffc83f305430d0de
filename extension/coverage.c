/*
 * coverage.c
 *		Sets of watched seconds, and the aggregate that unites them.
 *
 * A set is an array of spans of which a prefix is sorted and disjoint.  New
 * spans are appended and folded in when somebody asks, or when the unsorted
 * tail has grown as long as the prefix, so that n spans cost O(n log n)
 * and memory stays proportional to the result.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/int.h"
#include "fmgr.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/multirangetypes.h"
#include "utils/rangetypes.h"
#include "utils/typcache.h"

#include "extension/coverage.h"

#define FIRST_SIZE 16

SpanSet *
sc_spans_new(MemoryContext context)
{
	SpanSet    *set = MemoryContextAllocZero(context, sizeof(SpanSet));

	set->context = context;
	return set;
}

/* Add the seconds [lo, hi); nothing if that is empty. */
void
sc_spans_add(SpanSet *set, int64 lo, int64 hi)
{
	if (lo >= hi)
		return;

	/* heartbeats and sorted input mostly continue the last span */
	if (set->count > 0 && set->merged == set->count)
	{
		Span	   *last = &set->spans[set->count - 1];

		if (lo >= last->lo && lo <= last->hi)
		{
			last->hi = Max(last->hi, hi);
			return;
		}
	}

	if (set->count == set->size)
	{
		if (set->count >= FIRST_SIZE && set->count > 2 * set->merged)
			sc_spans_merge(set);
		if (2 * set->count >= set->size)
		{
			int			size = set->size == 0 ? FIRST_SIZE : set->size * 2;

			if (set->spans == NULL)
				set->spans = MemoryContextAlloc(set->context, size * sizeof(Span));
			else
				set->spans = repalloc_huge(set->spans, (Size) size * sizeof(Span));
			set->size = size;
		}
	}
	if (set->merged == set->count &&
		(set->count == 0 || lo > set->spans[set->count - 1].hi))
		set->merged++;
	set->spans[set->count].lo = lo;
	set->spans[set->count].hi = hi;
	set->count++;
}

static int
compare_spans(const void *a, const void *b)
{
	const Span *left = a;
	const Span *right = b;

	if (left->lo != right->lo)
		return left->lo < right->lo ? -1 : 1;
	if (left->hi != right->hi)
		return left->hi < right->hi ? -1 : 1;
	return 0;
}

/* Make the whole array sorted and disjoint. */
void
sc_spans_merge(SpanSet *set)
{
	int			last = 0;

	if (set->merged == set->count)
		return;
	qsort(set->spans, set->count, sizeof(Span), compare_spans);
	for (int i = 1; i < set->count; i++)
	{
		if (set->spans[i].lo <= set->spans[last].hi)
			set->spans[last].hi = Max(set->spans[last].hi, set->spans[i].hi);
		else
			set->spans[++last] = set->spans[i];
	}
	set->count = last + 1;
	set->merged = set->count;
}

/* How many seconds the set holds; SPAN_MAX if it has an open end. */
int64
sc_spans_length(SpanSet *set)
{
	int64		length = 0;

	sc_spans_merge(set);
	for (int i = 0; i < set->count; i++)
	{
		if (set->spans[i].lo == SPAN_MIN || set->spans[i].hi == SPAN_MAX)
			return SPAN_MAX;
		length += set->spans[i].hi - set->spans[i].lo;
	}
	return length;
}

/*
 * Leave at most "most" spans, by closing the smallest gaps.
 *
 * The seconds of a closed gap count as watched from then on: somebody who
 * jumped about hundreds of times gets a few seconds for nothing rather than
 * losing one.
 */
void
sc_spans_compact(SpanSet *set, int most)
{
	sc_spans_merge(set);
	while (set->count > most)
	{
		int			best = 1;

		CHECK_FOR_INTERRUPTS();
		for (int i = 2; i < set->count; i++)
		{
			if (set->spans[i].lo - set->spans[i - 1].hi <
				set->spans[best].lo - set->spans[best - 1].hi)
				best = i;
		}
		set->spans[best - 1].hi = set->spans[best].hi;
		memmove(&set->spans[best], &set->spans[best + 1],
				(set->count - best - 1) * sizeof(Span));
		set->count--;
		set->merged = set->count;
	}
}

static TypeCacheEntry *
multirange_type(void)
{
	return lookup_type_cache(INT4MULTIRANGEOID, TYPECACHE_MULTIRANGE_INFO);
}

/* Add one int4range, already in its canonical form [lo, hi). */
static void
add_range(SpanSet *set, TypeCacheEntry *range_type, const RangeType *range)
{
	RangeBound	lower;
	RangeBound	upper;
	bool		empty;

	range_deserialize(range_type, range, &lower, &upper, &empty);
	if (!empty)
		sc_spans_add(set,
					 lower.infinite ? SPAN_MIN : DatumGetInt32(lower.val),
					 upper.infinite ? SPAN_MAX : DatumGetInt32(upper.val));
}

/* Add all ranges of an int4multirange. */
void
sc_spans_add_multirange(SpanSet *set, Datum multirange)
{
	TypeCacheEntry *type = multirange_type();
	RangeType **ranges;
	int32		count;

	multirange_deserialize(type->rngtype, DatumGetMultirangeTypeP(multirange), &count, &ranges);
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		add_range(set, type->rngtype, ranges[i]);
	}
}

/* The set as an int4multirange, in the current memory context. */
Datum
sc_spans_to_multirange(SpanSet *set)
{
	TypeCacheEntry *type = multirange_type();
	RangeType **ranges;

	sc_spans_merge(set);
	ranges = palloc(Max(set->count, 1) * sizeof(RangeType *));
	for (int i = 0; i < set->count; i++)
	{
		RangeBound	lower = {.lower = true, .inclusive = true};
		RangeBound	upper = {.lower = false, .inclusive = false};

		CHECK_FOR_INTERRUPTS();
		lower.infinite = set->spans[i].lo == SPAN_MIN;
		lower.val = Int32GetDatum(lower.infinite ? 0 : (int32) set->spans[i].lo);
		upper.infinite = set->spans[i].hi == SPAN_MAX;
		upper.val = Int32GetDatum(upper.infinite ? 0 : (int32) set->spans[i].hi);
		ranges[i] = make_range(type->rngtype, &lower, &upper, false);
	}
	return MultirangeTypePGetDatum(make_multirange(INT4MULTIRANGEOID, type->rngtype,
												   set->count, ranges));
}

/* The running set of an aggregate call; made at the first value. */
static SpanSet *
aggregate_state(FunctionCallInfo fcinfo, MemoryContext *context)
{
	if (!AggCheckCallContext(fcinfo, context))
		elog(ERROR, "coverage called outside of an aggregate");
	if (PG_ARGISNULL(0))
		return sc_spans_new(*context);
	return (SpanSet *) PG_GETARG_POINTER(0);
}

/* coverage_add(internal, int4range): NULLs are skipped. */
PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_coverage_add);
Datum
sc_coverage_add(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	SpanSet    *set;

	if (PG_ARGISNULL(1))
	{
		if (PG_ARGISNULL(0))
			PG_RETURN_NULL();
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	}
	set = aggregate_state(fcinfo, &context);
	add_range(set, multirange_type()->rngtype, PG_GETARG_RANGE_P(1));
	PG_RETURN_POINTER(set);
}

/* coverage_add_multi(internal, int4multirange): NULLs are skipped. */
PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_coverage_add_multi);
Datum
sc_coverage_add_multi(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	SpanSet    *set;

	if (PG_ARGISNULL(1))
	{
		if (PG_ARGISNULL(0))
			PG_RETURN_NULL();
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	}
	set = aggregate_state(fcinfo, &context);
	sc_spans_add_multirange(set, PG_GETARG_DATUM(1));
	PG_RETURN_POINTER(set);
}

/* coverage_combine(internal, internal): the first set takes in the second. */
PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_coverage_combine);
Datum
sc_coverage_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	SpanSet    *set;
	SpanSet    *other;

	if (PG_ARGISNULL(1))
	{
		if (PG_ARGISNULL(0))
			PG_RETURN_NULL();
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	}
	set = aggregate_state(fcinfo, &context);
	other = (SpanSet *) PG_GETARG_POINTER(1);
	sc_spans_merge(other);
	for (int i = 0; i < other->count; i++)
		sc_spans_add(set, other->spans[i].lo, other->spans[i].hi);
	PG_RETURN_POINTER(set);
}

/* coverage_serialize(internal): count, then the bounds. */
PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_coverage_serialize);
Datum
sc_coverage_serialize(PG_FUNCTION_ARGS)
{
	SpanSet    *set;
	StringInfoData out;

	if (!AggCheckCallContext(fcinfo, NULL))
		elog(ERROR, "coverage called outside of an aggregate");
	set = (SpanSet *) PG_GETARG_POINTER(0);
	sc_spans_merge(set);
	pq_begintypsend(&out);
	pq_sendint32(&out, set->count);
	for (int i = 0; i < set->count; i++)
	{
		pq_sendint64(&out, set->spans[i].lo);
		pq_sendint64(&out, set->spans[i].hi);
	}
	PG_RETURN_BYTEA_P(pq_endtypsend(&out));
}

/* coverage_deserialize(bytea, internal): inverse of coverage_serialize. */
PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_coverage_deserialize);
Datum
sc_coverage_deserialize(PG_FUNCTION_ARGS)
{
	bytea	   *bytes;
	StringInfoData in;
	SpanSet    *set;
	int			count;

	if (!AggCheckCallContext(fcinfo, NULL))
		elog(ERROR, "coverage called outside of an aggregate");
	bytes = PG_GETARG_BYTEA_PP(0);
	initStringInfo(&in);
	appendBinaryStringInfo(&in, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
	set = sc_spans_new(CurrentMemoryContext);
	count = pq_getmsgint(&in, 4);
	for (int i = 0; i < count; i++)
	{
		int64		lo = pq_getmsgint64(&in);
		int64		hi = pq_getmsgint64(&in);

		sc_spans_add(set, lo, hi);
	}
	pq_getmsgend(&in);
	PG_RETURN_POINTER(set);
}

/* coverage_final(internal): NULL if there was no value, as with range_agg. */
PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_coverage_final);
Datum
sc_coverage_final(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(sc_spans_to_multirange((SpanSet *) PG_GETARG_POINTER(0)));
}

/* coverage_seconds(int4multirange): total length of the spans. */
PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_coverage_seconds);
Datum
sc_coverage_seconds(PG_FUNCTION_ARGS)
{
	SpanSet    *set = sc_spans_new(CurrentMemoryContext);
	int64		length;

	sc_spans_add_multirange(set, PG_GETARG_DATUM(0));
	length = sc_spans_length(set);
	if (length == SPAN_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("a span without an end has no length")));
	PG_RETURN_INT64(length);
}
