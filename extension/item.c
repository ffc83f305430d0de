/*
 * item.c
 *		Item and test statistics of classical test theory.
 *
 * x is the mark of an attempt on an item, T the total of the attempt and
 * O = T - x the rest.  All sums run over the attempts that have the item,
 * variances have the sample denominator (n - 1), and an undefined statistic is
 * NULL.  The conventions are Moodle's.
 *
 *	facility					mean(x) / max mark
 *	discrimination index		100 Cov(x, O) / sqrt(Var(x) Var(O))
 *	discriminative efficiency	100 Cov(x, O) / Cov(x sorted, O sorted)
 *	effective weight			100 sqrt(Cov(x, T)) / sum over items of the same
 *	CIC							100 p / (p - 1) (1 - sum Var(x) / Var(T))
 *	error ratio					100 sqrt(1 - CIC / 100)
 *	standard error				error ratio / 100 * SD(T)
 *
 * Everything is computed from centred values, in two passes.  Rounding in T
 * and O can leave a constant column with a variance of 1e-33 instead of none;
 * sc_is_zero() tells such noise from a variance.
 *
 * The sorted covariance is the only figure that costs more than a pass.  The
 * marks of an item take few values, so the attempts, taken in the order of
 * their totals, fall into a few runs in which O is already sorted; merging
 * these runs sorts O in linear time.
 *
 * A worked number: marks 1 1 0 0 on one of two items and totals 2 2 1 0 give
 * O = 1 1 1 0, Cov(x, O) = 1/6, Var(x) = 1/3, Var(O) = 1/4, hence a
 * discrimination index of 57.7; O sorted is 0 1 1 1 against 0 0 1 1, the same
 * covariance, so the efficiency is 100.
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "extension/item.h"

/* Items with more different marks than this are sorted the ordinary way. */
#define MAX_LEVELS 16

