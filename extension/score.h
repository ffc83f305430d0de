/*
 * score.h
 *		Counting and net: see score.c.
 */
#ifndef SC_SCORE_H
#define SC_SCORE_H

#include "postgres.h"

#include "utils/numeric.h"

/* What became of one question in one sitting; stored in exam_results.item_outcomes. */
typedef enum ItemOutcome
{
	OUTCOME_WRONG = -1,
	OUTCOME_BLANK = 0,
	OUTCOME_RIGHT = 1,
	OUTCOME_PARTIAL = 2,		/* earns points, counts neither as right nor
								 * as wrong */
	OUTCOME_EXCLUDED = 3,		/* cancelled: neither counted nor marked */
	OUTCOME_PENDING = 4,		/* waits for a teacher's mark */
	OUTCOME_CREDIT = 5			/* cancelled in favour of everybody: counts as
								 * right */
} ItemOutcome;

/* "k wrong answers cancel a right one", k = num/den in lowest terms; num = 0: no penalty. */
typedef struct PenaltyRatio
{
	int64		num;
	int64		den;
} PenaltyRatio;

/* Counts of one section. */
typedef struct SectionScore
{
	int64		section_id;
	PenaltyRatio ratio;
	int			correct;
	int			wrong;
	int			blank;
	Numeric		points;
	Numeric		max_points;
} SectionScore;

extern PenaltyRatio sc_penalty_ratio(Numeric wrongs_per_right, bool isnull);
extern Numeric sc_section_net(int64 correct, int64 wrong, PenaltyRatio ratio);
extern int64 sc_common_multiple(const SectionScore *sections, int n);
extern int64 sc_order_key(const SectionScore *sections, int n, int64 l);
extern void sc_count_outcome(SectionScore *section, ItemOutcome outcome);

/* result.c */
extern bool sc_score_attempt_id(int64 attempt_id);

#endif							/* SC_SCORE_H */
