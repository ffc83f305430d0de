/*
 * result.c
 *		Scoring an attempt: from saved answers to a row of exam_results.
 *
 * sc.score_attempt() is safe to call any number of times: it computes the
 * score from the answers as they stand and from the keys as they are now, and
 * writes only when something differs.  Submit, the sweep, a mark given by hand
 * and a regrade all go through it, so there is one place that decides what an
 * answer is worth.
 *
 * Lock order: the attempt first (FOR UPDATE), then its result.  Nobody else's
 * row is touched: ranks, histograms and item sums are folded in later
 * (fold.c), so that a whole school can hand in within one second.
 *
 * Of sections that are alternatives to each other (Din or ek Felsefe) one
 * counts: the one the student chose, else the one with the most answers, else
 * the first.  The questions of the others leave no trace in the result.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "extension/grade.h"
#include "extension/query.h"
#include "extension/score.h"
#include "extension/student_coach.h"

/* The attempt and what its exam says about scoring. */
typedef struct AttemptHead
{
	int64		attempt_id;
	int64		exam_id;
	int64		user_id;
	TimestampTz submitted_at;
	bool		is_preview;
	int			key_version;
	Datum		pass_mark;
	bool		no_pass_mark;
	int			multiple;		/* L of all sections of the exam */
} AttemptHead;

/* One question of the attempt. */
typedef struct ScoredItem
{
	int64		question_id;
	int64		version_id;
	int			section;		/* index into sections */
	Numeric		worth;
	bool		answered;
	ItemOutcome outcome;
	Numeric		points;
	char	   *choice;			/* option of a single choice, or NULL */
} ScoredItem;

typedef struct ScoredSection
{
	SectionScore score;
	char	   *alternative;	/* group of alternatives, or NULL */
	bool		chosen;
	bool		dropped;		/* another alternative counts */
	int			answered;
} ScoredSection;

typedef struct Scored
{
	int			nitems;
	ScoredItem *items;
	int			nsections;
	ScoredSection *sections;
	bool		pending;
} Scored;

SC_WRITE(Q_ATTEMPT,
		 "SELECT a.exam_id, a.user_id,"
		 " coalesce(a.submitted_at, a.finished_at, clock_timestamp()),"
		 " a.is_preview, e.key_version, e.pass_mark,"
		 " (SELECT sc.key_multiple(array_agg(DISTINCT x.wrongs_per_right))"
		 "    FROM sc.exam_sections AS x WHERE x.exam_id = e.id)"
		 " FROM sc.exam_attempts AS a JOIN sc.exams AS e ON e.id = a.exam_id"
		 " WHERE a.id = $1 FOR UPDATE OF a",
		 INT8OID);

/*
 * Every question of the attempt in the order shown, with its key as it holds
 * now, the answer, and a mark given by hand.
 */
SC_WRITE(Q_ITEMS,
		 "SELECT u.question_id, u.version_id, u.section_id, s.wrongs_per_right,"
		 " s.alternative_group, u.section_id = ANY (a.chosen_sections),"
		 " eq.points, eq.treatment, v.type, coalesce(eq.key, v.key),"
		 " coalesce(eq.old_key, v.key), ans.answer, g.points"
		 " FROM sc.exam_attempts AS a"
		 " CROSS JOIN LATERAL unnest(a.question_ids, a.version_ids, a.section_ids)"
		 "  WITH ORDINALITY AS u(question_id, version_id, section_id, place)"
		 " JOIN sc.exam_questions AS eq ON eq.exam_id = a.exam_id AND eq.question_id = u.question_id"
		 " JOIN sc.question_versions AS v ON v.id = u.version_id"
		 " JOIN sc.exam_sections AS s ON s.id = u.section_id"
		 " LEFT JOIN sc.attempt_answers AS ans ON ans.attempt_id = a.id AND ans.question_id = u.question_id"
		 " LEFT JOIN sc.attempt_grades AS g ON g.attempt_id = a.id AND g.question_id = u.question_id"
		 " WHERE a.id = $1 AND v.type <> 'description'"
		 " ORDER BY u.place",
		 INT8OID);

