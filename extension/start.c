/*
 * start.c
 *		Beginning a sitting: which questions, in which order, until when.
 *
 * Starting is idempotent: whoever has an open attempt gets that one.  Two
 * starts at the same time meet at the unique index over open attempts, so that
 * one inserts and the other finds.  The number of attempts is counted here, in
 * the same transaction, and nowhere else.
 *
 * The exam's row is locked FOR SHARE while the attempt is inserted.  Whoever
 * changes times or overrides locks it more strongly and recomputes deadlines
 * afterwards, so that no attempt slips in between with an old deadline.
 *
 * Publishing has pinned versions and filled the pools of drawn sections; here
 * questions are only chosen and ordered, by the attempt's seed.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "common/consteq.h"
#include "extension/exam.h"
#include "extension/order.h"
#include "extension/query.h"
#include "extension/student_coach.h"

SC_WRITE(Q_OPEN_ATTEMPT,
		 "SELECT id, state, seed FROM sc.exam_attempts"
		 " WHERE exam_id = $1 AND user_id = $2 AND state IN ('not_started', 'in_progress', 'overdue')",
		 INT8OID, INT8OID);
SC_WRITE(Q_LOCK_EXAM,
		 "SELECT 1 FROM sc.exams WHERE id = $1 FOR SHARE",
		 INT8OID);
SC_READ(Q_SECTIONS,
		"SELECT id, alternative_group, question_count, draw IS NOT NULL"
		"  FROM sc.exam_sections WHERE exam_id = $1 ORDER BY order_index",
		INT8OID);
SC_READ(Q_POOL,
		"SELECT q.section_id, q.question_id, q.version_id"
		"  FROM sc.exam_questions AS q JOIN sc.exam_sections AS s ON s.id = q.section_id"
		" WHERE q.exam_id = $1 ORDER BY s.order_index, q.order_index NULLS LAST, q.question_id",
		INT8OID);
SC_READ(Q_SHUFFLES,
		"SELECT shuffle_questions FROM sc.exams WHERE id = $1",
		INT8OID);
SC_WRITE(Q_INSERT,
		 "INSERT INTO sc.exam_attempts (exam_id, user_id, attempt_no, state, is_preview, seed, question_ids,"
		 "                              version_ids, section_ids, chosen_sections, started_at, deadline_at, last_seen_at)"
		 " SELECT $1, $2, coalesce(max(a.attempt_no), 0) + 1, $3, $4, $5, $6, $7, $8, $9, $10, $11, $10"
		 "   FROM sc.exam_attempts AS a WHERE a.exam_id = $1 AND a.user_id = $2"
		 " ON CONFLICT DO NOTHING RETURNING id",
		 INT8OID, INT8OID, TEXTOID, BOOLOID, INT8OID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID,
		 INT8ARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID);
SC_WRITE(Q_BEGIN_PREPARED,
		 "UPDATE sc.exam_attempts"
		 "   SET state = 'in_progress', is_preview = $2, question_ids = $3, version_ids = $4,"
		 "       section_ids = $5, chosen_sections = $6, started_at = $7, deadline_at = $8,"
		 "       last_seen_at = $7, updated_at = $7"
		 " WHERE id = $1 AND state = 'not_started' RETURNING id",
		 INT8OID, BOOLOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID,
		 TIMESTAMPTZOID, TIMESTAMPTZOID);
SC_WRITE(Q_BEGIN_AS_PREPARED,
		 "UPDATE sc.exam_attempts"
		 "   SET state = 'in_progress', is_preview = $2, started_at = $3, deadline_at = $4,"
		 "       last_seen_at = $3, updated_at = $3"
		 " WHERE id = $1 AND state = 'not_started' RETURNING id",
		 INT8OID, BOOLOID, TIMESTAMPTZOID, TIMESTAMPTZOID);
SC_READ(Q_VERIFY,
		"SELECT sc.password_verify($1, $2)",
		TEXTOID, TEXTOID);
SC_READ(Q_AUDIENCE,
		"SELECT s.user_id FROM sc.exam_students($1, $2) AS s(user_id)"
		" WHERE NOT EXISTS (SELECT FROM sc.exam_attempts AS a WHERE a.exam_id = $1 AND a.user_id = s.user_id)"
		" ORDER BY s.user_id",
		INT8OID, TIMESTAMPTZOID);

/* Questions of a sitting in the order shown. */
typedef struct Paper
{
	int64		seed;
	Datum	   *questions;
	Datum	   *versions;
	Datum	   *sections;
	Datum	   *chosen;
	int			n;
	int			nchosen;
} Paper;

