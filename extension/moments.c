/*
 * moments.c
 *		Statistics that are kept up to date as results come in.
 *
 * Two states, both float8 arrays so that a table can hold them:
 *
 *	test	{n, mean, M2, M3, M4}			of the totals T
 *	item	{n, mean x, mean T, Sxx, STT, SxT}	of the marks x on an item
 *
 * M_k is the sum of (T - mean)^k and Sab the sum of centred products, so that
 * nothing cancels.  Two states combine as parallel aggregation does it, so a
 * batch of new results is folded into a stored state in one step.
 *
 * With O = T - x, Cov(x, O) = SxT - Sxx and Var(O) = STT + Sxx - 2 SxT: all of
 * item.c but the sorted covariance follows from these sums.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "extension/grade.h"
#include "extension/item.h"
#include "extension/score.h"

#define TEST_MOMENTS 5
#define ITEM_MOMENTS 6

/* --- float8 arrays ------------------------------------------------------ */

/* The values of a state; an empty array is the empty state. */
static void
read_state(ArrayType *array, double *v, int n)
{
	int			count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));

	memset(v, 0, sizeof(double) * n);
	if (count == 0)
		return;
	if (count != n || ARR_NDIM(array) != 1 || ARR_HASNULL(array) ||
		ARR_ELEMTYPE(array) != FLOAT8OID)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("expected %d sums", n)));
	memcpy(v, ARR_DATA_PTR(array), sizeof(double) * n);
}

static ArrayType *
make_state(const double *v, int n)
{
	Datum		d[ITEM_MOMENTS];

	for (int i = 0; i < n; i++)
		d[i] = Float8GetDatum(v[i]);
	return construct_array(d, n, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
}

/* --- the algebra -------------------------------------------------------- */

/* a := a + b */
static void
combine_test(double *a, const double *b)
{
	double		na = a[0];
	double		nb = b[0];
	double		n = na + nb;
	double		d = b[1] - a[1];
	double		m2 = a[2];
	double		m3 = a[3];

	if (nb == 0)
		return;
	if (na == 0)
	{
		memcpy(a, b, sizeof(double) * TEST_MOMENTS);
		return;
	}
	a[0] = n;
	a[1] += d * nb / n;
	a[2] = m2 + b[2] + d * d * na * nb / n;
	a[3] = m3 + b[3] + d * d * d * na * nb * (na - nb) / (n * n) +
		3 * d * (na * b[2] - nb * m2) / n;
	a[4] += b[4] + d * d * d * d * na * nb * (na * na - na * nb + nb * nb) / (n * n * n) +
		6 * d * d * (na * na * b[2] + nb * nb * m2) / (n * n) +
		4 * d * (na * b[3] - nb * m3) / n;
}

/* a := a + b */
static void
combine_item(double *a, const double *b)
{
	double		na = a[0];
	double		nb = b[0];
	double		n = na + nb;
	double		dx = b[1] - a[1];
	double		dt = b[2] - a[2];
	double		w = na * nb / n;

	if (nb == 0)
		return;
	if (na == 0)
	{
		memcpy(a, b, sizeof(double) * ITEM_MOMENTS);
		return;
	}
	a[0] = n;
	a[1] += dx * nb / n;
	a[2] += dt * nb / n;
	a[3] += b[3] + dx * dx * w;
	a[4] += b[4] + dt * dt * w;
	a[5] += b[5] + dx * dt * w;
}

static Datum
transition(FunctionCallInfo fcinfo, const double *single, int n,
		   void (*combine) (double *, const double *))
{
	double		v[ITEM_MOMENTS];

	read_state(PG_GETARG_ARRAYTYPE_P(0), v, n);
	if (!isfinite(single[1]) || !isfinite(single[2]))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("marks must be finite")));
	combine(v, single);
	PG_RETURN_ARRAYTYPE_P(make_state(v, n));
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_test_moments_add);
Datum
sc_test_moments_add(PG_FUNCTION_ARGS)
{
	double		one[TEST_MOMENTS] = {1, PG_GETARG_FLOAT8(1)};

	return transition(fcinfo, one, TEST_MOMENTS, combine_test);
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_item_moments_add);
Datum
sc_item_moments_add(PG_FUNCTION_ARGS)
{
	double		one[ITEM_MOMENTS] = {1, PG_GETARG_FLOAT8(1), PG_GETARG_FLOAT8(2)};

	return transition(fcinfo, one, ITEM_MOMENTS, combine_item);
}