/*
 * Store the result.  The WHERE of the update keeps a repetition from writing;
 * first_score remembers what stood before the first change.
 */
SC_WRITE(Q_STORE,
		 "INSERT INTO sc.exam_results AS r (user_id, exam_id, attempt_id, submitted_at, state, counts,"
		 " correct, wrong, blank, net, sort_key, rank_key, points, max_points, percent, passed,"
		 " item_ids, item_versions, item_outcomes, item_points, item_choices, key_version, key_multiple)"
		 " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, $12, $13,"
		 " CASE WHEN $13 > 0 THEN round(100 * $12 / $13, 3) END,"
		 " CASE WHEN $13 > 0 THEN 100 * $12 >= $14 * $13 END,"
		 " $15, $16, $17, $18, $19, $20, $21)"
		 " ON CONFLICT (attempt_id) DO UPDATE SET"
		 " submitted_at = excluded.submitted_at, state = excluded.state,"
		 " correct = excluded.correct, wrong = excluded.wrong, blank = excluded.blank,"
		 " net = excluded.net, sort_key = excluded.sort_key, rank_key = excluded.rank_key,"
		 " points = excluded.points, max_points = excluded.max_points,"
		 " percent = excluded.percent, passed = excluded.passed,"
		 " item_ids = excluded.item_ids, item_versions = excluded.item_versions,"
		 " item_outcomes = excluded.item_outcomes, item_points = excluded.item_points,"
		 " item_choices = excluded.item_choices, key_version = excluded.key_version,"
		 " key_multiple = excluded.key_multiple, folded = false, updated_at = clock_timestamp()"
		 " WHERE (r.state, r.sort_key, r.correct, r.wrong, r.blank, r.points, r.max_points,"
		 "  r.item_ids, r.item_outcomes, r.item_points, r.item_choices, r.submitted_at)"
		 " IS DISTINCT FROM (excluded.state, excluded.sort_key, excluded.correct, excluded.wrong,"
		 "  excluded.blank, excluded.points, excluded.max_points, excluded.item_ids,"
		 "  excluded.item_outcomes, excluded.item_points, excluded.item_choices, excluded.submitted_at)"
		 " RETURNING r.id",
		 INT8OID, INT8OID, INT8OID, TIMESTAMPTZOID, TEXTOID, BOOLOID,
		 INT4OID, INT4OID, INT4OID, NUMERICOID, INT8OID, NUMERICOID, NUMERICOID, NUMERICOID,
		 INT8ARRAYOID, INT8ARRAYOID, INT2ARRAYOID, FLOAT8ARRAYOID, TEXTARRAYOID, INT4OID, INT4OID);

/* A result that ranks already hold has changed: the sums start from scratch. */
SC_WRITE(Q_STALE,
		 "UPDATE sc.exam_sums SET is_stale = true"
		 " WHERE exam_id = $1 AND NOT is_stale"
		 " AND EXISTS (SELECT FROM sc.exam_results AS r WHERE r.attempt_id = $2 AND r.folded)",
		 INT8OID, INT8OID);

SC_WRITE(Q_STORE_SECTIONS,
		 "INSERT INTO sc.result_sections AS r (result_id, section_id, correct, wrong, blank, net, points)"
		 " SELECT $1, u.section_id, u.correct, u.wrong, u.blank, u.net, u.points"
		 " FROM unnest($2, $3, $4, $5, $6, $7) AS u(section_id, correct, wrong, blank, net, points)"
		 " ON CONFLICT (result_id, section_id) DO UPDATE SET correct = excluded.correct,"
		 " wrong = excluded.wrong, blank = excluded.blank, net = excluded.net, points = excluded.points",
		 INT8OID, INT8ARRAYOID, INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID, NUMERICARRAYOID, NUMERICARRAYOID);

