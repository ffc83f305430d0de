/*
 * cache.c
 *		Answers kept in Redis.
 *
 * A value lies at the plain key of its route.  It depends on generations:
 * random words at sc:gen:<name>, one for its own key, one for each tag of the
 * route, one for everything ("*").  An invalidation (deliver.c) writes a new
 * word and deletes the value and its lease.
 *
 * read		The value and its generations come in one MGET.  It is a hit only if
 *			the words written in the value are the ones that came along, its
 *			epoch is the current one, and the epoch is trusted now (epoch.c).
 * miss		One reader gets the lease, and with it the words as they are, made
 *			up where there are none.  Only then is the database asked.
 * fill		The value is taken only if the lease is still ours and no word
 *			has changed: whatever was written since the miss either changed a
 *			word, and voids this fill, or was committed before we read.
 *
 * A lost word (evicted, expired) never comes back, so what depends on it is
 * lost too, which is safe.  Words live longer than values.
 *
 * One loop asks for the lease of a key once: others who miss meanwhile wait
 * in a flight, for a while, and look again when it ends.  They never take the
 * leader's answer, which may have been read before they came.
 */
#include "shim/cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"
#include "shim/scripts.h"

#define MAX_TAGS		6
#define MAX_WORDS		(MAX_TAGS + 2)
#define MAX_KEY			512
#define MAX_PARAM		128
#define MAX_VALUE		((size_t) 512 << 10)
#define MAX_WAITERS		256
#define MAX_LOOKS		4
#define LEASE_MS		"3000"
#define FLIGHT_MS		3000	/* a leader silent for longer has lost it */
#define WAIT_MS			200		/* for a flight */
#define LOOK_MS			25		/* between looks while another process fills */
#define VALUE_MARK		"SC1"

typedef struct Entry Entry;

/* Somebody in this loop is filling a key. */
typedef struct Flight
{
	struct Flight *next;
	char	   *key;
	size_t		len;
	uint64_t	hash;
	const void *leader;			/* an Entry, then a Fill: compared, not
								 * followed */
	int64_t		started_ms;
	Entry	   *waiters;
	int			n_waiters;
} Flight;

/* What a request has to do with the cache; in its arena. */
struct Entry
{
	Gate	   *gate;
	Request    *request;
	Str			names[MAX_WORDS + 2];	/* value, words, and lease behind them */
	int			n_words;
	char		words[MAX_WORDS][17];
	int64_t		epoch;			/* as trusted when it was missed */
	char		token[17];		/* of the lease; "" without */
	bool		found;			/* the answer is filled in from a value */
	bool		leads;			/* the flight is ours */
	int			looks;
	RedisCmd	cmd;
	LoopTimer	timer;
	Entry	   *next;			/* in the flight's waiters */
	Entry	  **link;
};

/* A fill on its way; the request may be gone. */
typedef struct Fill
{
	RedisCmd	cmd;
	Gate	   *gate;
	size_t		len;
	char		key[];
} Fill;

static void look_again(Entry *e);

/* ---- keys ---- */

void
cache_random(Gate *g, char out[17])
{
	uint64_t	a = g->random[0];
	uint64_t	b = g->random[1];

	/* xorshift128+ from a seed of the kernel's */
	g->random[0] = b;
	a ^= a << 23;
	g->random[1] = a ^ b ^ (a >> 18) ^ (b >> 5);
	snprintf(out, 17, "%016llx", (unsigned long long) (g->random[1] + b));
}