static Datum
combine_states(FunctionCallInfo fcinfo, int n, void (*combine) (double *, const double *))
{
	double		a[ITEM_MOMENTS];
	double		b[ITEM_MOMENTS];

	read_state(PG_GETARG_ARRAYTYPE_P(0), a, n);
	read_state(PG_GETARG_ARRAYTYPE_P(1), b, n);
	combine(a, b);
	PG_RETURN_ARRAYTYPE_P(make_state(a, n));
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_test_moments_combine);
Datum
sc_test_moments_combine(PG_FUNCTION_ARGS)
{
	return combine_states(fcinfo, TEST_MOMENTS, combine_test);
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_item_moments_combine);
Datum
sc_item_moments_combine(PG_FUNCTION_ARGS)
{
	return combine_states(fcinfo, ITEM_MOMENTS, combine_item);
}

/* --- statistics from the sums ------------------------------------------- */

static Datum
row_of(FunctionCallInfo fcinfo, double n, const double *v, int count)
{
	TupleDesc	desc;
	Datum		values[8];
	bool		nulls[8] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE || desc->natts != count + 1)
		elog(ERROR, "return type must be a row type of %d columns", count + 1);
	values[0] = Int64GetDatum((int64) n);
	for (int i = 0; i < count; i++)
	{
		values[i + 1] = Float8GetDatum(v[i]);
		nulls[i + 1] = !isfinite(v[i]);
	}
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_test_moments_final);
Datum
sc_test_moments_final(PG_FUNCTION_ARGS)
{
	double		m[TEST_MOMENTS];
	double		out[4] = {NAN, NAN, NAN, NAN};
	TestStat	t = {0};

	read_state(PG_GETARG_ARRAYTYPE_P(0), m, TEST_MOMENTS);
	t.attempts = (int) m[0];
	if (t.attempts > 0)
		out[0] = m[1];
	if (sc_is_zero(m[2], t.attempts, fabs(m[1])))
		m[2] = 0;
	sc_finish_test(&t, m[2], m[3], m[4], 0);
	out[1] = t.sd;
	out[2] = t.skewness;
	out[3] = t.kurtosis;
	return row_of(fcinfo, m[0], out, 4);
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_item_moments_final);
Datum
sc_item_moments_final(PG_FUNCTION_ARGS)
{
	double		m[ITEM_MOMENTS];
	double		out[5] = {NAN, NAN, NAN, NAN, NAN};

	read_state(PG_GETARG_ARRAYTYPE_P(0), m, ITEM_MOMENTS);
	if (m[0] >= 1)
		out[0] = m[1];
	if (m[0] >= 2)
	{
		double		sxx = m[3];
		double		soo = m[4] + m[3] - 2 * m[5];
		double		sxo = m[5] - m[3];
		double		largest = Max(fabs(m[1]), fabs(m[2]));

		if (sc_is_zero(sxx, (int) m[0], largest))
			sxx = sxo = 0;
		/* soo is a difference of sums as large as STT, and as inexact. */
		if (sc_is_zero(soo, (int) m[0], largest) || soo <= 1e-12 * m[4])
			soo = sxo = 0;
		out[1] = sqrt(sxx / (m[0] - 1));
		out[2] = sxo / (m[0] - 1);
		out[3] = (sxx + sxo) / (m[0] - 1);
		if (sxx > 0 && soo > 0)
			out[4] = 100 * sxo / sqrt(sxx * soo);
	}
	return row_of(fcinfo, m[0], out, 5);
}

/* --- folding results ---------------------------------------------------- */

/* Marks of the results seen so far, result by result. */
typedef struct Fold
{
	MemoryContext context;
	HTAB	   *columns;		/* question id -> column */
	int			n_items;
	int64	   *item;			/* question id of a column */
	int			item_room;
	int			n_results;
	double	   *total;			/* total of a result */
	int			total_room;
	int64		n_cells;
	struct FoldCell *cell;
	int64		cell_room;
} Fold;

