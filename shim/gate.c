/*
 * gate.c
 *		What Redis is asked before the database is: limits, revocation, cache.
 *
 * All of it is sent in one turn and comes back in one, so that a request
 * waits for one round trip.  What is not known (Redis away, late, or it never
 * heard of the session) is no obstacle: limits are kept here, approximately,
 * and the cache is passed by, since dispatch() checks the session itself.
 *
 * Nobody who was logged out is let in: a cached answer is given only to a
 * token that is not on the blacklist, of a user whose entry
 * session:user:<id>:active says, in this epoch, that tokens of that age are
 * good.  Entries are `<moment>@<epoch>`: tokens issued at or before the moment
 * (ms) are void.
 */
#include "shim/gate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "daemon/arena.h"
#include "daemon/log.h"
#include "shim/cache.h"
#include "shim/request.h"
#include "shim/scripts.h"

#define SCRATCH_MAX ((size_t) 1 << 20)

#define DRAWS_MAX 64			/* in one command */

/* A token for a request, or a look whether there is one. */
typedef struct Draw
{
	struct Ask *ask;
	const Bucket *bucket;		/* NULL: nothing was asked */
	char		key[RATE_KEY];
	int			key_len;
	int64_t		left;			/* tokens, or minus ms to wait */
} Draw;

/*
 * What one command asks: draws of a turn from buckets of one kind.  Redis
 * spends more on running a script than on a bucket in it.
 */
typedef struct Draws
{
	struct Draws *next;
	Gate	   *gate;
	const Bucket *bucket;
	bool		take;
	int			n;
	Draw	   *draws[DRAWS_MAX];
	RedisCmd	cmd;
} Draws;

/* What was asked about a request; in its arena. */
typedef struct Ask
{
	Request    *request;
	int			pending;
	Draw		limit;
	Draw		login;			/* failures of this address, for log-ins */
	bool		revoked;
	bool		cached;			/* the route is, and has a key */
	RedisCmd	session_cmd;
	RedisCmd	cache_cmd;
} Ask;

static void answered(Ask *ask);

/* ---- limits ---- */

static const Bucket *
bucket_of(Gate *g, const Request *r)
{
	struct in6_addr address;

	if (r->who.actor != 0)
		return &g->limiter.buckets[r->route->rate == RATE_EXAM ? BUCKET_EXAM : BUCKET_API];
	if (net_address(r->ip, &address) && nets_contain(&g->server->process->schools, &address))
		return &g->limiter.school_ip;
	return &g->limiter.buckets[BUCKET_IP];
}

static const Bucket *
login_bucket(Gate *g, const Bucket *by_address)
{
	return by_address == &g->limiter.school_ip ? &g->limiter.school_login
		: &g->limiter.buckets[BUCKET_LOGIN];
}

static bool
eval_buckets(Gate *g, RedisCmd *cmd, const Bucket *b, bool take, Draw *const *draws, int n)
{
	Str			argv[DRAWS_MAX + 4];

	for (int i = 0; i < n; i++)
		argv[i] = (Str) {draws[i]->key, (size_t) draws[i]->key_len};
	for (int i = 0; i < 3; i++)
		argv[n + i] = (Str) {b->args[i], strlen(b->args[i])};
	argv[n + 3] = take ? STR("1") : STR("0");
	return redis_eval(g->limit, g->limit_db, cmd, SCRIPT_BUCKET, n, n + 4, argv);
}

static int64_t
draw_here(Gate *g, const Draw *d, bool take)
{
	g->stats.limited_locally++;
	return limiter_take(&g->limiter, d->bucket, d->key, (size_t) d->key_len,
						loop_now_us(g->server->loop), take);
}