static bool
str_is(Str a, Str b)
{
	return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

static bool
is_integer(Str v)
{
	size_t		i = v.len > 0 && v.data[0] == '-';

	if (v.len == i || v.len > 20 || (v.data[i] == '0' && v.len > 1))
		return false;
	for (; i < v.len; i++)
	{
		if (v.data[i] < '0' || v.data[i] > '9')
			return false;
	}
	return true;
}

/*
 * Writes a parameter into a key; false if the same value could be written
 * otherwise, so that no two keys stand for one answer.
 */
static bool
put_value(Buf *b, Str type, Str v)
{
	if (str_is(type, STR("bigint")) || str_is(type, STR("integer")) || str_is(type, STR("smallint")))
	{
		if (!is_integer(v))
			return false;
	}
	else if (str_is(type, STR("boolean")))
	{
		if (!str_is(v, STR("true")) && !str_is(v, STR("false")))
			return false;
	}
	else if (v.len > MAX_PARAM)
		return false;
	for (size_t i = 0; i < v.len; i++)
	{
		unsigned char c = (unsigned char) v.data[i];

		if (c <= ' ' || c == ':' || c == '=' || c == '*' || c == '%' || c == 127)
			buf_printf(b, "%%%02X", c);
		else
			buf_putc(b, (char) c);
	}
	return true;
}

/* Which placeholder of the path is this?  -1: none. */
static int
path_place(const Route *route, Str name)
{
	int			n = 0;

	for (const char *p = route->path.data, *end = p + route->path.len; p < end; p++)
	{
		if (*p != '{')
			continue;
		if ((size_t) (end - p) > name.len + 1 && memcmp(p + 1, name.data, name.len) == 0
			&& p[name.len + 1] == '}')
			return n;
		n++;
	}
	return -1;
}

static const RouteParam *
find_param(const Route *route, Str name)
{
	for (int i = 0; i < route->n_params; i++)
	{
		if (str_is(route->params[i].name, name))
			return &route->params[i];
	}
	return NULL;
}

/* The value of a query parameter, its default, or data NULL. */
static Str
query_value(const Request *r, const RouteParam *p)
{
	for (int i = 0; i < r->n_query_params; i++)
	{
		if (str_is(r->query_params[i].name, p->name))
			return r->query_params[i].value;
	}
	return p->fallback;
}

/* Every parameter is known and comes once; so each can be part of the key. */
static bool
query_is_plain(const Request *r)
{
	if (r->n_query_params < 0)
		return false;
	for (int i = 0; i < r->n_query_params; i++)
	{
		const RouteParam *p = find_param(r->route, r->query_params[i].name);

		if (p == NULL || p->place != PARAM_QUERY)
			return false;
		for (int j = 0; j < i; j++)
		{
			if (str_is(r->query_params[i].name, r->query_params[j].name))
				return false;
		}
	}
	return true;
}

/* Fills the braces of a key or tag. */
static bool
put_template(Buf *b, const Request *r, Str template)
{
	const char *p = template.data;
	const char *end = p + template.len;

	while (p < end)
	{
		const char *close;
		Str			name;
		const RouteParam *param;
		int			place;

		if (*p != '{')
		{
			buf_putc(b, *p++);
			continue;
		}
		close = memchr(p, '}', (size_t) (end - p));
		if (close == NULL)
			return false;
		name = (Str) {p + 1, (size_t) (close - p) - 1};
		p = close + 1;
		if (str_is(name, STR("actor")))
		{
			if (r->who.actor == 0)
				return false;
			buf_puts(b, r->who.actor_text);
			continue;
		}
		param = find_param(r->route, name);
		place = path_place(r->route, name);
		if (place >= 0 && place < r->n_path_values)
		{
			if (!put_value(b, param ? param->type : STR("text"), r->path_values[place]))
				return false;
		}
		else
		{
			Str			v = param != NULL ? query_value(r, param) : (Str) {NULL, 0};

			if (v.data == NULL || !put_value(b, param->type, v))
				return false;
		}
	}
	return true;
}

static bool
in_template(Str template, Str name)
{
	for (size_t i = 0; i + name.len + 1 < template.len; i++)
	{
		if (template.data[i] == '{' && template.data[i + name.len + 1] == '}'
			&& memcmp(template.data + i + 1, name.data, name.len) == 0)
			return true;
	}
	return false;
}

static bool
in_list(const Route *route, Str name)
{
	for (int i = 0; i < route->n_cache_query; i++)
	{
		if (str_is(route->cache_query[i], name))
			return true;
	}
	return route->n_cache_query == 0;
}

static int
compare(Str a, Str b)
{
	int			c = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);

	return c != 0 ? c : (a.len > b.len) - (a.len < b.len);
}