/* What the exam holds: read once, dealt out to many. */
typedef struct Assembly
{
	ScRows		sections;
	ScRows		pool;
	bool		shuffle;
} Assembly;

static int64
new_seed(void)
{
	int64		seed;

	if (!pg_strong_random(&seed, sizeof(seed)))
		elog(ERROR, "no random numbers");
	return seed & PG_INT64_MAX;
}

static bool
wanted(int64 section, const Datum *wish, int nwish)
{
	for (int i = 0; i < nwish; i++)
		if (DatumGetInt64(wish[i]) == section)
			return true;
	return false;
}

static bool
same_group(const ScRows *sections, int a, int b)
{
	return strcmp(sc_get_text(sections, a, 2), sc_get_text(sections, b, 2)) == 0;
}

/*
 * Is this section part of the sitting?  Of the alternatives of a group all are,
 * and scoring counts the one that was answered, unless one was wished for.
 */
static bool
section_taken(const ScRows *sections, int s, const Datum *wish, int nwish)
{
	if (sc_isnull(sections, s, 2) || wanted(sc_get_int8(sections, s, 1), wish, nwish))
		return true;
	for (int i = 0; i < sections->count; i++)
		if (!sc_isnull(sections, i, 2) && same_group(sections, i, s) &&
			wanted(sc_get_int8(sections, i, 1), wish, nwish))
			return false;
	return true;
}

/* A wish must name alternative sections of this exam, one of a group. */
static void
check_wish(const ScRows *sections, const Datum *wish, int nwish)
{
	for (int w = 0; w < nwish; w++)
	{
		int			found = -1;

		for (int i = 0; i < sections->count; i++)
			if (sc_get_int8(sections, i, 1) == DatumGetInt64(wish[w]) && !sc_isnull(sections, i, 2))
				found = i;
		if (found < 0)
			sc_invalid("sections", "not_an_alternative", NULL);
		for (int i = 0; found >= 0 && i < sections->count; i++)
			if (i != found && !sc_isnull(sections, i, 2) && same_group(sections, i, found) &&
				wanted(sc_get_int8(sections, i, 1), wish, nwish))
				sc_invalid("sections", "one_of_each_group", NULL);
	}
	sc_check_valid();
}

/* Deal one section: from first to last of the pool, as many as it asks for. */
static void
deal_section(const Assembly *exam, int s, int first, int last, Paper *paper)
{
	int			n = last - first;
	int			count = sc_get_int4(&exam->sections, s, 3);
	bool		draw = sc_get_bool(&exam->sections, s, 4);
	int		   *place = palloc(sizeof(int) * Max(n, 1));

	if (draw || exam->shuffle)
		sc_order_permutation(sc_order_seed(paper->seed, sc_get_int8(&exam->sections, s, 1)), n, place);
	else
		for (int i = 0; i < n; i++)
			place[i] = i;
	if (draw && count < n)
		n = count;
	for (int i = 0; i < n; i++, paper->n++)
	{
		int			row = first + place[i];

		paper->sections[paper->n] = Int64GetDatum(sc_get_int8(&exam->pool, row, 1));
		paper->questions[paper->n] = Int64GetDatum(sc_get_int8(&exam->pool, row, 2));
		paper->versions[paper->n] = Int64GetDatum(sc_get_int8(&exam->pool, row, 3));
	}
	pfree(place);
}