/* Redis has answered, or will not: tell those who wait. */
static void
drawn(Draws *all, const RedisReply *reply)
{
	Gate	   *g = all->gate;

	if (reply != NULL && redis_count(reply) != all->n)
		reply = NULL;
	for (int i = 0; i < all->n; i++)
		all->draws[i]->left = reply != NULL ? redis_int(redis_at(reply, i))
			: draw_here(g, all->draws[i], all->take);
	for (int i = 0; i < all->n; i++)
		answered(all->draws[i]->ask);
	all->next = g->free_draws;
	g->free_draws = all;
}

static void
on_drawn(RedisCmd *cmd, const RedisReply *reply)
{
	drawn(cmd->data, reply);
}

/* The end of a turn: ask what was gathered. */
static int
send_draws(LoopChore *chore)
{
	Gate	   *g = chore->data;
	Draws	   *all;
	int			sleep_ms = -1;

	while ((all = g->draws) != NULL)
	{
		g->draws = all->next;
		if (g->limit == NULL
			|| !eval_buckets(g, &all->cmd, all->bucket, all->take, all->draws, all->n))
		{
			/* What goes on now may have missed its own chore of this turn. */
			drawn(all, NULL);
			sleep_ms = 0;
		}
	}
	return sleep_ms;
}

/* Asks at the end of this turn; at once, here, if Redis is away. */
static void
draw(Gate *g, Ask *ask, Draw *d, bool take)
{
	Draws	   *all = g->draws;

	if (g->limit == NULL || !redis_is_up(g->limit))
	{
		d->left = draw_here(g, d, take);
		return;
	}
	while (all != NULL && (all->bucket != d->bucket || all->take != take || all->n == DRAWS_MAX))
		all = all->next;
	if (all == NULL)
	{
		all = g->free_draws;
		if (all != NULL)
			g->free_draws = all->next;
		else
			all = mem_alloc(sizeof(Draws));
		all->gate = g;
		all->bucket = d->bucket;
		all->take = take;
		all->n = 0;
		all->cmd.done = on_drawn;
		all->cmd.data = all;
		all->next = g->draws;
		g->draws = all;
	}
	d->ask = ask;
	all->draws[all->n++] = d;
	ask->pending++;
}

/* ---- the verdict ---- */

static void
conclude(Ask *ask)
{
	Request    *r = ask->request;
	Gate	   *g = r->server->gate;
	int64_t		wait_ms = 0;

	if (ask->limit.bucket != NULL)
	{
		r->rate_policy = ask->limit.bucket->policy;
		limiter_state(r->rate, ask->limit.bucket, ask->limit.left);
		if (ask->limit.left < 0)
			wait_ms = -ask->limit.left;
	}
	if (ask->login.bucket != NULL && ask->login.left < 0 && -ask->login.left > wait_ms)
		wait_ms = -ask->login.left;

	r->verdict = GATE_GO;
	if (wait_ms > 0)
	{
		g->stats.limited++;
		r->verdict = GATE_LIMITED;
		r->retry_after = (int) ((wait_ms + 999) / 1000);
		r->cache = CACHE_NONE;
	}
	else if (ask->revoked)
	{
		g->stats.revoked++;
		r->verdict = GATE_REVOKED;
		r->cache = CACHE_NONE;
	}
	else if (ask->cached && (r->who.actor == 0 || r->vouched))
	{
		if (!cache_serve(g, r))
		{
			cache_miss(g, r);
			return;
		}
	}
	else if (r->cache == CACHE_BYPASS)
		g->stats.bypasses++;
	request_gated(r);
	request_release(r);
}

static void
answered(Ask *ask)
{
	if (--ask->pending == 0)
		conclude(ask);
}

/* `<moment>@<epoch>`: is a token issued at iat_ms good, in this epoch? */
static bool
entry_vouches(Str entry, int64_t iat_ms, int64_t epoch)
{
	char		text[64];
	char	   *at;
	char	   *end;
	long long	moment;

	if (entry.len == 0 || entry.len >= sizeof(text))
		return false;
	memcpy(text, entry.data, entry.len);
	text[entry.len] = '\0';
	at = strchr(text, '@');
	if (at == NULL || epoch == 0 || atoll(at + 1) != epoch)
		return false;
	moment = strtoll(text, &end, 10);
	return end == at && end != text && iat_ms > moment;
}

