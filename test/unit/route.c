/*
 * route.c
 *		Building the route table from rows, and matching.
 *
 * The database's part is played by the arrays below: pg_rows_*() read them.
 *
 * links: shim/route.c daemon/metrics.c daemon/arena.c daemon/buf.c daemon/log.c -lpthread
 */
#include "shim/route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS 20
#define ID "\x1fpath\x1f" "bigint\x1ftrue"
#define ROUTE(id, method, path, params) \
	{id, method, path, "read", "read", "wait", NULL, "f", "sc:x:{id}", "a\x1e" "b", \
	 NULL, "600", "f", "api", "1000", "application/json", NULL, "t", "f", params}

static const char *const rows[][COLUMNS] = {
	ROUTE("1", "GET", "/users/{user_id}", "user_id" ID),
	ROUTE("2", "GET", "/users/me", NULL),
	ROUTE("3", "PATCH", "/users/{user_id}", "user_id" ID),
	ROUTE("4", "GET", "/users/{user_id}/progress", "user_id" ID),
	ROUTE("5", "GET", "/users/me/enrollments", NULL),
	ROUTE("6", "POST", "/imports/{kind}",
		  "kind\x1fpath\x1ftext\x1ftrue\x1e" "dry_run\x1fquery\x1f" "boolean\x1f" "false\x1f" "false\x1e" "q\x1fquery\x1ftext\x1f" "false\x1f"),
	ROUTE("7", "DELETE", "/a/{x}/b/{y}", "x" ID "\x1ey" ID),
	{"8", "GET", "/hot", "read", "hot", "wait", NULL, "f", NULL, NULL, NULL, "600", "f", "api", "1000", NULL, NULL, "t", "f", NULL},
	{"9", "PUT", "/hot", "write", "hot", "wait", NULL, "f", NULL, NULL, NULL, "600", "f", "api", "1000", NULL, NULL, "t", "f", NULL}
};
static const char *const twice[][COLUMNS] = {
	ROUTE("1", "GET", "/a/{x}", "x" ID), ROUTE("2", "GET", "/a/{y}", "y" ID)
};
static const char *const odd_lane[][COLUMNS] = {
	{"1", "GET", "/a", "read", "fast", "wait", NULL, "f", NULL, NULL, NULL, "600", "f", "api", "1000", NULL, NULL, "t", "f", NULL}
};

struct PgRows
{
	const char *const(*rows)[COLUMNS];
	int			n;
};

int
pg_rows_count(const PgRows *r)
{
	return r->n;
}

bool
pg_rows_is_null(const PgRows *r, int row, int col)
{
	return r->rows[row][col] == NULL;
}

Str
pg_rows_get(const PgRows *r, int row, int col)
{
	const char *s = r->rows[row][col] ? r->rows[row][col] : "";

	return (Str) {s, strlen(s)};
}

static int	failures;
static RouteTable *table;

static void
check(bool ok, const char *what)
{
	if (!ok)
	{
		printf("failed: %s\n", what);
		failures++;
	}
}

static RouteMatch
match(Method method, const char *path)
{
	Str			segments[16];
	int			n = 0;
	RouteMatch	m;

	while (*path == '/')
	{
		size_t		len = strcspn(path + 1, "/");

		segments[n++] = (Str) {path + 1, len};
		path += 1 + len;
	}
	route_match(table, method, segments, n, &m);
	return m;
}

/* Which route; 0: no such path, -1: another method. */
static int
found(Method method, const char *path)
{
	RouteMatch	m = match(method, path);

	return m.route != NULL ? m.route->id : m.allowed != 0 ? -1 : 0;
}