SC_WRITE(Q_DROP_SECTIONS,
		 "DELETE FROM sc.result_sections WHERE result_id = $1 AND section_id <> ALL ($2)",
		 INT8OID, INT8ARRAYOID);

SC_WRITE(Q_GRADED,
		 "UPDATE sc.exam_attempts SET state = CASE WHEN $2 THEN 'submitted' ELSE 'graded' END,"
		 " updated_at = clock_timestamp()"
		 " WHERE id = $1 AND state = CASE WHEN $2 THEN 'graded' ELSE 'submitted' END",
		 INT8OID, BOOLOID);

/* Which of a student's results counts; a single one needs no thought. */
SC_WRITE(Q_COUNTS,
		 "UPDATE sc.exam_results AS r SET counts = w.counts, rank_key = w.rank_key,"
		 " folded = r.folded AND r.counts = w.counts AND r.rank_key = w.rank_key"
		 " FROM ("
		 "  SELECT o.id, o.rank_key,"
		 "   o.place = 1 AS counts"
		 "  FROM (SELECT x.id,"
		 "    CASE WHEN e.grading_method = 'average' THEN round(avg(x.sort_key) OVER ())::bigint ELSE x.sort_key END AS rank_key,"
		 "    row_number() OVER (ORDER BY"
		 "     CASE WHEN e.grading_method = 'highest' THEN x.sort_key END DESC,"
		 "     CASE WHEN e.grading_method IN ('highest', 'first') THEN a.attempt_no END,"
		 "     a.attempt_no DESC) AS place"
		 "   FROM sc.exam_results AS x"
		 "   JOIN sc.exam_attempts AS a ON a.id = x.attempt_id"
		 "   JOIN sc.exams AS e ON e.id = x.exam_id"
		 "   WHERE x.exam_id = $1 AND x.user_id = $2 AND NOT a.is_preview) AS o"
		 " ) AS w"
		 " WHERE r.id = w.id AND (r.counts, r.rank_key) IS DISTINCT FROM (w.counts, w.rank_key)"
		 " RETURNING r.id",
		 INT8OID, INT8OID);

SC_WRITE(Q_SEVERAL,
		 "SELECT count(*) > 1 FROM sc.exam_results WHERE exam_id = $1 AND user_id = $2",
		 INT8OID, INT8OID);

SC_WRITE(Q_MARK_STALE,
		 "UPDATE sc.exam_sums SET is_stale = true WHERE exam_id = $1 AND NOT is_stale",
		 INT8OID);

static Numeric
numeric_zero(void)
{
	return int64_to_numeric(0);
}

static Numeric
numeric_plus(Numeric a, Numeric b)
{
	return numeric_add_opt_error(a, b, NULL);
}

static int
sign_of(Numeric n)
{
	return DatumGetInt32(DirectFunctionCall2(numeric_cmp, NumericGetDatum(n),
											 NumericGetDatum(numeric_zero())));
}

static int
order_of(Numeric a, Numeric b)
{
	return DatumGetInt32(DirectFunctionCall2(numeric_cmp, NumericGetDatum(a), NumericGetDatum(b)));
}

static Numeric
numeric_rounded(Numeric n, int scale)
{
	return DatumGetNumeric(DirectFunctionCall2(numeric_round, NumericGetDatum(n), Int32GetDatum(scale)));
}

static Jsonb *
get_jsonb(ScRows *rows, int row, int col)
{
	bool		isnull;
	Datum		d = sc_get_datum(rows, row, col, &isnull);

	return isnull ? NULL : DatumGetJsonbP(d);
}

static Numeric
get_numeric(ScRows *rows, int row, int col)
{
	bool		isnull;
	Datum		d = sc_get_copy(rows, row, col, &isnull);

	return isnull ? NULL : DatumGetNumeric(d);
}

/*
 * The attempt's head, locked.  Raises 404 when there is no such attempt.
 */