static int
cmp_double(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

/* Is a sum of n squares no more than the rounding of values of this size? */
bool
sc_is_zero(double sum, int n, double largest)
{
	double		noise = largest * DBL_EPSILON * 16;

	return fabs(sum) <= noise * noise * n;
}

static double
mean_of(const double *v, int n)
{
	double		sum = 0;

	for (int i = 0; i < n; i++)
		sum += v[i];
	return sum / n;
}

/* --- the core ----------------------------------------------------------- */

static int
cmp_by_total(const void *a, const void *b, void *totals)
{
	const double *t = totals;

	return cmp_double(&t[*(const int *) a], &t[*(const int *) b]);
}

/* Attempts in ascending order of their totals. */
int *
sc_order_totals(double *total, int n)
{
	int		   *order = palloc(sizeof(int) * Max(n, 1));

	for (int s = 0; s < n; s++)
		order[s] = s;
	qsort_arg(order, n, sizeof(int), cmp_by_total, total);
	return order;
}

/* Fill totals and their order; allocates both. */
static void
matrix_totals(MarkMatrix *m)
{
	m->total = palloc0(sizeof(double) * Max(m->n, 1));
	for (int i = 0; i < m->p; i++)
	{
		const double *x = m->mark + (size_t) i * m->n;

		for (int s = 0; s < m->n; s++)
			if (!isnan(x[s]))
				m->total[s] += x[s];
	}
	m->by_total = sc_order_totals(m->total, m->n);
}

/* Merge sorted runs, neighbours first, until one is left; tmp is as long as v. */
static void
merge_runs(double *v, double *tmp, int *start, int runs)
{
	while (runs > 1)
	{
		int			out = 0;

		for (int r = 0; r < runs; r += 2)
		{
			int			i = start[r];
			int			mid = start[r + 1];
			int			j = mid;
			int			end = r + 1 < runs ? start[r + 2] : mid;
			int			k = i;

			while (i < mid && j < end)
				tmp[k++] = v[i] <= v[j] ? v[i++] : v[j++];
			while (i < mid)
				tmp[k++] = v[i++];
			while (j < end)
				tmp[k++] = v[j++];
			memcpy(v + start[r], tmp + start[r], sizeof(double) * (end - start[r]));
			start[out++] = start[r];
			start[out] = end;
		}
		runs = out;
	}
}

/*
 * Sort the marks x and the rests o, each for itself.
 *
 * The n values arrive in ascending order of x + o.  tmp has room for n.
 */
static void
sort_both(double *x, double *o, double *tmp, int n)
{
	double		level[MAX_LEVELS];
	int			start[MAX_LEVELS + 1] = {0};
	int			next[MAX_LEVELS];
	int			levels = 0;

	for (int s = 0; s < n; s++)
	{
		int			l = 0;

		while (l < levels && level[l] != x[s])
			l++;
		if (l < levels)
			continue;
		if (levels == MAX_LEVELS)
		{
			qsort(x, n, sizeof(double), cmp_double);
			qsort(o, n, sizeof(double), cmp_double);
			return;
		}
		level[levels++] = x[s];
	}

	qsort(level, levels, sizeof(double), cmp_double);
	for (int s = 0; s < n; s++)
		for (int l = 0; l < levels; l++)
			if (level[l] == x[s])
				start[l + 1]++;
	for (int l = 0; l < levels; l++)
	{
		next[l] = start[l];
		start[l + 1] += start[l];
	}
	for (int s = 0; s < n; s++)
	{
		int			l = 0;

		while (level[l] != x[s])
			l++;
		tmp[next[l]++] = o[s];
	}
	memcpy(o, tmp, sizeof(double) * n);
	for (int l = 0; l < levels; l++)
		for (int s = start[l]; s < start[l + 1]; s++)
			x[s] = level[l];
	merge_runs(o, tmp, start, levels);
}

/* One item; x, o and tmp are scratch of n values each. */
static void
analyse_item(const MarkMatrix *m, int item, ItemStat *st, double *x, double *o, double *tmp)
{
	const double *marks = m->mark + (size_t) item * m->n;
	double		sxx = 0;
	double		soo = 0;
	double		sxo = 0;
	double		smax = 0;
	double		mean_o;
	double		largest = 0;
	int			n = 0;

	for (int i = 0; i < m->n; i++)
	{
		int			s = m->by_total[i];

		if (isnan(marks[s]))
			continue;
		x[n] = marks[s];
		o[n] = m->total[s] - marks[s];
		largest = Max(largest, Max(fabs(x[n]), fabs(m->total[s])));
		n++;
	}

	st->attempts = n;
	st->mean = st->facility = st->sd = st->variance = NAN;
	st->covariance = st->max_covariance = NAN;
	st->discrimination_index = st->discriminative_efficiency = NAN;
	st->effective_weight = NAN;
	if (n == 0)
		return;
	st->mean = mean_of(x, n);
	if (!isnan(m->max[item]) && m->max[item] != 0)
		st->facility = st->mean / m->max[item];
	if (n == 1)
		return;

	mean_o = mean_of(o, n);
	for (int s = 0; s < n; s++)
	{
		x[s] -= st->mean;
		o[s] -= mean_o;
		sxx += x[s] * x[s];
		soo += o[s] * o[s];
		sxo += x[s] * o[s];
	}
	if (sc_is_zero(sxx, n, largest))
		sxx = sxo = 0;
	if (sc_is_zero(soo, n, largest))
		soo = sxo = 0;
	st->variance = sxx / (n - 1);
	st->sd = sqrt(st->variance);
	st->covariance = sxo / (n - 1);
	if (sxx > 0 && soo > 0)
	{
		sort_both(x, o, tmp, n);
		for (int s = 0; s < n; s++)
			smax += x[s] * o[s];
		st->discrimination_index = 100 * sxo / sqrt(sxx * soo);
		if (!sc_is_zero(smax, n, largest))
			st->discriminative_efficiency = 100 * sxo / smax;
	}
	st->max_covariance = smax / (n - 1);
}

/* Fill one ItemStat for each item. */
void
sc_analyse_items(const MarkMatrix *m, ItemStat *items)
{
	double	   *scratch = palloc(sizeof(double) * 3 * Max(m->n, 1));
	double		sum_max = 0;
	double		sum_root = 0;

	for (int i = 0; i < m->p; i++)
	{
		CHECK_FOR_INTERRUPTS();
		analyse_item(m, i, &items[i], scratch, scratch + m->n, scratch + 2 * m->n);
		if (!isnan(m->max[i]))
			sum_max += m->max[i];
		/* Cov(x, T) = Cov(x, O) + Var(x) */
		if (items[i].attempts > 1 && items[i].covariance + items[i].variance >= 0)
			sum_root += sqrt(items[i].covariance + items[i].variance);
	}
	for (int i = 0; i < m->p; i++)
	{
		double		cov = items[i].covariance + items[i].variance;

		items[i].intended_weight = sum_max > 0 ? 100 * m->max[i] / sum_max : NAN;
		if (items[i].attempts > 1 && cov >= 0 && sum_root > 0)
			items[i].effective_weight = 100 * sqrt(cov) / sum_root;
	}
	pfree(scratch);
}

/*
 * Statistics that follow from the count and the central moment sums
 * M_j = sum (T - mean)^j, and from the sum of the item variances.
 */
void
sc_finish_test(TestStat *t, double m2, double m3, double m4, double sum_var)
{
	double		s = t->attempts;
	double		k2;

	t->sd = t->skewness = t->kurtosis = NAN;
	t->cic = t->error_ratio = t->standard_error = NAN;
	if (t->attempts < 2)
		return;
	k2 = m2 / (s - 1);
	t->sd = sqrt(k2);
	if (t->attempts < 3 || k2 <= 0)
		return;
	t->skewness = s * m3 / ((s - 1) * (s - 2)) / (k2 * sqrt(k2));
	if (t->attempts > 3)
		t->kurtosis = s * ((s + 1) * m4 / s - 3 * (s - 1) * (m2 / s) * (m2 / s)) * s /
			((s - 1) * (s - 2) * (s - 3)) / (k2 * k2);
	if (t->items > 1)
	{
		double		p = t->items;
		double		rest;

		t->cic = 100 * p / (p - 1) * (1 - sum_var / k2);
		/* Perfectly parallel items leave a rest of -1e-16 instead of 0. */
		rest = Max(1 - t->cic / 100, 0);
		t->error_ratio = 100 * sqrt(rest);
		t->standard_error = t->error_ratio * t->sd / 100;
	}
}

/* Statistics of the totals; items must have been analysed before. */
void
sc_analyse_test(const MarkMatrix *m, const ItemStat *items, TestStat *test)
{
	double		m2 = 0;
	double		m3 = 0;
	double		m4 = 0;
	double		sum_var = 0;
	double		largest = 0;
	const double *t = m->total;

	memset(test, 0, sizeof(*test));
	test->attempts = m->n;
	test->items = m->p;
	test->mean = test->median = NAN;
	if (m->n > 0)
	{
		double		low = t[m->by_total[(m->n - 1) / 2]];
		double		high = t[m->by_total[m->n / 2]];

		test->mean = mean_of(t, m->n);
		test->median = low + (high - low) / 2;
	}
	for (int s = 0; s < m->n; s++)
	{
		double		d = t[s] - test->mean;

		m2 += d * d;
		m3 += d * d * d;
		m4 += d * d * d * d;
		largest = Max(largest, fabs(t[s]));
	}
	if (sc_is_zero(m2, m->n, largest))
		m2 = 0;
	for (int i = 0; i < m->p; i++)
		if (!isnan(items[i].variance))
			sum_var += items[i].variance;
	sc_finish_test(test, m2, m3, m4, sum_var);
}

/* --- SQL: any matrix ---------------------------------------------------- */

/*
 * Read attempts x items from a two-dimensional array, and the maxima (all 1
 * when there are none).  Rows without any mark are no attempts and are left out.
 */
static void
read_matrix(FunctionCallInfo fcinfo, MarkMatrix *m)
{
	ArrayType  *array;
	Datum	   *values;
	bool	   *nulls;
	int			count;
	int			rows = 0;
	int			kept = 0;

	memset(m, 0, sizeof(*m));
	array = PG_GETARG_ARRAYTYPE_P(0);
	if (ARR_NDIM(array) != 0 && ARR_NDIM(array) != 2)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("marks must be a two-dimensional array"),
				 errdetail("Rows are attempts, columns are items.")));
	deconstruct_array(array, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
					  &values, &nulls, &count);
	if (ARR_NDIM(array) == 2)
	{
		rows = ARR_DIMS(array)[0];
		m->p = ARR_DIMS(array)[1];
	}
	m->mark = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(double) * Max(count, 1));
	m->n = rows;
	for (int s = 0; s < rows; s++)
	{
		bool		any = false;

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < m->p; i++)
		{
			size_t		at = (size_t) s * m->p + i;
			double		x = nulls[at] ? NAN : DatumGetFloat8(values[at]);

			if (!nulls[at] && !isfinite(x))
				ereport(ERROR,
						(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						 errmsg("marks must be finite")));
			any |= !nulls[at];
			m->mark[(size_t) i * rows + kept] = x;
		}
		kept += any;
	}
	/* Close the gaps that empty rows left at the end of each column. */
	for (int i = 1; kept < rows && i < m->p; i++)
		memmove(m->mark + (size_t) i * kept, m->mark + (size_t) i * rows, sizeof(double) * kept);
	m->n = kept;

	m->max = palloc(sizeof(double) * Max(m->p, 1));
	for (int i = 0; i < m->p; i++)
		m->max[i] = 1;
	if (!PG_ARGISNULL(1))
	{
		array = PG_GETARG_ARRAYTYPE_P(1);
		deconstruct_array(array, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
						  &values, &nulls, &count);
		if (rows > 0 && count != m->p)
			ereport(ERROR,
					(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
					 errmsg("there must be one maximum mark for each item"),
					 errdetail("Got %d for %d items.", count, m->p)));
		for (int i = 0; i < m->p; i++)
			m->max[i] = nulls[i] ? NAN : DatumGetFloat8(values[i]);
	}
	matrix_totals(m);
}