typedef struct FoldCell
{
	int			result;
	int			column;
	double		mark;
	char	   *choice;			/* option ticked, or NULL */
} FoldCell;

typedef struct FoldColumn
{
	int64		question_id;
	int			column;
} FoldColumn;

static Fold *
fold_new(MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	Fold	   *f = palloc0(sizeof(Fold));
	HASHCTL		ctl = {.keysize = sizeof(int64), .entrysize = sizeof(FoldColumn), .hcxt = context};

	f->context = context;
	f->columns = hash_create("items of results", 256, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	f->item_room = 256;
	f->item = palloc(sizeof(int64) * f->item_room);
	f->total_room = 256;
	f->total = palloc(sizeof(double) * f->total_room);
	f->cell_room = 4096;
	f->cell = palloc(sizeof(FoldCell) * f->cell_room);
	MemoryContextSwitchTo(old);
	return f;
}

static int
fold_column(Fold *f, int64 question_id)
{
	bool		found;
	FoldColumn *c = hash_search(f->columns, &question_id, HASH_ENTER, &found);

	if (!found)
	{
		if (f->n_items == f->item_room)
		{
			f->item_room *= 2;
			f->item = repalloc(f->item, sizeof(int64) * f->item_room);
		}
		f->item[f->n_items] = question_id;
		c->column = f->n_items++;
	}
	return c->column;
}

/*
 * Elements of an array argument; none if it is NULL.  The length of the first
 * array (want < 0 asks for it) is that of all others.
 */
static int
array_of(FunctionCallInfo fcinfo, int arg, Oid type, int width, bool byval, char align,
		 int want, Datum **values, bool **nulls)
{
	int			n = 0;

	*values = NULL;
	if (PG_ARGISNULL(arg))
		return 0;
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(arg), type, width, byval, align, values, nulls, &n);
	if (want >= 0 && n != want)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("the arrays of a result must have equal lengths")));
	return n;
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_fold_add);
Datum
sc_fold_add(PG_FUNCTION_ARGS)
{
	MemoryContext aggregate;
	Fold	   *f;
	Datum	   *ids,
			   *marks,
			   *outcomes,
			   *choices;
	bool	   *id_nulls,
			   *mark_nulls,
			   *outcome_nulls,
			   *choice_nulls;
	double		total = 0;
	int			n;

	if (!AggCheckCallContext(fcinfo, &aggregate))
		elog(ERROR, "called outside an aggregate");
	f = PG_ARGISNULL(0) ? fold_new(aggregate) : (Fold *) PG_GETARG_POINTER(0);

	n = array_of(fcinfo, 1, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, -1, &ids, &id_nulls);
	(void) array_of(fcinfo, 2, FLOAT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, n, &marks, &mark_nulls);
	(void) array_of(fcinfo, 3, INT2OID, 2, true, TYPALIGN_SHORT, n, &outcomes, &outcome_nulls);
	(void) array_of(fcinfo, 4, TEXTOID, -1, false, TYPALIGN_INT, n, &choices, &choice_nulls);

	if (f->n_cells + n > f->cell_room)
	{
		f->cell_room = Max(f->cell_room * 2, f->n_cells + n);
		f->cell = repalloc_huge(f->cell, sizeof(FoldCell) * f->cell_room);
	}
	for (int i = 0; i < n; i++)
	{
		FoldCell   *c = &f->cell[f->n_cells];
		int			outcome = outcomes && !outcome_nulls[i] ? DatumGetInt16(outcomes[i]) : 0;

		if (id_nulls[i] || marks == NULL || mark_nulls[i] ||
			outcome == OUTCOME_EXCLUDED || outcome == OUTCOME_PENDING)
			continue;
		c->result = f->n_results;
		c->column = fold_column(f, DatumGetInt64(ids[i]));
		c->mark = DatumGetFloat8(marks[i]);
		c->choice = NULL;
		if (choices && !choice_nulls[i])
		{
			MemoryContext old = MemoryContextSwitchTo(aggregate);

			c->choice = TextDatumGetCString(choices[i]);
			MemoryContextSwitchTo(old);
		}
		total += c->mark;
		f->n_cells++;
	}
	/* A result of which only the sum is known. */
	if (n == 0)
	{
		if (PG_ARGISNULL(5))
			PG_RETURN_POINTER(f);
		total = PG_GETARG_FLOAT8(5);
	}
	if (f->n_results == f->total_room)
	{
		f->total_room *= 2;
		f->total = repalloc_huge(f->total, sizeof(double) * f->total_room);
	}
	f->total[f->n_results++] = total;
	PG_RETURN_POINTER(f);
}