static AttemptHead
load_head(int64 attempt_id)
{
	AttemptHead head = {.attempt_id = attempt_id};
	ScRows		rows = sc_query(&Q_ATTEMPT, SC_INT8(attempt_id));

	if (rows.count == 0)
		sc_refuse(404, "not_found", NULL);
	head.exam_id = sc_get_int8(&rows, 0, 1);
	head.user_id = sc_get_int8(&rows, 0, 2);
	head.submitted_at = sc_get_timestamptz(&rows, 0, 3);
	head.is_preview = sc_get_bool(&rows, 0, 4);
	head.key_version = sc_get_int4(&rows, 0, 5);
	head.pass_mark = sc_get_copy(&rows, 0, 6, &head.no_pass_mark);
	head.multiple = sc_isnull(&rows, 0, 7) ? 1 : sc_get_int4(&rows, 0, 7);
	return head;
}

/* The section of a row, made at its first question. */
static int
find_section(Scored *s, ScRows *rows, int row)
{
	int64		id = sc_get_int8(rows, row, 3);
	ScoredSection *section;
	Numeric		k;

	for (int i = s->nsections - 1; i >= 0; i--)
		if (s->sections[i].score.section_id == id)
			return i;

	section = &s->sections[s->nsections];
	memset(section, 0, sizeof(*section));
	k = get_numeric(rows, row, 4);
	section->score.section_id = id;
	section->score.ratio = sc_penalty_ratio(k, k == NULL);
	section->score.points = numeric_zero();
	section->score.max_points = numeric_zero();
	section->alternative = sc_get_text(rows, row, 5);
	section->chosen = sc_get_bool(rows, row, 6);
	return s->nsections++;
}

/* What a share of the points makes of an answer. */
static ItemOutcome
outcome_of_points(QuestionType type, Numeric points, Numeric worth)
{
	if (order_of(points, worth) >= 0 && sign_of(worth) > 0)
		return OUTCOME_RIGHT;
	if (sign_of(points) > 0 || type == Q_ESSAY)
		return OUTCOME_PARTIAL;
	return OUTCOME_WRONG;
}

/* The same from a graded share in [-1, 1], worth nothing or something. */
static ItemOutcome
outcome_of_share(Numeric share)
{
	if (order_of(share, int64_to_numeric(1)) >= 0)
		return OUTCOME_RIGHT;
	return sign_of(share) > 0 ? OUTCOME_PARTIAL : OUTCOME_WRONG;
}

/* The better of what the old and the new key give; NULL is blank under both. */
static Numeric
graded_share(QuestionType type, const char *treatment, Jsonb *key, Jsonb *old_key, Jsonb *answer)
{
	Numeric		share = sc_grade_answer(type, key, answer);

	if (share != NULL && old_key != NULL && strcmp(treatment, "best_of") == 0)
	{
		Numeric		old = sc_grade_answer(type, old_key, answer);

		if (old != NULL && order_of(old, share) > 0)
			share = old;
	}
	return share;
}

/* Id of the option chosen, for the option counts; NULL for other types. */
static char *
chosen_option(QuestionType type, Jsonb *answer)
{
	JsonbValue	v;

	if (answer == NULL || type != Q_SINGLE_CHOICE)
		return NULL;
	sc_jb_root(answer, &v);
	if (v.type != jbvString)
		return NULL;
	return pnstrdup(v.val.string.val, v.val.string.len);
}

