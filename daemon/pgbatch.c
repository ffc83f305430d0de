/*
 * pgbatch.c
 *		Several calls of dispatch() as one of dispatch_many().
 *
 * A column of parameters is one array.  It travels in the binary form, which
 * has lengths where the text has quotes that one side makes and the other
 * undoes.
 */
#include "daemon/pgbatch.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/arena.h"

#define KEEP_MAX 65536
#define ARRAY_MAX ((size_t) 128 << 20)

const char *const DISPATCH_MANY_SQL =
"SELECT * FROM sc_api.dispatch_many($1, $2, $3, $4, $5, $6, $7, $8)";

/* How the elements of a column look, and PostgreSQL's number of their type. */
typedef enum Form
{
	FORM_INT8 = 20,
	FORM_TEXT = 25,
	FORM_UUID = 2950,
	FORM_PATH = -FORM_TEXT		/* text, of an array literal */
} Form;

/* The parameters of dispatch(); the first, the route, is the same for all. */
static const Form forms[] = {
	0, FORM_INT8, FORM_UUID, FORM_INT8, FORM_PATH, FORM_TEXT, FORM_TEXT, FORM_TEXT
};
#define COLUMNS ((int) (sizeof(forms) / sizeof(forms[0])))

PgBatch *
pgbatch_new(PgPool *pool)
{
	PgBatch    *b = mem_alloc(sizeof(PgBatch));

	b->pool = pool;
	for (int i = 0; i < PG_MAX_PARAMS; i++)
		buf_init(&b->arrays[i], ARRAY_MAX);
	return b;
}

void
pgbatch_free(PgBatch *b)
{
	for (int i = 0; i < PG_MAX_PARAMS; i++)
		buf_free(&b->arrays[i]);
	free(b);
}

void
pgbatch_clear(PgBatch *b)
{
	b->n = 0;
	for (int i = 0; i < PG_MAX_PARAMS; i++)
	{
		if (b->arrays[i].cap > KEEP_MAX)
			buf_free(&b->arrays[i]);
	}
}

/* ---- building ---- */

static void
put_int32(Buf *b, int32_t n)
{
	uint32_t	word = htonl((uint32_t) n);

	buf_put(b, &word, sizeof(word));
}

static void
put_int8(Buf *b, const char *digits)
{
	uint64_t	n = (uint64_t) strtoll(digits, NULL, 10);
	unsigned char bytes[12] = {0, 0, 0, 8};

	for (int i = 0; i < 8; i++)
		bytes[4 + i] = (unsigned char) (n >> (56 - 8 * i));
	buf_put(b, bytes, sizeof(bytes));
}

/* A UUID as sc_jwt_check() gives it: 32 hex digits in lower case and dashes. */
static void
put_uuid(Buf *b, const char *text)
{
	unsigned char bytes[20] = {0, 0, 0, 16};

	for (int n = 0; n < 32 && *text != '\0'; text++)
	{
		if (*text == '-')
			continue;
		bytes[4 + n / 2] = (unsigned char) (bytes[4 + n / 2] << 4 | (*text <= '9' ? *text - '0' : *text - 'a' + 10));
		n++;
	}
	buf_put(b, bytes, sizeof(bytes));
}

static void
put_text(Buf *b, const char *text)
{
	size_t		len = strlen(text);

	put_int32(b, (int32_t) len);
	buf_put(b, text, len);
}

/*
 * The path of a row is its values, a line each: they have no control
 * characters, since paths with them are refused.  A job has it as an array
 * literal, whose elements are all quoted.
 */
static void
put_path(Buf *b, const char *literal)
{
	size_t		start = b->len;
	uint32_t	len;

	put_int32(b, 0);
	for (const char *p = literal + 1; *p == '"'; p++)
	{
		const char *run = ++p;

		if (b->len > start + sizeof(len))
			buf_putc(b, '\n');
		for (; *p != '"' && *p != '\0'; p++)
		{
			if (*p != '\\')
				continue;
			buf_put(b, run, (size_t) (p - run));
			run = ++p;
		}
		buf_put(b, run, (size_t) (p - run));
		if (*p == '\0' || *++p != ',')
			break;
	}
	if (b->failed)
		return;
	len = htonl((uint32_t) (b->len - start - sizeof(len)));
	memcpy(b->data + start, &len, sizeof(len));
}

static bool
is_absent(Form form, const char *value)
{
	return value == NULL || (form == FORM_PATH && value[1] != '"');
}

/* One column; false if nobody has a value in it. */
static bool
put_column(Buf *b, Form form, PgJob *const *members, int n, int column)
{
	int			absent = 0;

	for (int i = 0; i < n; i++)
		absent += is_absent(form, members[i]->params[column]);

	/* The actors tell how many rows there are: they are always given. */
	if (absent == n && column > 1)
		return false;
	buf_clear(b);
	put_int32(b, 1);			/* dimensions */
	put_int32(b, absent > 0);
	put_int32(b, abs((int) form));
	put_int32(b, n);
	put_int32(b, 1);			/* the first index */
	for (int i = 0; i < n; i++)
	{
		const char *value = members[i]->params[column];

		if (is_absent(form, value))
			put_int32(b, -1);
		else if (form == FORM_INT8)
			put_int8(b, value);
		else if (form == FORM_UUID)
			put_uuid(b, value);
		else if (form == FORM_PATH)
			put_path(b, value);
		else
			put_text(b, value);
	}
	return true;
}

void
pgbatch_build(PgBatch *b)
{
	static const int formats[COLUMNS] = {0, 1, 1, 1, 1, 1, 1, 1};
	PgJob	   *job = &b->job;

	memset(job, 0, sizeof(*job));
	job->sql = DISPATCH_MANY_SQL;
	job->nparams = COLUMNS;
	job->lengths = b->lengths;
	job->formats = formats;
	job->data = b;
	job->params[0] = b->members[0]->params[0];
	for (int i = 1; i < COLUMNS; i++)
	{
		Buf		   *array = &b->arrays[i];

		if (!put_column(array, forms[i], b->members, b->n, i))
			continue;
		job->params[i] = array->data;
		b->lengths[i] = (int) array->len;
	}
}

/* ---- dealing ---- */

void
pgbatch_deal(PgBatch *b)
{
	int			rows = pg_rows_count(b->job.rows);

	for (int r = 0; r < rows; r++)
	{
		long		n = atol(pg_rows_get(b->job.rows, r, 0).data) - 1;

		if (n < 0 || n >= b->n || b->members[n]->rows != NULL)
			continue;
		b->members[n]->rows = pg_rows_keep(b->job.rows);
		b->members[n]->row = r;
		b->members[n]->col = 1;
	}
}