/* What the query says beyond the defaults, in the order of the names. */
static bool
put_query(Buf *b, const Request *r)
{
	const Route *route = r->route;
	const QueryParam *last = NULL;

	for (;;)
	{
		const QueryParam *next = NULL;
		const RouteParam *param;

		for (int i = 0; i < r->n_query_params; i++)
		{
			const QueryParam *q = &r->query_params[i];

			if ((last == NULL || compare(q->name, last->name) > 0)
				&& (next == NULL || compare(q->name, next->name) < 0))
				next = q;
		}
		if (next == NULL)
			return true;
		last = next;
		param = find_param(route, next->name);
		if (in_template(route->cache_key, next->name) || !in_list(route, next->name)
			|| (param->fallback.data != NULL && str_is(param->fallback, next->value)))
			continue;
		buf_putc(b, ':');
		buf_put(b, next->name.data, next->name.len);
		buf_putc(b, '=');
		if (!put_value(b, param->type, next->value))
			return false;
	}
}

/* Keeps prefix + what is in the scratch buffer as the entry's nth name. */
static Str
keep_name(Entry *e, const char *prefix, Str name)
{
	size_t		len = strlen(prefix);
	char	   *s = arena_alloc(&e->request->arena, len + name.len + 1);

	memcpy(s, prefix, len);
	memcpy(s + len, name.data, name.len);
	s[len + name.len] = '\0';
	return (Str) {s, len + name.len};
}

bool
cache_prepare(Gate *g, Request *r)
{
	const Route *route = r->route;
	Buf		   *b = &g->scratch;
	Entry	   *e;
	Str			key;

	buf_clear(b);
	if (route->n_cache_tags > MAX_TAGS || !query_is_plain(r)
		|| !put_template(b, r, route->cache_key) || !put_query(b, r)
		|| b->len > MAX_KEY)
		return false;
	e = arena_alloc(&r->arena, sizeof(Entry));
	memset(e, 0, sizeof(*e));
	e->gate = g;
	e->request = r;
	key = (Str) {b->data, b->len};
	e->names[0] = keep_name(e, "", key);
	e->names[1] = keep_name(e, GENERATION_PREFIX, key);
	e->names[2] = STR(GENERATION_PREFIX "*");
	e->n_words = 2;
	for (int i = 0; i < route->n_cache_tags; i++)
	{
		buf_clear(b);
		if (!put_template(b, r, route->cache_tags[i]))
			return false;
		e->names[1 + e->n_words++] = keep_name(e, GENERATION_PREFIX, (Str) {b->data, b->len});
	}
	e->names[1 + e->n_words] = keep_name(e, LEASE_PREFIX, e->names[0]);
	r->cache_data = e;
	return true;
}

/* ---- values ---- */

/*
 * SC1 <epoch> <etag or -> <bytes of headers> <words>, a newline, headers,
 * body.  The words are cut by blanks.
 */
static void
write_value(Buf *b, const Entry *e, const Answer *a)
{
	buf_clear(b);
	buf_printf(b, VALUE_MARK " %lld %s %zu", (long long) e->epoch,
			   a->etag[0] != '\0' ? a->etag : "-", a->headers.len);
	for (int i = 0; i < e->n_words; i++)
	{
		buf_putc(b, ' ');
		buf_puts(b, e->words[i]);
	}
	buf_putc(b, '\n');
	buf_put(b, a->headers.data, a->headers.len);
	buf_put(b, a->body.data, a->body.len);
}

/* The next word of the head, NUL-terminated in `word`; false at the end. */
static bool
next_word(const char **p, const char *end, char *word, size_t size)
{
	size_t		n = 0;

	while (*p < end && **p != ' ')
	{
		if (n + 1 >= size)
			return false;
		word[n++] = *(*p)++;
	}
	word[n] = '\0';
	if (*p < end)
		(*p)++;
	return n > 0;
}