/* Decide one question: its outcome and points. */
static void
score_item(ScoredItem *item, ScRows *rows, int row)
{
	char	   *treatment = sc_get_text(rows, row, 8);
	bool		isnull;
	QuestionType type = sc_question_type(DatumGetTextPP(sc_get_datum(rows, row, 9, &isnull)));
	Jsonb	   *answer = get_jsonb(rows, row, 12);
	Numeric		mark = get_numeric(rows, row, 13);
	Numeric		share;

	item->worth = get_numeric(rows, row, 7);
	item->points = numeric_zero();
	item->answered = answer != NULL && !sc_answer_blank(type, answer);
	item->choice = item->answered ? chosen_option(type, answer) : NULL;

	if (strcmp(treatment, "exclude") == 0)
		item->outcome = OUTCOME_EXCLUDED;
	else if (strcmp(treatment, "full_credit") == 0)
	{
		item->outcome = OUTCOME_CREDIT;
		item->points = item->worth;
	}
	else if (mark != NULL)
	{
		item->points = mark;
		item->outcome = outcome_of_points(type, mark, item->worth);
	}
	else if (!item->answered)
		item->outcome = OUTCOME_BLANK;
	else
	{
		share = graded_share(type, treatment, get_jsonb(rows, row, 10), get_jsonb(rows, row, 11), answer);
		if (share == NULL)
			item->outcome = OUTCOME_PENDING;
		else
		{
			item->outcome = outcome_of_share(share);
			item->points = numeric_rounded(numeric_mul_opt_error(share, item->worth, NULL), 3);
		}
	}
}

/* Of each group of alternatives keep one section. */
static void
drop_alternatives(Scored *s)
{
	for (int i = 0; i < s->nsections; i++)
	{
		ScoredSection *a = &s->sections[i];

		for (int j = 0; j < i && a->alternative != NULL; j++)
		{
			ScoredSection *b = &s->sections[j];
			bool		later_wins;

			if (b->dropped || b->alternative == NULL || strcmp(a->alternative, b->alternative) != 0)
				continue;
			later_wins = a->chosen != b->chosen ? a->chosen : a->answered > b->answered;
			(later_wins ? b : a)->dropped = true;
			break;
		}
	}
}

/* Grade all questions and add up the sections. */
static Scored
score_items(int64 attempt_id)
{
	ScRows		rows = sc_query(&Q_ITEMS, SC_INT8(attempt_id));
	Scored		s = {.nitems = (int) rows.count};

	s.items = palloc0(sizeof(ScoredItem) * Max(rows.count, 1));
	s.sections = palloc0(sizeof(ScoredSection) * Max(rows.count, 1));
	for (int i = 0; i < s.nitems; i++)
	{
		ScoredItem *item = &s.items[i];

		CHECK_FOR_INTERRUPTS();
		item->question_id = sc_get_int8(&rows, i, 1);
		item->version_id = sc_get_int8(&rows, i, 2);
		item->section = find_section(&s, &rows, i);
		score_item(item, &rows, i);
		if (item->answered)
			s.sections[item->section].answered++;
	}
	drop_alternatives(&s);

	for (int i = 0; i < s.nitems; i++)
	{
		ScoredItem *item = &s.items[i];
		ScoredSection *section = &s.sections[item->section];

		if (section->dropped)
			continue;
		sc_count_outcome(&section->score, item->outcome);
		if (item->outcome == OUTCOME_PENDING)
			s.pending = true;
		if (item->outcome == OUTCOME_EXCLUDED)
			continue;
		section->score.points = numeric_plus(section->score.points, item->points);
		section->score.max_points = numeric_plus(section->score.max_points, item->worth);
	}
	return s;
}

/* An array datum of n elements of a by-value or by-reference type. */
static Datum
make_array(Datum *values, bool *nulls, int n, Oid type, int16 len, bool byval, char align)
{
	int			dims = n;
	int			lbound = 1;

	if (n == 0)
		return PointerGetDatum(construct_empty_array(type));
	return PointerGetDatum(construct_md_array(values, nulls, 1, &dims, &lbound, type, len, byval, align));
}

/* Totals of the sections that count, as one section. */
static SectionScore
add_up(const Scored *s, SectionScore *counted, int *ncounted)
{
	SectionScore total = {.points = numeric_zero(), .max_points = numeric_zero()};

	*ncounted = 0;
	for (int i = 0; i < s->nsections; i++)
	{
		const SectionScore *x = &s->sections[i].score;

		if (s->sections[i].dropped)
			continue;
		counted[(*ncounted)++] = *x;
		total.correct += x->correct;
		total.wrong += x->wrong;
		total.blank += x->blank;
		total.points = numeric_plus(total.points, x->points);
		total.max_points = numeric_plus(total.max_points, x->max_points);
	}
	return total;
}

