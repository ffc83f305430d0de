/*
 * pgbatch.c
 *		Many jobs as arrays in the binary form, and rows dealt to them.
 *
 * The rows are played by an array of numbers: whose row it is, by column 0.
 *
 * links: daemon/pgbatch.c daemon/buf.c daemon/arena.c
 */
#include "daemon/pgbatch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct PgRows
{
	const char *const *numbers;
	int			n;
	int			kept;
};

int
pg_rows_count(const PgRows *rows)
{
	return rows->n;
}

Str
pg_rows_get(const PgRows *rows, int row, int col)
{
	(void) col;
	return (Str) {rows->numbers[row], strlen(rows->numbers[row])};
}

PgRows *
pg_rows_keep(PgRows *rows)
{
	rows->kept++;
	return rows;
}

static int	failures;

static void
check(bool ok, const char *what)
{
	if (!ok)
	{
		printf("failed: %s\n", what);
		failures++;
	}
}

/* Is the parameter these bytes, given in hex with blanks? */
static void
check_param(const PgBatch *b, int param, const char *hex, const char *what)
{
	unsigned char bytes[512];
	int			n = 0;

	for (const char *p = hex; *p != '\0'; p++)
	{
		if (*p == ' ')
			continue;
		bytes[n++] = (unsigned char) strtol((char[]) {p[0], p[1], 0}, NULL, 16);
		p++;
	}
	check(b->job.lengths[param] == n && memcmp(b->job.params[param], bytes, (size_t) n) == 0, what);
	check(b->job.formats[param] == 1, "binary");
}

#define HEAD(nulls, type, n) "00000001 0000000" nulls " " type " 0000000" n " 00000001 "
#define INT8 "00000014"
#define TEXT "00000019"
#define UUID "00000b86"

static void
test_build(PgBatch *b)
{
	PgJob		one = {.params = {"7", "42", "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9", "1", "{\"a\",\"b\\\"\\\\c\"}", NULL, "{}", "x"}};
	PgJob		two = {.params = {"7", NULL, NULL, NULL, "{}", NULL, "", "y"}};
	PgJob		three = {.params = {"7", "-1", NULL, NULL, "{\"12\"}", NULL, NULL, "z"}};

	b->members[0] = &one;
	b->members[1] = &two;
	b->members[2] = &three;
	b->n = 3;
	pgbatch_build(b);
	check(b->job.nparams == 8 && strcmp(b->job.params[0], "7") == 0 && b->job.formats[0] == 0, "the route is text");
	check_param(b, 1, HEAD("1", INT8, "3") "00000008 000000000000002a ffffffff 00000008 ffffffffffffffff", "actors");
	check_param(b, 2, HEAD("1", UUID, "3") "00000010 0a1b2c3d4e5f60718293a4b5c6d7e8f9 ffffffff ffffffff", "token ids");
	check_param(b, 3, HEAD("1", INT8, "3") "00000008 0000000000000001 ffffffff ffffffff", "moments");
	check_param(b, 4, HEAD("1", TEXT, "3") "00000006 61 0a 62 22 5c 63 ffffffff 00000002 31 32", "paths, a value in each line");
	check(b->job.params[5] == NULL, "a column of nothing is NULL");
	check_param(b, 6, HEAD("1", TEXT, "3") "00000002 7b 7d 00000000 ffffffff", "bodies: an empty one is none of the missing");
	check_param(b, 7, HEAD("0", TEXT, "3") "00000001 78 00000001 79 00000001 7a", "contexts");

	/* Nobody is logged in: the actors still say how many there are. */
	b->members[0] = &two;
	b->n = 1;
	pgbatch_build(b);
	check_param(b, 1, HEAD("1", INT8, "1") "ffffffff", "nobody");
	check(b->job.params[2] == NULL && b->job.params[4] == NULL, "nothing else");
}

static void
test_deal(PgBatch *b)
{
	static const char *const numbers[] = {"3", "1", "4", "0", "1"};
	PgRows		rows = {numbers, 5, 0};
	PgJob		jobs[3] = {{.params = {"7"}}, {.params = {"7"}}, {.params = {"7"}}};

	for (int i = 0; i < 3; i++)
		b->members[i] = &jobs[i];
	b->n = 3;
	b->job.rows = &rows;
	pgbatch_deal(b);
	check(jobs[0].rows == &rows && jobs[0].row == 1 && jobs[0].col == 1, "the first one's row");
	check(jobs[1].rows == NULL, "one without");
	check(jobs[2].rows == &rows && jobs[2].row == 0, "the third one's");
	check(rows.kept == 2, "a reference for each");
}

int
main(void)
{
	PgBatch    *b = pgbatch_new(NULL);

	test_build(b);
	pgbatch_clear(b);
	check(b->n == 0, "cleared");
	test_deal(b);
	pgbatch_free(b);
	return failures != 0;
}
