/*
 * score.c
 *		Counting answers and computing net, the result of a Turkish exam.
 *
 * A section with N questions has D right, Y wrong and B blank answers, and
 * always D + Y + B = N.  Its net is D - Y/k, where k wrong answers cancel a
 * right one: k = 4 in YKS, 3 in LGS, none where guessing is not punished.  The
 * share is exact, not in whole steps: one wrong answer in LGS costs a third.
 * Nets may be negative, and stay so.
 *
 * A question that earned part of its points, and one that waits for a
 * teacher's mark, is neither right nor wrong: it stands among the blanks, which
 * cost nothing, and its points say the rest.  A cancelled question ("exclude")
 * leaves N altogether; one given to everybody ("full_credit") is right for all.
 *
 * Order is decided on integers.  With k = p/q in lowest terms and L the least
 * common multiple of all p,
 *
 *		key = sum over sections of  L*D - (L/p)*q*Y  =  L * net
 *
 * so that two equal nets are equal keys, whatever rounding a display does.
 * Example: TYT has k = 4 everywhere, L = 4, and 30 right with 9 wrong is
 * 4*30 - 9 = 111, net 27.75.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "extension/score.h"

/* k is numeric(6,3): thousandths are enough. */
#define RATIO_SCALE 1000

static int64
gcd(int64 a, int64 b)
{
	while (b != 0)
	{
		int64		r = a % b;

		a = b;
		b = r;
	}
	return a;
}

static Numeric
int_numeric(int64 i)
{
	return int64_to_numeric(i);
}

/*
 * The ratio k as a fraction.  NULL is "no penalty"; so is zero, which people
 * write for it.  Raises an error on negative and non-finite ratios.
 */
PenaltyRatio
sc_penalty_ratio(Numeric wrongs_per_right, bool isnull)
{
	PenaltyRatio r = {0, 1};
	Numeric		scaled;
	int64		thousandths;
	int64		g;

	if (isnull)
		return r;
	if (numeric_is_nan(wrongs_per_right) || numeric_is_inf(wrongs_per_right))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("wrongs per right must be a finite number")));

	scaled = numeric_mul_opt_error(wrongs_per_right, int_numeric(RATIO_SCALE), NULL);
	if (DatumGetBool(DirectFunctionCall2(numeric_lt, NumericGetDatum(scaled),
										 NumericGetDatum(int_numeric(0)))) ||
		DatumGetBool(DirectFunctionCall2(numeric_gt, NumericGetDatum(scaled),
										 NumericGetDatum(int_numeric(RATIO_SCALE * RATIO_SCALE)))))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("wrongs per right must be between 0 and %d", RATIO_SCALE)));

	thousandths = DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(scaled)));
	if (thousandths == 0)
		return r;
	g = gcd(thousandths, RATIO_SCALE);
	r.num = thousandths / g;
	r.den = RATIO_SCALE / g;
	return r;
}

/* D - Y/k, exact to the 16 digits of numeric division. */
Numeric
sc_section_net(int64 correct, int64 wrong, PenaltyRatio ratio)
{
	Numeric		penalty;

	if (ratio.num == 0)
		return int_numeric(correct);
	penalty = numeric_div_opt_error(numeric_mul_opt_error(int_numeric(wrong), int_numeric(ratio.den), NULL),
									int_numeric(ratio.num), NULL);
	return numeric_sub_opt_error(int_numeric(correct), penalty, NULL);
}

/*
 * L, the least common multiple of the sections' k; 1 where nothing is punished.
 *
 * Raises an error when the ratios have nothing sensible in common (L above a
 * million); publishing an exam checks this first.
 */
int64
sc_common_multiple(const SectionScore *sections, int n)
{
	int64		l = 1;

	for (int i = 0; i < n; i++)
	{
		int64		p = sections[i].ratio.num;

		if (p == 0)
			continue;
		l = l / gcd(l, p) * p;
		if (l > 1000000)
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("the sections' ratios of wrong to right answers have no small common multiple")));
	}
	return l;
}

/*
 * The exact order of results of one exam: L * net.  L is that of all sections
 * of the exam, also of the alternatives that this student did not answer, or
 * keys could not be compared.
 */
int64
sc_order_key(const SectionScore *sections, int n, int64 l)
{
	int64		key = 0;

	for (int i = 0; i < n; i++)
	{
		const SectionScore *s = &sections[i];

		key += l * s->correct;
		if (s->ratio.num != 0)
			key -= l / s->ratio.num * s->ratio.den * s->wrong;
	}
	return key;
}

/* Add one question to the counts of its section. */
void
sc_count_outcome(SectionScore *section, ItemOutcome outcome)
{
	switch (outcome)
	{
		case OUTCOME_RIGHT:
		case OUTCOME_CREDIT:
			section->correct++;
			break;
		case OUTCOME_WRONG:
			section->wrong++;
			break;
		case OUTCOME_BLANK:
		case OUTCOME_PARTIAL:
		case OUTCOME_PENDING:
			section->blank++;
			break;
		case OUTCOME_EXCLUDED:
			break;
	}
}

/* Sections from parallel arrays; correct and wrong may be missing. */
static SectionScore *
sections_from_arrays(ArrayType *ratios, ArrayType *correct, ArrayType *wrong, int *n)
{
	Datum	   *k;
	Datum	   *d = NULL;
	Datum	   *y = NULL;
	bool	   *knull;
	bool	   *dnull;
	bool	   *ynull;
	int			nd;
	int			ny;
	SectionScore *sections;

	deconstruct_array(ratios, NUMERICOID, -1, false, TYPALIGN_INT, &k, &knull, n);
	nd = ny = *n;
	if (correct != NULL)
		deconstruct_array(correct, INT4OID, 4, true, TYPALIGN_INT, &d, &dnull, &nd);
	if (wrong != NULL)
		deconstruct_array(wrong, INT4OID, 4, true, TYPALIGN_INT, &y, &ynull, &ny);
	if (nd != *n || ny != *n)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("the arrays must have the same length")));

	sections = palloc0(sizeof(SectionScore) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
	{
		sections[i].ratio = sc_penalty_ratio(knull[i] ? NULL : DatumGetNumeric(k[i]), knull[i]);
		if (d != NULL && !dnull[i])
			sections[i].correct = DatumGetInt32(d[i]);
		if (y != NULL && !ynull[i])
			sections[i].wrong = DatumGetInt32(y[i]);
	}
	return sections;
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_key_multiple);

/* key_multiple(wrongs_per_right numeric[]) -> int */
Datum
sc_key_multiple(PG_FUNCTION_ARGS)
{
	int			n;
	SectionScore *sections = sections_from_arrays(PG_GETARG_ARRAYTYPE_P(0), NULL, NULL, &n);

	PG_RETURN_INT32((int32) sc_common_multiple(sections, n));
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_sort_key);

/* sort_key(correct int[], wrong int[], wrongs_per_right numeric[], multiple int) -> bigint */
Datum
sc_sort_key(PG_FUNCTION_ARGS)
{
	int			n;
	SectionScore *sections;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	sections = sections_from_arrays(PG_GETARG_ARRAYTYPE_P(2), PG_GETARG_ARRAYTYPE_P(0),
									PG_GETARG_ARRAYTYPE_P(1), &n);

	PG_RETURN_INT64(sc_order_key(sections, n, PG_ARGISNULL(3) ? sc_common_multiple(sections, n) : PG_GETARG_INT32(3)));
}