static Assembly
read_assembly(int64 exam_id)
{
	Assembly	exam;
	ScRows		rows = sc_query(&Q_SHUFFLES, SC_INT8(exam_id));

	exam.shuffle = sc_get_bool(&rows, 0, 1);
	exam.sections = sc_query(&Q_SECTIONS, SC_INT8(exam_id));
	exam.pool = sc_query(&Q_POOL, SC_INT8(exam_id));
	return exam;
}

static Paper
deal(const Assembly *exam, int64 seed, const Datum *wish, int nwish)
{
	Paper		paper = {.seed = seed};
	int			row = 0;

	paper.questions = palloc(sizeof(Datum) * (exam->pool.count + 1));
	paper.versions = palloc(sizeof(Datum) * (exam->pool.count + 1));
	paper.sections = palloc(sizeof(Datum) * (exam->pool.count + 1));
	paper.chosen = palloc(sizeof(Datum) * (exam->sections.count + 1));
	for (int s = 0; s < exam->sections.count; s++)
	{
		int64		section = sc_get_int8(&exam->sections, s, 1);
		int			first = row;

		while (row < exam->pool.count && sc_get_int8(&exam->pool, row, 1) == section)
			row++;
		if (!section_taken(&exam->sections, s, wish, nwish))
			continue;
		if (wanted(section, wish, nwish))
			paper.chosen[paper.nchosen++] = Int64GetDatum(section);
		deal_section(exam, s, first, row, &paper);
	}
	return paper;
}

static NullableDatum
bigint_array(Datum *elements, int n)
{
	return SC_DATUM(PointerGetDatum(construct_array(elements, n, INT8OID, sizeof(int64),
													FLOAT8PASSBYVAL, TYPALIGN_DOUBLE)));
}

/*
 * The exam's password.  Verifying costs tens of milliseconds on purpose, and a
 * whole school types the same password in the same minute: each backend
 * remembers the last one that was right.
 */
static bool
password_right(const char *password, const char *hash)
{
	static uint8 right[PG_SHA256_DIGEST_LENGTH];
	static bool known = false;
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	pg_cryptohash_ctx *sha = pg_cryptohash_create(PG_SHA256);
	ScRows		rows;

	if (sha == NULL || pg_cryptohash_init(sha) < 0 ||
		pg_cryptohash_update(sha, (const uint8 *) hash, strlen(hash) + 1) < 0 ||
		pg_cryptohash_update(sha, (const uint8 *) password, strlen(password)) < 0 ||
		pg_cryptohash_final(sha, digest, sizeof(digest)) < 0)
		elog(ERROR, "could not compute a digest");
	pg_cryptohash_free(sha);
	if (known && sc_consteq(right, digest, sizeof(digest)))
		return true;

	rows = sc_query(&Q_VERIFY, SC_TEXT(password), SC_TEXT(hash));
	if (sc_isnull(&rows, 0, 1) || !sc_get_bool(&rows, 0, 1))
		return false;
	memcpy(right, digest, sizeof(digest));
	known = true;
	return true;
}

/* Refuse unless a start is allowed at that instant. */
static void
check_window(const ExamWindow *w)
{
	int			status = 403;

	if (strcmp(w->reason, "exam_unpublished") == 0 || strcmp(w->reason, "exam_not_yours") == 0)
		sc_refuse(404, "not_found", NULL);
	if (strcmp(w->reason, "no_attempts_left") == 0 || strcmp(w->reason, "exam_on_paper") == 0)
		status = 409;
	if (!w->allowed)
	{
		StringInfoData params;

		initStringInfo(&params);
		if (strcmp(w->reason, "exam_not_open") == 0)
		{
			appendStringInfoString(&params, "{\"opens_at\": ");
			sc_json_datum(&params, TimestampTzGetDatum(w->opens_at), TIMESTAMPTZOID);
			appendStringInfoChar(&params, '}');
		}
		else if (strcmp(w->reason, "no_attempts_left") == 0)
			appendStringInfo(&params, "{\"max_attempts\": %d}", w->max_attempts);
		sc_refuse(status, w->reason, params.len > 0 ? params.data : NULL);
	}
}