/* The replica may not know of a log-out, nor what its caller just wrote. */
static ReplicaChoice
choose_replica(const Request *r, const RedisReply *wrote, int64_t epoch)
{
	if (!r->vouched)
		return REPLICA_UNSURE;
	if (!redis_is_nil(wrote))
		return REPLICA_WROTE;
	if (!replica_serves(r->server->process->replica, epoch)
		|| !pgpool_is_up(r->server->pg, PG_LANE_REPLICA))
		return REPLICA_BEHIND;
	return REPLICA_ASKED;
}

static void
on_session(RedisCmd *cmd, const RedisReply *reply)
{
	Ask		   *ask = cmd->data;
	Request    *r = ask->request;
	Gate	   *g = r->server->gate;
	int64_t		epoch = epoch_trusted(g->epoch, g->server_id);
	bool		marked = r->replica != REPLICA_NO;

	if (reply != NULL && redis_count(reply) == (marked ? 3 : 2))
	{
		ask->revoked = !redis_is_nil(redis_at(reply, 1));
		r->vouched = !ask->revoked
			&& entry_vouches(redis_text(redis_at(reply, 0)), r->who.iat_ms, epoch);
		if (marked)
			r->replica = choose_replica(r, redis_at(reply, 2), epoch);
	}
	answered(ask);
}

static void
on_cache(RedisCmd *cmd, const RedisReply *reply)
{
	Ask		   *ask = cmd->data;

	if (reply != NULL)
		cache_take(ask->request->server->gate, ask->request, reply);
	else
		ask->cached = false;
	answered(ask);
}

/* ---- asking ---- */

/* A key of the session database, in the request's memory. */
static Str
session_key(Request *r, const char *before, const char *name, const char *after)
{
	size_t		size = strlen(before) + strlen(name) + strlen(after) + 1;
	char	   *key = arena_alloc(&r->arena, size);

	snprintf(key, size, "%s%s%s", before, name, after);
	return (Str) {key, size - 1};
}

static Str
user_entry(Request *r)
{
	return session_key(r, "session:user:", r->who.actor_text, ":active");
}

static void
ask_limits(Gate *g, Ask *ask)
{
	Request    *r = ask->request;

	ask->limit.bucket = bucket_of(g, r);
	ask->limit.key_len = r->who.actor != 0
		? limiter_user_key(ask->limit.key, r->who.actor_text, ask->limit.bucket)
		: limiter_ip_key(ask->limit.key, r->ip, false);
	draw(g, ask, &ask->limit, true);

	if (r->route->rate != RATE_LOGIN || r->who.actor != 0)
		return;
	ask->login.bucket = login_bucket(g, ask->limit.bucket);
	ask->login.key_len = limiter_ip_key(ask->login.key, r->ip, true);
	draw(g, ask, &ask->login, false);
}

static void
ask_session(Gate *g, Ask *ask)
{
	Request    *r = ask->request;
	Str			argv[4] = {STR("MGET"), user_entry(r), session_key(r, "session:jwt:blacklist:", r->who.jti, "")};
	int			n = 3;

	if (r->replica != REPLICA_NO)
		argv[n++] = session_key(r, "session:user:", r->who.actor_text, ":wrote");
	ask->session_cmd.done = on_session;
	ask->session_cmd.data = ask;
	if (redis_send(g->session, g->session_db, &ask->session_cmd, n, argv))
		ask->pending++;
}

