/*
 * item.h
 *		Classical test theory: see item.c.
 */
#ifndef SC_ITEM_H
#define SC_ITEM_H

/* A statistic that may be undefined is NaN here and NULL in SQL. */
typedef struct ItemStat
{
	int			attempts;		/* that have the item */
	double		mean;
	double		facility;		/* mean / max mark */
	double		sd;
	double		intended_weight;	/* the rest in per cent */
	double		effective_weight;
	double		covariance;		/* of item and rest, in marks */
	double		max_covariance;
	double		discrimination_index;
	double		discriminative_efficiency;
	double		variance;
} ItemStat;

typedef struct TestStat
{
	int			attempts;
	int			items;
	double		mean;
	double		median;
	double		sd;
	double		skewness;
	double		kurtosis;
	double		cic;
	double		error_ratio;
	double		standard_error;
} TestStat;

/* Marks of n attempts at p items, item by item; NaN: the attempt has not the item. */
typedef struct MarkMatrix
{
	int			n;
	int			p;
	double	   *mark;			/* mark[item * n + attempt] */
	double	   *max;			/* max[item]; NaN if unknown */
	double	   *total;			/* total[attempt] */
	int		   *by_total;		/* attempts in ascending order of total */
} MarkMatrix;

extern bool sc_is_zero(double sum, int n, double largest);
extern int *sc_order_totals(double *total, int n);
extern void sc_analyse_items(const MarkMatrix *m, ItemStat *items);
extern void sc_analyse_test(const MarkMatrix *m, const ItemStat *items, TestStat *test);
extern void sc_finish_test(TestStat *t, double m2, double m3, double m4, double sum_var);

#endif							/* SC_ITEM_H */