/* Write exam_results; gives its id, or 0 when nothing differed. */
static int64
store_result(const AttemptHead *head, const Scored *s, const SectionScore *total, int64 key)
{
	Datum	   *ids = palloc(sizeof(Datum) * Max(s->nitems, 1));
	Datum	   *versions = palloc(sizeof(Datum) * Max(s->nitems, 1));
	Datum	   *outcomes = palloc(sizeof(Datum) * Max(s->nitems, 1));
	Datum	   *points = palloc(sizeof(Datum) * Max(s->nitems, 1));
	Datum	   *choices = palloc(sizeof(Datum) * Max(s->nitems, 1));
	bool	   *nochoice = palloc(sizeof(bool) * Max(s->nitems, 1));
	Numeric		net;
	ScRows		rows;
	int			n = 0;

	for (int i = 0; i < s->nitems; i++)
	{
		const ScoredItem *item = &s->items[i];

		if (s->sections[item->section].dropped)
			continue;
		ids[n] = Int64GetDatum(item->question_id);
		versions[n] = Int64GetDatum(item->version_id);
		outcomes[n] = Int16GetDatum(item->outcome);
		points[n] = DirectFunctionCall1(numeric_float8, NumericGetDatum(item->points));
		nochoice[n] = item->choice == NULL;
		choices[n] = item->choice == NULL ? (Datum) 0 : CStringGetTextDatum(item->choice);
		n++;
	}

	net = numeric_rounded(numeric_div_opt_error(int64_to_numeric(key), int64_to_numeric(head->multiple), NULL), 4);
	(void) sc_query(&Q_STALE, SC_INT8(head->exam_id), SC_INT8(head->attempt_id));
	rows = sc_query(&Q_STORE,
					SC_INT8(head->user_id), SC_INT8(head->exam_id), SC_INT8(head->attempt_id),
					SC_TIMESTAMPTZ(head->submitted_at),
					SC_TEXT(s->pending ? "needs_grading" : "final"),
					SC_BOOL(!head->is_preview),
					SC_INT4(total->correct), SC_INT4(total->wrong), SC_INT4(total->blank),
					SC_DATUM(NumericGetDatum(net)), SC_INT8(key),
					SC_DATUM(NumericGetDatum(total->points)), SC_DATUM(NumericGetDatum(total->max_points)),
					SC_DATUM_OR_NULL(head->pass_mark, head->no_pass_mark),
					SC_DATUM(make_array(ids, NULL, n, INT8OID, 8, true, TYPALIGN_DOUBLE)),
					SC_DATUM(make_array(versions, NULL, n, INT8OID, 8, true, TYPALIGN_DOUBLE)),
					SC_DATUM(make_array(outcomes, NULL, n, INT2OID, 2, true, TYPALIGN_SHORT)),
					SC_DATUM(make_array(points, NULL, n, FLOAT8OID, 8, true, TYPALIGN_DOUBLE)),
					SC_DATUM(make_array(choices, nochoice, n, TEXTOID, -1, false, TYPALIGN_INT)),
					SC_INT4(head->key_version), SC_INT4(head->multiple));
	return rows.count == 0 ? 0 : sc_get_int8(&rows, 0, 1);
}

