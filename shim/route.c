/*
 * route.c
 *		The route table: what sc_api.routes() says, ready for matching.
 *
 * Paths form a tree by segments.  A node has literal children and at most one
 * placeholder child; a literal wins over the placeholder, and the search goes
 * back to the placeholder where the literal leads nowhere.
 */
#include "shim/route.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/arena.h"
#include "daemon/log.h"
#include "daemon/metrics.h"

/* Lists arrive as text cut by these, which no name or default contains. */
#define ITEM_END '\x1e'
#define FIELD_END '\x1f'

const char *const ROUTES_SQL =
"SELECT id, method, path, access, lane, cost, auth, anonymous, cache_key,"
" array_to_string(cache_query, E'\\x1e') AS cache_query,"
" array_to_string(cache_tags, E'\\x1e') AS cache_tags,"
" cache_ttl, public, rate, max_body, content_type, produces, idempotent, replica,"
" (SELECT string_agg(concat_ws(E'\\x1f', p->>'name', p->>'in', p->>'type',"
" coalesce(p->>'required', 'false'), p->>'default'), E'\\x1e' ORDER BY n)"
" FROM jsonb_array_elements(params) WITH ORDINALITY AS e(p, n)) AS params"
" FROM sc_api.routes() ORDER BY id";

/* The columns of ROUTES_SQL, in its order. */
enum
{
	COL_ID, COL_METHOD, COL_PATH, COL_ACCESS, COL_LANE, COL_COST, COL_AUTH,
	COL_ANONYMOUS, COL_CACHE_KEY, COL_CACHE_QUERY, COL_CACHE_TAGS,
	COL_CACHE_TTL, COL_PUBLIC, COL_RATE, COL_MAX_BODY, COL_CONTENT_TYPE,
	COL_PRODUCES, COL_IDEMPOTENT, COL_REPLICA, COL_PARAMS
};

typedef struct Node Node;
struct Node
{
	Str			segment;
	Node	   *next;			/* the next literal beside this one */
	Node	   *literals;
	Node	   *placeholder;
	const Route *routes[METHODS];
};

struct RouteTable
{
	int			refs;
	int			n;
	Route	   *routes;
	Node		root;
	Arena		arena;
	char		first[16384];
};

static const char *const method_names[] = {
	"GET", "POST", "PUT", "PATCH", "DELETE", "", "HEAD", "OPTIONS", "OTHER"
};

const char *
method_name(Method m)
{
	return method_names[m];
}

Method
method_parse(const char *s)
{
	for (int m = 0; m < METHOD_OTHER; m++)
	{
		if (m != METHODS && strcmp(s, method_names[m]) == 0)
			return (Method) m;
	}
	return METHOD_OTHER;
}

/* ---- building ---- */

/* The place of a word in a NULL-terminated list, or -1. */
static int
word(Str s, const char *const *words)
{
	for (int i = 0; words[i] != NULL; i++)
	{
		if (strlen(words[i]) == s.len && memcmp(words[i], s.data, s.len) == 0)
			return i;
	}
	return -1;
}

static Str
keep(RouteTable *t, Str s)
{
	return (Str) {arena_copy(&t->arena, s.data, s.len), s.len};
}

static Str
keep_column(RouteTable *t, const PgRows *rows, int row, int col)
{
	if (pg_rows_is_null(rows, row, col))
		return (Str) {NULL, 0};
	return keep(t, pg_rows_get(rows, row, col));
}

/* Cuts the next piece off *rest. */
static Str
cut(Str *rest, char end)
{
	const char *p = memchr(rest->data, end, rest->len);
	Str			piece = {rest->data, p ? (size_t) (p - rest->data) : rest->len};
	size_t		used = piece.len + (p != NULL);

	rest->data += used;
	rest->len -= used;
	return piece;
}

static int
count_items(Str list)
{
	int			n = list.len > 0;

	for (size_t i = 0; i < list.len; i++)
		n += list.data[i] == ITEM_END;
	return n;
}

static Str *
read_list(RouteTable *t, Str list, int *n)
{
	Str		   *items;

	*n = count_items(list);
	items = arena_alloc(&t->arena, sizeof(Str) * (size_t) (*n + 1));
	for (int i = 0; i < *n; i++)
		items[i] = cut(&list, ITEM_END);
	return items;
}