/* How often an option of an item was ticked, and by whom. */
typedef struct OptionSum
{
	char	   *option;
	int64		n;
	double		total;
} OptionSum;

#define MAX_OPTIONS 64

/* {"a": [ticks, sum of totals], ...} */
static Datum
option_sums_jsonb(const OptionSum *sums, int count)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoChar(&buf, '{');
	for (int o = 0; o < count; o++)
	{
		if (o > 0)
			appendStringInfoChar(&buf, ',');
		escape_json(&buf, sums[o].option);
		appendStringInfo(&buf, ":[" INT64_FORMAT ",%.17g]", sums[o].n, sums[o].total);
	}
	appendStringInfoChar(&buf, '}');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(buf.data));
}

/* Option sums of the cells of one item. */
static Datum
option_sums(const Fold *f, FoldCell *const *cells, int n)
{
	OptionSum	sums[MAX_OPTIONS];
	int			count = 0;

	for (int i = 0; i < n; i++)
	{
		int			o = 0;

		if (cells[i]->choice == NULL)
			continue;
		while (o < count && strcmp(sums[o].option, cells[i]->choice) != 0)
			o++;
		if (o == count)
		{
			if (count == MAX_OPTIONS)
				continue;
			sums[count++] = (OptionSum) {.option = cells[i]->choice};
		}
		sums[o].n++;
		sums[o].total += f->total[cells[i]->result];
	}
	return option_sums_jsonb(sums, count);
}

/* Moments of n totals at hand, in two passes. */
static void
test_moments_of(const double *total, int n, double *m)
{
	double		sum = 0;

	memset(m, 0, sizeof(double) * TEST_MOMENTS);
	if (n == 0)
		return;
	for (int s = 0; s < n; s++)
		sum += total[s];
	m[0] = n;
	m[1] = sum / n;
	for (int s = 0; s < n; s++)
	{
		double		d = total[s] - m[1];

		m[2] += d * d;
		m[3] += d * d * d;
		m[4] += d * d * d * d;
	}
}

/* Moments of the cells of one item, in two passes; there is at least one. */
static void
item_moments_of(const Fold *f, FoldCell *const *cells, int n, double *m)
{
	double		sum_x = 0;
	double		sum_t = 0;

	memset(m, 0, sizeof(double) * ITEM_MOMENTS);
	for (int i = 0; i < n; i++)
	{
		sum_x += cells[i]->mark;
		sum_t += f->total[cells[i]->result];
	}
	m[0] = n;
	m[1] = sum_x / n;
	m[2] = sum_t / n;
	for (int i = 0; i < n; i++)
	{
		double		dx = cells[i]->mark - m[1];
		double		dt = f->total[cells[i]->result] - m[2];

		m[3] += dx * dx;
		m[4] += dt * dt;
		m[5] += dx * dt;
	}
}