static void
store_sections(int64 result_id, const SectionScore *sections, int n)
{
	Datum	   *column[6];
	Datum		ids;

	for (int c = 0; c < 6; c++)
		column[c] = palloc(sizeof(Datum) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		const SectionScore *x = &sections[i];

		column[0][i] = Int64GetDatum(x->section_id);
		column[1][i] = Int32GetDatum(x->correct);
		column[2][i] = Int32GetDatum(x->wrong);
		column[3][i] = Int32GetDatum(x->blank);
		column[4][i] = NumericGetDatum(sc_section_net(x->correct, x->wrong, x->ratio));
		column[5][i] = NumericGetDatum(x->points);
	}
	ids = make_array(column[0], NULL, n, INT8OID, 8, true, TYPALIGN_DOUBLE);
	(void) sc_query(&Q_DROP_SECTIONS, SC_INT8(result_id), SC_DATUM(ids));
	(void) sc_query(&Q_STORE_SECTIONS, SC_INT8(result_id), SC_DATUM(ids),
					SC_DATUM(make_array(column[1], NULL, n, INT4OID, 4, true, TYPALIGN_INT)),
					SC_DATUM(make_array(column[2], NULL, n, INT4OID, 4, true, TYPALIGN_INT)),
					SC_DATUM(make_array(column[3], NULL, n, INT4OID, 4, true, TYPALIGN_INT)),
					SC_DATUM(make_array(column[4], NULL, n, NUMERICOID, -1, false, TYPALIGN_INT)),
					SC_DATUM(make_array(column[5], NULL, n, NUMERICOID, -1, false, TYPALIGN_INT)));
}

/* Decide which of the student's results counts, when there are several. */
static void
settle_counts(const AttemptHead *head)
{
	ScRows		rows = sc_query(&Q_SEVERAL, SC_INT8(head->exam_id), SC_INT8(head->user_id));

	if (!sc_get_bool(&rows, 0, 1))
		return;
	rows = sc_query(&Q_COUNTS, SC_INT8(head->exam_id), SC_INT8(head->user_id));
	if (rows.count > 0)
		(void) sc_query(&Q_MARK_STALE, SC_INT8(head->exam_id));
}

/*
 * Score an attempt and store the result.
 *
 * Gives true when the stored result changed.  Raises 404 not_found.
 * The caller decides whether the attempt may be scored at all.
 */
bool
sc_score_attempt_id(int64 attempt_id)
{
	AttemptHead head;
	Scored		s;
	SectionScore *counted;
	SectionScore total;
	int			ncounted;
	int64		result_id;

	sc_query_begin();
	head = load_head(attempt_id);
	s = score_items(attempt_id);
	counted = palloc(sizeof(SectionScore) * Max(s.nsections, 1));
	total = add_up(&s, counted, &ncounted);
	result_id = store_result(&head, &s, &total, sc_order_key(counted, ncounted, head.multiple));
	if (result_id != 0)
	{
		store_sections(result_id, counted, ncounted);
		settle_counts(&head);
	}
	(void) sc_query(&Q_GRADED, SC_INT8(attempt_id), SC_BOOL(s.pending));
	sc_query_end();
	return result_id != 0;
}

SC_WRITE(Q_RESULT,
		 "SELECT r.id, r.attempt_id, r.exam_id, r.user_id, r.state, r.correct, r.wrong, r.blank,"
		 " r.net, r.points, r.max_points, r.percent, r.passed, r.sort_key"
		 " FROM sc.exam_results AS r WHERE r.attempt_id = $1",
		 INT8OID);

#define RESULT_COLUMNS 14

PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_score_attempt);

/*
 * score_attempt(attempt_id bigint) -> (result_id, …)
 *
 * Idempotent: computes the score from answers and keys as they stand.
 */
Datum
sc_score_attempt(PG_FUNCTION_ARGS)
{
	int64		attempt_id = PG_GETARG_INT64(0);
	TupleDesc	desc;
	Datum		values[RESULT_COLUMNS];
	bool		nulls[RESULT_COLUMNS];
	ScRows		rows;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE || desc->natts != RESULT_COLUMNS)
		elog(ERROR, "score_attempt must return a row of %d columns", RESULT_COLUMNS);

	(void) sc_score_attempt_id(attempt_id);
	sc_query_begin();
	rows = sc_query(&Q_RESULT, SC_INT8(attempt_id));
	for (int c = 0; c < RESULT_COLUMNS; c++)
		values[c] = sc_get_copy(&rows, 0, c + 1, &nulls[c]);
	sc_query_end();
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