/* Fills the answer from a value whose words are those that came along. */
static bool
read_value(Entry *e, Str v, const RedisReply *reply)
{
	Request    *r = e->request;
	Answer	   *a = &r->answer;
	const char *p = v.data;
	const char *head_end = memchr(v.data, '\n', v.len);
	char		mark[8];
	char		epoch[24];
	char		etag[40];
	char		headers[24];
	char		word[24];
	size_t		rest;

	if (head_end == NULL || !next_word(&p, head_end, mark, sizeof(mark))
		|| strcmp(mark, VALUE_MARK) != 0
		|| !next_word(&p, head_end, epoch, sizeof(epoch))
		|| !next_word(&p, head_end, etag, sizeof(etag))
		|| !next_word(&p, head_end, headers, sizeof(headers)))
		return false;
	for (int i = 0; i < e->n_words; i++)
	{
		Str			now = redis_text(redis_at(reply, i + 1));

		if (!next_word(&p, head_end, word, sizeof(word))
			|| !str_is((Str) {word, strlen(word)}, now))
			return false;
	}
	if (p != head_end)
		return false;
	rest = v.len - (size_t) (head_end + 1 - v.data);
	a->headers.len = (size_t) strtoull(headers, NULL, 10);
	if (a->headers.len > rest || strlen(etag) >= sizeof(a->etag))
		return false;
	a->headers.data = arena_copy(&r->arena, head_end + 1, a->headers.len);
	a->body.len = rest - a->headers.len;
	a->body.data = arena_copy(&r->arena, head_end + 1 + a->headers.len, a->body.len);
	strcpy(a->etag, strcmp(etag, "-") == 0 ? "" : etag);
	a->status = 200;
	e->epoch = atoll(epoch);
	return true;
}

bool
cache_ask(Gate *g, Request *r, RedisCmd *cmd)
{
	Entry	   *e = r->cache_data;
	Str			argv[MAX_WORDS + 2];

	argv[0] = STR("MGET");
	memcpy(argv + 1, e->names, sizeof(Str) * (size_t) (e->n_words + 1));
	return redis_send(g->cache, g->cache_db, cmd, e->n_words + 2, argv);
}

void
cache_take(Gate *g, Request *r, const RedisReply *reply)
{
	Entry	   *e = r->cache_data;

	(void) g;
	e->found = redis_count(reply) == e->n_words + 1 && redis_is_text(redis_at(reply, 0))
		&& read_value(e, redis_text(redis_at(reply, 0)), reply);
}

bool
cache_serve(Gate *g, Request *r)
{
	Entry	   *e = r->cache_data;

	if (!e->found || e->epoch != epoch_trusted(g->epoch, g->server_id) || e->epoch == 0)
	{
		r->answer = (Answer) {0};
		return false;
	}
	r->verdict = GATE_HIT;
	r->cache = CACHE_HIT;
	g->stats.hits++;
	return true;
}

/* ---- flights ---- */

static uint64_t
hash_of(Str key)
{
	uint64_t	h = 14695981039346656037u;

	for (size_t i = 0; i < key.len; i++)
		h = (h ^ (unsigned char) key.data[i]) * 1099511628211u;
	return h ^ (h >> 29);
}

static Flight **
find_flight(Gate *g, Str key, uint64_t hash)
{
	Flight	  **f = &g->flights[hash % 256];

	while (*f != NULL && ((*f)->hash != hash || !str_is((Str) {(*f)->key, (*f)->len}, key)))
		f = &(*f)->next;
	return f;
}

static void
leave_flight(Entry *e)
{
	*e->link = e->next;
	if (e->next != NULL)
		e->next->link = e->link;
	e->link = NULL;
}

/* Whoever waited looks again. */
static void
end_flight(Gate *g, const void *leader, Str key)
{
	Flight	  **link = find_flight(g, key, hash_of(key));
	Flight	   *f = *link;
	Entry	   *waiters;

	if (f == NULL || f->leader != leader)
		return;
	*link = f->next;
	waiters = f->waiters;
	free(f->key);
	free(f);
	for (Entry *e = waiters; e != NULL; e = e->next)
		e->link = NULL;
	while (waiters != NULL)
	{
		Entry	   *e = waiters;

		waiters = e->next;
		look_again(e);
	}
}

/* ---- the way of a miss ---- */

static void
give_back_done(RedisCmd *cmd, const RedisReply *reply)
{
	(void) reply;
	free(cmd);
}