static bool
read_params(RouteTable *t, Route *r, Str list)
{
	static const char *const places[] = {"path", "query", "body", NULL};

	r->n_params = count_items(list);
	r->params = arena_alloc(&t->arena, sizeof(RouteParam) * (size_t) (r->n_params + 1));
	for (int i = 0; i < r->n_params; i++)
	{
		Str			item = cut(&list, ITEM_END);
		RouteParam *p = &r->params[i];
		int			place;

		p->name = cut(&item, FIELD_END);
		place = word(cut(&item, FIELD_END), places);
		p->type = cut(&item, FIELD_END);
		p->required = cut(&item, FIELD_END).data[0] == 't';
		p->fallback = (Str) {NULL, 0};

		/* Empty text is a default too: a separator stands before it. */
		if (item.data[-1] == FIELD_END)
			p->fallback = item;
		if (place < 0)
			return false;
		p->place = (ParamPlace) place;
	}
	return true;
}

static bool
is_true(const PgRows *rows, int row, int col)
{
	return !pg_rows_is_null(rows, row, col) && pg_rows_get(rows, row, col).data[0] == 't';
}

/* Is the named placeholder bound to an id, which has its own grammar? */
static bool
is_id(const Route *r, Str name)
{
	for (int i = 0; i < r->n_params; i++)
	{
		const RouteParam *p = &r->params[i];

		if (p->place == PARAM_PATH && p->name.len == name.len
			&& memcmp(p->name.data, name.data, name.len) == 0)
			return p->type.len == 6 && memcmp(p->type.data, "bigint", 6) == 0;
	}
	return false;
}

/* Hangs a route into the tree; false when the place is taken or too deep. */
static bool
plant(RouteTable *t, Route *r)
{
	Node	   *node = &t->root;
	Str			rest = {r->path.data + 1, r->path.len - 1};
	int			n_values = 0;

	for (;;)
	{
		bool		last = memchr(rest.data, '/', rest.len) == NULL;
		Str			segment = cut(&rest, '/');
		Node	  **link = &node->literals;

		if (segment.len >= 2 && segment.data[0] == '{')
		{
			Str			name = {segment.data + 1, segment.len - 2};

			if (n_values == ROUTE_MAX_PATH_PARAMS)
				return false;
			r->id_param[n_values++] = is_id(r, name);
			link = &node->placeholder;
		}
		else
		{
			while (*link != NULL && ((*link)->segment.len != segment.len
									 || memcmp((*link)->segment.data, segment.data, segment.len) != 0))
				link = &(*link)->next;
		}
		if (*link == NULL)
		{
			*link = arena_alloc(&t->arena, sizeof(Node));
			memset(*link, 0, sizeof(Node));
			(*link)->segment = segment;
		}
		node = *link;
		if (last)
			break;
	}
	if (node->routes[r->method] != NULL)
		return false;
	node->routes[r->method] = r;
	return true;
}

static bool
read_route(RouteTable *t, const PgRows *rows, int row, Route *r)
{
	static const char *const lanes[] = {"read", "hot", "write", "slow", "stream", NULL};
	static const char *const costs[] = {"wait", "cpu", "hash", NULL};
	static const char *const rates[] = {"api", "exam", "login", "none", NULL};
	Str			id = pg_rows_get(rows, row, COL_ID);
	int			lane = word(pg_rows_get(rows, row, COL_LANE), lanes);
	int			cost = word(pg_rows_get(rows, row, COL_COST), costs);
	int			rate = word(pg_rows_get(rows, row, COL_RATE), rates);
	Str			list;

	memset(r, 0, sizeof(*r));
	r->method = method_parse(pg_rows_get(rows, row, COL_METHOD).data);
	r->path = keep_column(t, rows, row, COL_PATH);
	if (id.len >= sizeof(r->id_text) || lane < 0 || cost < 0 || rate < 0
		|| r->method >= METHODS || r->path.len == 0 || r->path.data[0] != '/')
		return false;
	memcpy(r->id_text, id.data, id.len + 1);
	r->id = atoi(id.data);
	r->lane = (PgLane) lane;
	r->cost = (PgCost) cost;
	r->rate = (RouteRate) rate;
	r->writes = strcmp(pg_rows_get(rows, row, COL_ACCESS).data, "read") != 0;
	r->batch = r->lane == PG_LANE_HOT;

	/* What only reads needs neither a commit nor a lane of its own for that. */
	if (r->batch && !r->writes)
		r->lane = PG_LANE_READ;
	r->anonymous = is_true(rows, row, COL_ANONYMOUS);
	r->attempt = strcmp(pg_rows_get(rows, row, COL_AUTH).data, "attempt") == 0;
	r->is_public = is_true(rows, row, COL_PUBLIC);
	r->idempotent = is_true(rows, row, COL_IDEMPOTENT);
	r->replica = is_true(rows, row, COL_REPLICA);
	r->max_body = atoll(pg_rows_get(rows, row, COL_MAX_BODY).data);
	r->content_type = keep_column(t, rows, row, COL_CONTENT_TYPE);
	r->produces = keep_column(t, rows, row, COL_PRODUCES);
	r->metric = metrics_route(method_name(r->method), r->path);
	r->cache_key = keep_column(t, rows, row, COL_CACHE_KEY);
	r->cache_ttl = atoi(pg_rows_get(rows, row, COL_CACHE_TTL).data);
	list = keep(t, pg_rows_get(rows, row, COL_CACHE_QUERY));
	r->cache_query = read_list(t, list, &r->n_cache_query);
	list = keep(t, pg_rows_get(rows, row, COL_CACHE_TAGS));
	r->cache_tags = read_list(t, list, &r->n_cache_tags);
	return read_params(t, r, keep(t, pg_rows_get(rows, row, COL_PARAMS)));
}