/* Gives 0 if another start was faster. */
static int64
insert_attempt(int64 exam_id, int64 user_id, const char *state, bool preview, const Paper *p,
			   NullableDatum at, NullableDatum deadline)
{
	ScRows		rows = sc_query(&Q_INSERT, SC_INT8(exam_id), SC_INT8(user_id), SC_TEXT(state),
								SC_BOOL(preview), SC_INT8(p->seed),
								bigint_array(p->questions, p->n), bigint_array(p->versions, p->n),
								bigint_array(p->sections, p->n), bigint_array(p->chosen, p->nchosen),
								at, deadline);

	return rows.count > 0 ? sc_get_int8(&rows, 0, 1) : 0;
}

/* The open attempt of a student, if there is one. */
typedef struct OpenAttempt
{
	int64		id;				/* 0 = none */
	bool		prepared;		/* made before the opening, not yet begun */
	int64		seed;
} OpenAttempt;

static OpenAttempt
find_open(int64 exam_id, int64 user_id, TimestampTz at)
{
	OpenAttempt open = {0};
	ScRows		rows = sc_query(&Q_OPEN_ATTEMPT, SC_INT8(exam_id), SC_INT8(user_id));

	if (rows.count == 0)
		return open;
	open.id = sc_get_int8(&rows, 0, 1);
	open.prepared = strcmp(sc_get_text(&rows, 0, 2), "not_started") == 0;
	open.seed = sc_get_int8(&rows, 0, 3);
	if (open.prepared)
		return open;
	/* exam before attempt, as all do */
	(void) sc_query(&Q_LOCK_EXAM, SC_INT8(exam_id));
	if (sc_attempt_over(open.id, at))
		open.id = 0;
	return open;
}

/*
 * Make the attempt, or begin the one prepared before: as it was dealt, unless
 * the student wishes for other sections.  Gives 0 if another start was faster.
 */
static int64
begin_attempt(int64 exam_id, int64 user_id, const OpenAttempt *open, const Datum *wish, int nwish,
			  bool preview, TimestampTz at, NullableDatum deadline)
{
	Assembly	exam;
	Paper		p;
	ScRows		rows;

	if (open->id != 0 && nwish == 0)
	{
		rows = sc_query(&Q_BEGIN_AS_PREPARED, SC_INT8(open->id), SC_BOOL(preview),
						SC_TIMESTAMPTZ(at), deadline);
		return rows.count > 0 ? open->id : 0;
	}
	exam = read_assembly(exam_id);
	check_wish(&exam.sections, wish, nwish);
	p = deal(&exam, open->id != 0 ? open->seed : new_seed(), wish, nwish);
	if (open->id == 0)
		return insert_attempt(exam_id, user_id, "in_progress", preview, &p, SC_TIMESTAMPTZ(at), deadline);
	rows = sc_query(&Q_BEGIN_PREPARED, SC_INT8(open->id), SC_BOOL(preview),
					bigint_array(p.questions, p.n), bigint_array(p.versions, p.n),
					bigint_array(p.sections, p.n), bigint_array(p.chosen, p.nchosen),
					SC_TIMESTAMPTZ(at), deadline);
	return rows.count > 0 ? open->id : 0;
}

/* Outcome of a start, and the attempt it led to. */
typedef struct Start
{
	int64		attempt_id;
	const char *outcome;		/* created, existing, wrong_password */
} Start;