static void
give_back(Entry *e)
{
	Gate	   *g = e->gate;
	RedisCmd   *cmd;
	Str			argv[] = {e->names[1 + e->n_words], {e->token, strlen(e->token)}};

	if (e->token[0] == '\0')
		return;
	cmd = mem_alloc(sizeof(RedisCmd));
	cmd->done = give_back_done;
	if (!redis_eval(g->cache, g->cache_db, cmd, SCRIPT_RELEASE, 1, 2, argv))
		free(cmd);				/* it ends by itself */
	e->token[0] = '\0';
}

/* The request goes on; with a lease if there is a token. */
static void
let_go(Entry *e, CacheStatus status)
{
	Gate	   *g = e->gate;
	Request    *r = e->request;

	loop_timer_clear(g->server->loop, &e->timer);
	r->verdict = GATE_GO;
	r->cache = status;
	if (status == CACHE_BYPASS)
		g->stats.bypasses++;
	else
		g->stats.misses++;
	if (e->token[0] == '\0' || request_is_over(r))
		cache_release(r);
	request_gated(r);
	request_release(r);
}

static void
serve_found(Entry *e)
{
	loop_timer_clear(e->gate->server->loop, &e->timer);
	if (e->leads)
	{
		e->leads = false;
		end_flight(e->gate, e, e->names[0]);
	}
	request_gated(e->request);
	request_release(e->request);
}

static void
on_lease(RedisCmd *cmd, const RedisReply *reply)
{
	Entry	   *e = cmd->data;

	if (reply == NULL || redis_count(reply) != e->n_words + 1)
	{
		e->token[0] = '\0';
		let_go(e, CACHE_MISS);
		return;
	}
	if (redis_int(redis_at(reply, 0)) == 1)
	{
		for (int i = 0; i < e->n_words; i++)
			snprintf(e->words[i], sizeof(e->words[i]), "%.16s",
					 redis_text(redis_at(reply, i + 1)).data);
		let_go(e, CACHE_MISS);
		return;
	}
	e->token[0] = '\0';
	if (++e->looks >= MAX_LOOKS || request_is_over(e->request))
		let_go(e, CACHE_MISS);
	else
		loop_timer_set(e->gate->server->loop, &e->timer, LOOK_MS);
}

/* The flight is ours: get the lease. */
static void
ask_lease(Entry *e)
{
	Gate	   *g = e->gate;
	Str			argv[MAX_WORDS + 5];
	char		word[17];
	int			n = 0;

	e->epoch = epoch_trusted(g->epoch, g->server_id);
	cache_random(g, e->token);
	cache_random(g, word);
	argv[n++] = e->names[1 + e->n_words];
	for (int i = 0; i < e->n_words; i++)
		argv[n++] = e->names[1 + i];
	argv[n++] = (Str) {e->token, 16};
	argv[n++] = STR(LEASE_MS);
	argv[n++] = STR(GENERATION_MS);
	argv[n++] = (Str) {word, 16};
	e->cmd.done = on_lease;
	e->cmd.data = e;
	if (e->epoch == 0
		|| !redis_eval(g->cache, g->cache_db, &e->cmd, SCRIPT_LEASE, e->n_words + 1, n, argv))
	{
		e->token[0] = '\0';
		let_go(e, e->epoch == 0 ? CACHE_BYPASS : CACHE_MISS);
	}
}

static void
on_looked(RedisCmd *cmd, const RedisReply *reply)
{
	Entry	   *e = cmd->data;

	if (reply != NULL)
		cache_take(e->gate, e->request, reply);
	if (reply != NULL && cache_serve(e->gate, e->request))
		serve_found(e);
	else if (e->leads)
		ask_lease(e);
	else
		cache_miss(e->gate, e->request);
}

static void
look_again(Entry *e)
{
	loop_timer_clear(e->gate->server->loop, &e->timer);
	e->looks++;
	e->cmd.done = on_looked;
	e->cmd.data = e;
	if (request_is_over(e->request) || !cache_ask(e->gate, e->request, &e->cmd))
		let_go(e, CACHE_MISS);
}

/* Waited long enough: for a flight, or for another process. */
static void
on_waited(LoopTimer *timer)
{
	Entry	   *e = timer->data;

	if (e->leads)
	{
		look_again(e);
		return;
	}
	leave_flight(e);
	let_go(e, CACHE_MISS);
}