static void
put_float(Datum *values, bool *nulls, int *at, double x)
{
	nulls[*at] = !isfinite(x);
	values[(*at)++] = Float8GetDatum(x);
}

#define ITEM_COLUMNS 11
#define TEST_COLUMNS 10

static void
item_row(int number, const ItemStat *st, Datum *values, bool *nulls)
{
	int			at = 2;

	nulls[0] = nulls[1] = false;
	values[0] = Int32GetDatum(number);
	values[1] = Int32GetDatum(st->attempts);
	put_float(values, nulls, &at, st->facility);
	put_float(values, nulls, &at, st->mean);
	put_float(values, nulls, &at, st->sd);
	put_float(values, nulls, &at, st->intended_weight);
	put_float(values, nulls, &at, st->effective_weight);
	put_float(values, nulls, &at, st->covariance);
	put_float(values, nulls, &at, st->max_covariance);
	put_float(values, nulls, &at, st->discrimination_index);
	put_float(values, nulls, &at, st->discriminative_efficiency);
	Assert(at == ITEM_COLUMNS);
}

static void
test_row(const TestStat *t, Datum *values, bool *nulls)
{
	int			at = 2;

	nulls[0] = nulls[1] = false;
	values[0] = Int32GetDatum(t->attempts);
	values[1] = Int32GetDatum(t->items);
	put_float(values, nulls, &at, t->mean);
	put_float(values, nulls, &at, t->median);
	put_float(values, nulls, &at, t->sd);
	put_float(values, nulls, &at, t->skewness);
	put_float(values, nulls, &at, t->kurtosis);
	put_float(values, nulls, &at, t->cic);
	put_float(values, nulls, &at, t->error_ratio);
	put_float(values, nulls, &at, t->standard_error);
	Assert(at == TEST_COLUMNS);
}

static TupleDesc
result_type(FunctionCallInfo fcinfo)
{
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return BlessTupleDesc(desc);
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_item_analysis);
Datum
sc_item_analysis(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MarkMatrix	m;
	ItemStat   *items;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		PG_RETURN_VOID();
	read_matrix(fcinfo, &m);
	items = palloc(sizeof(ItemStat) * Max(m.p, 1));
	sc_analyse_items(&m, items);
	for (int i = 0; i < m.p; i++)
	{
		Datum		values[ITEM_COLUMNS];
		bool		nulls[ITEM_COLUMNS];

		item_row(i + 1, &items[i], values, nulls);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	PG_RETURN_VOID();
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_test_analysis);
Datum
sc_test_analysis(PG_FUNCTION_ARGS)
{
	TupleDesc	desc = result_type(fcinfo);
	MarkMatrix	m;
	ItemStat   *items;
	TestStat	test;
	Datum		values[TEST_COLUMNS];
	bool		nulls[TEST_COLUMNS];

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	read_matrix(fcinfo, &m);
	items = palloc(sizeof(ItemStat) * Max(m.p, 1));
	sc_analyse_items(&m, items);
	sc_analyse_test(&m, items, &test);
	test_row(&test, values, nulls);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}