void
gate_enter(Request *r)
{
	Gate	   *g = r->server->gate;
	Ask		   *ask = arena_alloc(&r->arena, sizeof(Ask));
	bool		trusted;

	memset(ask, 0, sizeof(*ask));
	ask->request = r;
	r->gate_data = ask;
	r->epoch = g->epoch != NULL ? epoch_known(g->epoch) : 0;
	r->cache = r->route->cache_key.data != NULL ? CACHE_BYPASS : CACHE_NONE;
	if (r->route->replica && r->who.actor != 0 && g->server->process->replica != NULL)
		r->replica = REPLICA_UNSURE;
	request_hold(r);

	/* Nothing concludes while we are still asking. */
	ask->pending = 1;
	if (r->route->rate != RATE_NONE)
		ask_limits(g, ask);
	trusted = g->epoch != NULL && epoch_trusted(g->epoch, g->server_id) != 0;
	if (trusted && r->who.actor != 0 && (r->cache == CACHE_BYPASS || r->replica != REPLICA_NO))
		ask_session(g, ask);
	if (trusted && r->cache == CACHE_BYPASS && cache_prepare(g, r))
	{
		ask->cache_cmd.done = on_cache;
		ask->cache_cmd.data = ask;
		ask->cached = cache_ask(g, r, &ask->cache_cmd);
		ask->pending += ask->cached;
	}
	answered(ask);
}

/* ---- after dispatch ---- */

static void
free_cmd(RedisCmd *cmd, const RedisReply *reply)
{
	(void) reply;
	free(cmd);
}

void
gate_login_failed(Request *r)
{
	Gate	   *g = r->server->gate;
	Ask		   *ask = r->gate_data;
	RedisCmd   *cmd;
	Draw	   *login;

	if (ask == NULL || ask->login.bucket == NULL)
		return;
	login = &ask->login;
	cmd = mem_alloc(sizeof(RedisCmd));
	cmd->done = free_cmd;
	if (g->limit == NULL
		|| !eval_buckets(g, cmd, login->bucket, true, &login, 1))
	{
		free(cmd);
		(void) draw_here(g, login, true);
	}
}

/*
 * dispatch() read the truth after the gate had read r->epoch, so what it
 * found holds for that epoch: tokens of this user as young as this one are
 * good.  A log-out that came in between has left an entry of its own, which
 * the script respects.
 */
void
gate_vouch(Request *r)
{
	Gate	   *g = r->server->gate;
	int64_t		ms = r->who.exp * 1000 - loop_wall_ms(r->server->loop);
	RedisCmd   *cmd;
	char		moment[24];
	char		epoch[24];
	char		ttl[24];

	if (r->who.actor == 0 || r->vouched || r->epoch == 0 || ms <= 0 || g->session == NULL
		|| (r->route->cache_key.data == NULL && r->replica == REPLICA_NO) || r->who.iat_ms <= 0)
		return;
	cmd = mem_alloc(sizeof(RedisCmd));
	cmd->done = free_cmd;
	if (!redis_eval(g->session, g->session_db, cmd, SCRIPT_VOUCH, 1, 4, (Str[]) {user_entry(r), {moment, (size_t) snprintf(moment, sizeof(moment), "%lld", (long long) r->who.iat_ms - 1)}, {epoch, (size_t) snprintf(epoch, sizeof(epoch), "%lld", (long long) r->epoch)}, {ttl, (size_t) snprintf(ttl, sizeof(ttl), "%lld", (long long) ms)}}))
		free(cmd);
}

/* ---- life ---- */

static void
on_change(void *data)
{
	Gate	   *g = data;
	bool		up = g->cache != NULL && redis_is_up(g->cache) && redis_is_up(g->session);

	if (up)
		snprintf(g->server_id, sizeof(g->server_id), "%s+%s",
				 redis_run_id(g->cache), redis_run_id(g->session));
	else
		g->server_id[0] = '\0';
	if (up != g->up && g->epoch != NULL)
		epoch_links(g->epoch, up);
	g->up = up;
}

static bool
is_given(const char *url)
{
	return url != NULL && url[0] != '\0' && strcmp(url, "-") != 0;
}