RouteTable *
route_table_new(PgRows *rows)
{
	RouteTable *t = mem_alloc(sizeof(RouteTable));

	t->refs = 1;
	arena_init(&t->arena, t->first, sizeof(t->first));
	t->n = pg_rows_count(rows);
	t->routes = mem_alloc(sizeof(Route) * (size_t) (t->n + 1));
	for (int i = 0; i < t->n; i++)
	{
		if (!read_route(t, rows, i, &t->routes[i]) || !plant(t, &t->routes[i]))
		{
			log_error("route %s makes no sense", pg_rows_get(rows, i, COL_ID).data);
			route_table_release(t);
			return NULL;
		}
	}
	return t;
}

RouteTable *
route_table_keep(RouteTable *t)
{
	t->refs++;
	return t;
}

void
route_table_release(RouteTable *t)
{
	if (t == NULL || --t->refs > 0)
		return;
	arena_reset(&t->arena);
	free(t->routes);
	free(t);
}

int
route_table_count(const RouteTable *t)
{
	return t->n;
}

/* ---- matching ---- */

/* One spelling for each id, or keys could be made that no change names. */
static bool
id_is_canonical(Str s)
{
	if (s.len < 1 || s.len > 19 || s.data[0] < '1' || s.data[0] > '9')
		return false;
	for (size_t i = 1; i < s.len; i++)
	{
		if (s.data[i] < '0' || s.data[i] > '9')
			return false;
	}
	return s.len < 19 || memcmp(s.data, "9223372036854775807", 19) <= 0;
}

static bool
values_fit(const Route *r, const RouteMatch *m, int n_values)
{
	for (int i = 0; i < n_values; i++)
	{
		if (r->id_param[i] && !id_is_canonical(m->values[i]))
			return false;
	}
	return true;
}

static bool
match(const Node *node, Method method, const Str *segments, int n,
	  int n_values, RouteMatch *m)
{
	if (n == 0)
	{
		for (int i = 0; i < METHODS; i++)
		{
			if (node->routes[i] == NULL || !values_fit(node->routes[i], m, n_values))
				continue;
			m->allowed |= 1u << i;
			if (i == (int) method)
			{
				m->route = node->routes[i];
				m->n_values = n_values;
			}
		}
		return m->route != NULL;
	}
	for (const Node *child = node->literals; child != NULL; child = child->next)
	{
		if (child->segment.len == segments->len
			&& memcmp(child->segment.data, segments->data, segments->len) == 0)
		{
			if (match(child, method, segments + 1, n - 1, n_values, m))
				return true;
			break;
		}
	}
	if (node->placeholder == NULL || segments->len == 0
		|| n_values == ROUTE_MAX_PATH_PARAMS)
		return false;
	m->values[n_values] = *segments;
	return match(node->placeholder, method, segments + 1, n - 1, n_values + 1, m);
}

void
route_match(const RouteTable *t, Method method, const Str *segments, int n,
			RouteMatch *m)
{
	m->route = NULL;
	m->allowed = 0;
	m->n_values = 0;
	(void) match(&t->root, method == METHOD_HEAD ? METHOD_GET : method,
				 segments, n, 0, m);
}