/* Cells of each column, in the order of the results' totals. */
static FoldCell ***
cells_by_column(Fold *f, int *count)
{
	FoldCell ***cells = palloc(sizeof(FoldCell **) * Max(f->n_items, 1));

	memset(count, 0, sizeof(int) * f->n_items);
	for (int64 i = 0; i < f->n_cells; i++)
		count[f->cell[i].column]++;
	for (int c = 0; c < f->n_items; c++)
	{
		cells[c] = palloc_extended(sizeof(FoldCell *) * count[c], MCXT_ALLOC_HUGE);
		count[c] = 0;
	}
	for (int64 i = 0; i < f->n_cells; i++)
		cells[f->cell[i].column][count[f->cell[i].column]++] = &f->cell[i];
	return cells;
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_fold_final);
Datum
sc_fold_final(PG_FUNCTION_ARGS)
{
	Fold	   *f = PG_ARGISNULL(0) ? fold_new(CurrentMemoryContext) : (Fold *) PG_GETARG_POINTER(0);
	TupleDesc	desc;
	TupleDesc	item_desc;
	Oid			item_type;
	MarkMatrix	m = {0};
	double		test[TEST_MOMENTS] = {0};
	int		   *count = palloc(sizeof(int) * Max(f->n_items, 1));
	FoldCell ***cells = cells_by_column(f, count);
	Datum	   *items = palloc(sizeof(Datum) * Max(f->n_items, 1));
	Datum		values[2];
	bool		nulls[2] = {false, false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	item_type = get_element_type(TupleDescAttr(desc, 1)->atttypid);
	item_desc = lookup_rowtype_tupdesc(item_type, -1);

	test_moments_of(f->total, f->n_results, test);

	/* One column at a time goes through item.c's analysis. */
	m.n = f->n_results;
	m.p = 1;
	m.total = f->total;
	m.by_total = sc_order_totals(f->total, m.n);
	m.max = palloc(sizeof(double));
	m.max[0] = NAN;
	m.mark = palloc_extended(sizeof(double) * Max(m.n, 1), MCXT_ALLOC_HUGE);
	for (int c = 0; c < f->n_items; c++)
	{
		double		moments[ITEM_MOMENTS] = {0};
		ItemStat	st;
		Datum		v[4];
		bool		isnull[4] = {false, false, false, false};

		CHECK_FOR_INTERRUPTS();
		for (int s = 0; s < m.n; s++)
			m.mark[s] = NAN;
		for (int i = 0; i < count[c]; i++)
			m.mark[cells[c][i]->result] = cells[c][i]->mark;
		item_moments_of(f, cells[c], count[c], moments);
		sc_analyse_items(&m, &st);
		v[0] = Int64GetDatum(f->item[c]);
		v[1] = PointerGetDatum(make_state(moments, ITEM_MOMENTS));
		v[2] = Float8GetDatum(st.max_covariance);
		isnull[2] = !isfinite(st.max_covariance);
		v[3] = option_sums(f, cells[c], count[c]);
		items[c] = HeapTupleGetDatum(heap_form_tuple(item_desc, v, isnull));
	}
	ReleaseTupleDesc(item_desc);

	values[0] = PointerGetDatum(make_state(test, TEST_MOMENTS));
	values[1] = PointerGetDatum(construct_array(items, f->n_items, item_type, -1, false, TYPALIGN_DOUBLE));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* Add the option sums of two sets of results. */
PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_option_sums_add);
Datum
sc_option_sums_add(PG_FUNCTION_ARGS)
{
	OptionSum	sums[MAX_OPTIONS];
	int			count = 0;

	for (int arg = 0; arg < 2; arg++)
	{
		Jsonb	   *jb = PG_GETARG_JSONB_P(arg);
		JsonbIterator *it = JsonbIteratorInit(&jb->root);
		JsonbIteratorToken token;
		JsonbValue	k;
		JsonbValue	pair;

		while ((token = JsonbIteratorNext(&it, &k, true)) != WJB_DONE)
		{
			JsonbValue	v[2];
			char	   *option;
			int			o = 0;

			if (token != WJB_KEY)
				continue;
			(void) JsonbIteratorNext(&it, &pair, true);
			if (!sc_jb_item(&pair, 0, &v[0]) || !sc_jb_item(&pair, 1, &v[1]) ||
				v[0].type != jbvNumeric || v[1].type != jbvNumeric)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("option sums must be pairs of numbers")));
			option = pnstrdup(k.val.string.val, k.val.string.len);
			while (o < count && strcmp(sums[o].option, option) != 0)
				o++;
			if (o == MAX_OPTIONS)
				continue;
			if (o == count)
				sums[count++] = (OptionSum) {.option = option};
			sums[o].n += DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(v[0].val.numeric)));
			sums[o].total += DatumGetFloat8(DirectFunctionCall1(numeric_float8, NumericGetDatum(v[1].val.numeric)));
		}
	}
	PG_RETURN_DATUM(option_sums_jsonb(sums, count));
}