static void
test_matching(void)
{
	RouteMatch	m;

	check(found(METHOD_GET, "/users/7") == 1, "an id");
	check(found(METHOD_HEAD, "/users/7") == 1, "HEAD is GET");
	check(found(METHOD_GET, "/users/me") == 2, "a literal wins");
	check(found(METHOD_GET, "/users/me/enrollments") == 5, "below a literal");
	check(found(METHOD_GET, "/users/7/progress") == 4, "below a placeholder");
	check(found(METHOD_GET, "/users/me/progress") == 0, "me is no id");
	check(found(METHOD_PATCH, "/users/me") == -1, "nor for another method");
	check(found(METHOD_PUT, "/users/7") == -1, "no such method");
	check(match(METHOD_PUT, "/users/7").allowed == (1u << METHOD_GET | 1u << METHOD_PATCH), "allowed methods");
	check(found(METHOD_OTHER, "/users/7") == -1, "a method nobody knows");
	check(found(METHOD_GET, "/users") == 0 && found(METHOD_GET, "/users/7/") == 0
		  && found(METHOD_GET, "/users//progress") == 0 && found(METHOD_GET, "/") == 0, "no such paths");
	check(found(METHOD_GET, "/users/07") == 0 && found(METHOD_GET, "/users/0") == 0
		  && found(METHOD_GET, "/users/+7") == 0 && found(METHOD_GET, "/users/7x") == 0
		  && found(METHOD_GET, "/users/-7") == 0, "one spelling for an id");
	check(found(METHOD_GET, "/users/9223372036854775807") == 1
		  && found(METHOD_GET, "/users/9223372036854775808") == 0
		  && found(METHOD_GET, "/users/12345678901234567890") == 0, "the largest id");
	check(found(METHOD_POST, "/imports/007") == 6, "text may look like anything");
	m = match(METHOD_DELETE, "/a/12/b/34");
	check(m.route != NULL && m.n_values == 2 && m.values[0].len == 2
		  && memcmp(m.values[1].data, "34", 2) == 0, "values in order");
}

static void
test_properties(void)
{
	const Route *r = match(METHOD_POST, "/imports/users").route;

	check(r->n_params == 3, "parameters");
	check(r->params[0].place == PARAM_PATH && r->params[0].required && r->params[0].fallback.data == NULL, "required, no default");
	check(r->params[1].fallback.len == 5 && memcmp(r->params[1].fallback.data, "false", 5) == 0, "a default");
	check(r->params[2].fallback.data != NULL && r->params[2].fallback.len == 0, "an empty default is one");
	check(r->n_cache_query == 2 && memcmp(r->cache_query[1].data, "b", 1) == 0 && r->n_cache_tags == 0, "lists");
	check(r->max_body == 1000 && r->produces.data == NULL && strcmp(r->id_text, "6") == 0
		  && r->idempotent && !r->replica && !r->anonymous && !r->writes && !r->batch, "the rest");
	r = match(METHOD_GET, "/hot").route;
	check(r->batch && r->lane == PG_LANE_READ, "a hot read is read with the others");
	r = match(METHOD_PUT, "/hot").route;
	check(r->batch && r->lane == PG_LANE_HOT, "a hot write is not");
}

int
main(void)
{
	PgRows		good = {rows, sizeof(rows) / sizeof(rows[0])};
	PgRows		bad = {twice, 2};
	PgRows		odd = {odd_lane, 1};
	RouteTable *again;

	table = route_table_new(&good);
	if (table == NULL)
		return 1;
	check(route_table_count(table) == 9, "count");
	test_matching();
	test_properties();
	again = route_table_keep(table);
	route_table_release(table);
	check(found(METHOD_GET, "/users/7") == 1, "kept");
	route_table_release(again);
	check(route_table_new(&bad) == NULL, "two routes in one place");
	check(route_table_new(&odd) == NULL, "an unknown lane");
	check(method_parse("PATCH") == METHOD_PATCH && method_parse("patch") == METHOD_OTHER
		  && method_parse("") == METHOD_OTHER && strcmp(method_name(METHOD_DELETE), "DELETE") == 0, "methods");
	return failures != 0;
}