/* The link to a URL's server, shared by URLs that differ in the database only. */
static bool
open_link(Gate *g, const char *name, const char *text, RedisUrl *urls, Redis **link, int *db)
{
	const Config *c = g->server->config;
	RedisUrl	url;
	const char *wrong;

	if (!is_given(text))
		return true;
	wrong = redis_url_parse(text, &url);
	if (wrong != NULL)
	{
		log_error("%s: %s", name, wrong);
		return false;
	}
	*db = url.db;
	for (int i = 0; i < g->n_links; i++)
	{
		if (redis_url_same_server(&urls[i], &url))
		{
			*link = g->links[i];
			return true;
		}
	}
	urls[g->n_links] = url;
	*link = g->links[g->n_links++] = redis_new(g->server->loop, &(RedisOptions) {.url = url, .timeout_ms = (int) c->redis_timeout_ms, .in_flight = (int) c->redis_in_flight, .scripts = redis_scripts, .on_change = on_change, .data = g});
	return true;
}

Gate *
gate_new(Server *s)
{
	const Config *c = s->config;
	Gate	   *g = mem_alloc(sizeof(Gate));
	RedisUrl	urls[GATE_LINKS];

	g->server = s;
	s->gate = g;
	limiter_init(&g->limiter, c);
	buf_init(&g->scratch, SCRATCH_MAX);

	/* Before the links, whose chores send what this one asks. */
	g->chore = (LoopChore) {.order = LOOP_FLUSH, .fn = send_draws, .data = g};
	loop_chore_add(s->loop, &g->chore);
	if (getrandom(g->random, sizeof(g->random), 0) != sizeof(g->random))
		log_error("no random numbers from the kernel");
	if (!open_link(g, "COACH_REDIS_CACHE_URL", c->redis_cache_url, urls, &g->cache, &g->cache_db)
		|| !open_link(g, "COACH_REDIS_SESSION_URL", c->redis_session_url, urls, &g->session, &g->session_db)
		|| !open_link(g, "COACH_REDIS_LIMIT_URL", c->redis_limit_url, urls, &g->limit, &g->limit_db))
	{
		gate_destroy(g);
		s->gate = NULL;
		return NULL;
	}
	/* A cached answer needs the word of the session server. */
	if (g->session == NULL)
		g->cache = NULL;
	if (g->cache != NULL)
	{
		if (s->index == 0)
			s->process->epoch = epoch_new(s);
		g->epoch = s->process->epoch;
		epoch_keep(g->epoch);
	}
	return g;
}

void
gate_destroy(Gate *g)
{
	g->limit = NULL;
	(void) send_draws(&g->chore);
	loop_chore_remove(g->server->loop, &g->chore);
	for (int i = 0; i < g->n_links; i++)
		redis_destroy(g->links[i]);
	cache_stop(g);
	while (g->free_draws != NULL)
	{
		Draws	   *all = g->free_draws;

		g->free_draws = all->next;
		free(all);
	}
	if (g->epoch != NULL)
		epoch_release(g->epoch);
	buf_free(&g->scratch);
	g->server->gate = NULL;
	free(g);
}

typedef struct Farewell
{
	RedisCmd	cmd;
	void		(*done) (void *data);
	void	   *data;
} Farewell;

static void
on_farewell(RedisCmd *cmd, const RedisReply *reply)
{
	Farewell   *f = cmd->data;

	(void) reply;
	f->done(f->data);
	free(f);
}

void
gate_farewell(Gate *g, void (*done) (void *data), void *data)
{
	Farewell   *f;

	if (g->epoch == NULL)
	{
		done(data);
		return;
	}
	f = mem_alloc(sizeof(Farewell));
	f->cmd.done = on_farewell;
	f->cmd.data = f;
	f->done = done;
	f->data = data;
	epoch_farewell(g->epoch, &f->cmd);
}

const char *
gate_server_id(const Gate *g)
{
	return g->server_id;
}

bool
gate_is_up(const Gate *g)
{
	return g->up;
}