void
cache_miss(Gate *g, Request *r)
{
	Entry	   *e = r->cache_data;
	uint64_t	hash = hash_of(e->names[0]);
	Flight	  **link = find_flight(g, e->names[0], hash);
	Flight	   *f = *link;
	int64_t		now = loop_now_ms(g->server->loop);

	loop_timer_init(&e->timer, on_waited, e);
	if (f != NULL && now - f->started_ms < FLIGHT_MS)
	{
		if (f->n_waiters >= MAX_WAITERS || e->looks >= MAX_LOOKS)
		{
			let_go(e, CACHE_MISS);
			return;
		}
		f->n_waiters++;
		e->next = f->waiters;
		if (e->next != NULL)
			e->next->link = &e->next;
		e->link = &f->waiters;
		f->waiters = e;
		g->stats.joined++;
		loop_timer_set(g->server->loop, &e->timer, WAIT_MS);
		return;
	}
	if (f == NULL)
	{
		f = mem_alloc(sizeof(Flight));
		f->key = mem_strdup(e->names[0].data);
		f->len = e->names[0].len;
		f->hash = hash;
		*link = f;
	}
	f->leader = e;
	f->started_ms = now;
	e->leads = true;
	ask_lease(e);
}

/* ---- fills ---- */

static void
on_filled(RedisCmd *cmd, const RedisReply *reply)
{
	Fill	   *fill = cmd->data;
	Gate	   *g = fill->gate;

	if (reply != NULL && redis_int(reply) == 1)
		g->stats.fills++;
	else
		g->stats.fills_void++;
	end_flight(g, fill, (Str) {fill->key, fill->len});
	free(fill);
}

void
cache_fill(Request *r)
{
	Entry	   *e = r->cache_data;
	Gate	   *g = r->server->gate;
	int64_t		ttl_s = r->route->cache_ttl < VALUE_MAX_S ? r->route->cache_ttl : VALUE_MAX_S;
	char		ttl[24];
	Str			argv[2 * MAX_WORDS + 6];
	int			n = 0;
	Flight	   *f;
	Fill	   *fill;

	if (e == NULL || e->token[0] == '\0' || ttl_s <= 0
		|| r->answer.headers.len + r->answer.body.len > MAX_VALUE)
	{
		cache_release(r);
		return;
	}
	write_value(&g->scratch, e, &r->answer);
	snprintf(ttl, sizeof(ttl), "%lld",
			 (long long) ttl_s * (900 + loop_random(g->server->loop, 201)));
	argv[n++] = e->names[0];
	argv[n++] = e->names[1 + e->n_words];
	for (int i = 0; i < e->n_words; i++)
		argv[n++] = e->names[1 + i];
	argv[n++] = (Str) {e->token, 16};
	argv[n++] = (Str) {g->scratch.data, g->scratch.len};
	argv[n++] = (Str) {ttl, strlen(ttl)};
	argv[n++] = STR(GENERATION_MS);
	for (int i = 0; i < e->n_words; i++)
		argv[n++] = (Str) {e->words[i], strlen(e->words[i])};

	fill = mem_alloc(sizeof(Fill) + e->names[0].len + 1);
	fill->gate = g;
	fill->len = e->names[0].len;
	memcpy(fill->key, e->names[0].data, fill->len);
	fill->cmd.done = on_filled;
	fill->cmd.data = fill;
	if (g->scratch.failed
		|| !redis_eval(g->cache, g->cache_db, &fill->cmd, SCRIPT_FILL, e->n_words + 2, n, argv))
	{
		free(fill);
		cache_release(r);
		return;
	}
	f = *find_flight(g, e->names[0], hash_of(e->names[0]));
	if (f != NULL && f->leader == e)
		f->leader = fill;
	e->leads = false;
	e->token[0] = '\0';
}

void
cache_release(Request *r)
{
	Entry	   *e = r->cache_data;

	if (e == NULL)
		return;
	give_back(e);
	if (e->leads)
	{
		e->leads = false;
		end_flight(e->gate, e, e->names[0]);
	}
}