static Start
start(int64 exam_id, int64 user_id, const char *password, const Datum *wish, int nwish,
	  bool preview, TimestampTz at)
{
	Start		s = {0};

	for (int tries = 0; tries < 5; tries++)
	{
		OpenAttempt open = find_open(exam_id, user_id, at);
		ExamWindow	w;

		CHECK_FOR_INTERRUPTS();
		if (open.id != 0 && !open.prepared)
		{
			s.attempt_id = open.id;
			s.outcome = "existing";
			return s;
		}

		(void) sc_query(&Q_LOCK_EXAM, SC_INT8(exam_id));
		w = sc_exam_window_at(exam_id, user_id, at, true);
		if (!w.found)
			sc_refuse(404, "not_found", NULL);
		if (!preview)
		{
			check_window(&w);
			if (w.password_hash != NULL &&
				(password == NULL || !password_right(password, w.password_hash)))
			{
				s.outcome = "wrong_password";
				return s;
			}
		}
		s.attempt_id = begin_attempt(exam_id, user_id, &open, wish, nwish, preview, at,
									 SC_DATUM_OR_NULL(TimestampTzGetDatum(w.deadline), !w.has_deadline));
		if (s.attempt_id != 0)
		{
			s.outcome = "created";
			return s;
		}
	}
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("could not start an attempt at exam " INT64_FORMAT, exam_id)));
}

/* start_attempt(exam_id, user_id, password, sections, preview, at) */
PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_start_attempt);
Datum
sc_start_attempt(PG_FUNCTION_ARGS)
{
	Datum	   *wish = NULL;
	int			nwish = 0;
	Start		s;
	TupleDesc	desc;
	Datum		values[2];
	bool		nulls[2] = {false};

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(4) || PG_ARGISNULL(5))
		sc_refuse(404, "not_found", NULL);
	if (!PG_ARGISNULL(3))
	{
		bool	   *isnull;

		deconstruct_array(PG_GETARG_ARRAYTYPE_P(3), INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
						  TYPALIGN_DOUBLE, &wish, &isnull, &nwish);
		for (int i = 0; i < nwish; i++)
			if (isnull[i])
				sc_refuse(422, "not_an_alternative", "{\"field\": \"sections\"}");
	}
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "start_attempt must return a row");

	sc_query_begin();
	s = start(PG_GETARG_INT64(0), PG_GETARG_INT64(1),
			  PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2)),
			  wish, nwish, PG_GETARG_BOOL(4), PG_GETARG_TIMESTAMPTZ(5));
	sc_query_end();

	values[0] = Int64GetDatum(s.attempt_id);
	nulls[0] = s.attempt_id == 0;
	values[1] = CStringGetTextDatum(s.outcome);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/*
 * precreate_attempts(exam_id, at): rows in state not_started for all who must
 * sit the exam, so that the first second of it only updates.
 */
PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_precreate_attempts);
Datum
sc_precreate_attempts(PG_FUNCTION_ARGS)
{
	int64		exam_id = PG_GETARG_INT64(0);
	int			made = 0;
	ScRows		students;

	sc_query_begin();
	(void) sc_query(&Q_LOCK_EXAM, SC_INT8(exam_id));
	students = sc_query(&Q_AUDIENCE, SC_INT8(exam_id), SC_TIMESTAMPTZ(PG_GETARG_TIMESTAMPTZ(1)));
	if (students.count > 0)
	{
		Assembly	exam = read_assembly(exam_id);

		for (int i = 0; i < students.count; i++)
		{
			Paper		p = deal(&exam, new_seed(), NULL, 0);

			CHECK_FOR_INTERRUPTS();
			if (insert_attempt(exam_id, sc_get_int8(&students, i, 1), "not_started", false, &p,
							   SC_NULL, SC_NULL) != 0)
				made++;
		}
	}
	sc_query_end();
	PG_RETURN_INT32(made);
}
