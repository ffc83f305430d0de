/*
 * deliver.c
 *		Invalidations and session entries on their way to Redis.
 *
 * A delivery is what one transaction touched.  It goes out in bounded
 * windows and counts only if Redis confirmed all of it and the epoch says
 * that this reaches every reader.  Else it is tried again for PATIENCE_MS, as
 * all of it may be repeated, and then is the epoch's business: the writer
 * waits until nobody reads from the cache.  When nobody does already, it does
 * not wait.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"
#include "shim/cache.h"
#include "shim/scripts.h"

#define PATIENCE_MS		500
#define RETRY_MS		20
#define KEYS_AT_ONCE	64		/* in one command */
#define WINDOW			64		/* commands */
#define MAX_TTL_S		((int64_t) 30 * 24 * 3600)

typedef enum EntryKind
{
	ENTRY_CACHE,				/* 0:<key> */
	ENTRY_ACTIVE,				/* 1:session:user:<id>:active=<moment>@<ttl> */
	ENTRY_SESSION				/* 1:<key>=<value>@<ttl> */
} EntryKind;

typedef struct Touched
{
	EntryKind	kind;
	Str			key;
	Str			value;
	int64_t		ttl_ms;
} Touched;

typedef struct Delivery
{
	struct Delivery *next;		/* in the gate's list */
	struct Delivery **link;
	Gate	   *gate;
	int64_t		epoch;
	int64_t		started_ms;
	LoopTimer	timer;
	EpochWait	wait;
	void		(*done) (void *data);
	void		(*done_once) (void *data, bool well);
	void	   *data;

	Touched    *entries;		/* those of the cache first */
	int			n;
	int			sent;			/* entries of this round */
	int			pending;		/* commands without an answer */
	bool		failed;
	char	   *text;			/* what entries point into */
	RedisCmd	cmds[WINDOW];
} Delivery;

static void send_window(Delivery *d);

static void
finish(Delivery *d, bool well)
{
	epoch_delivering(d->gate->epoch, -1);
	*d->link = d->next;
	if (d->next != NULL)
		d->next->link = d->link;
	loop_timer_clear(d->gate->server->loop, &d->timer);
	if (d->done_once != NULL)
		d->done_once(d->data, well);
	else
		d->done(d->data);
	free(d->entries);
	free(d->text);
	free(d);
}

static void
on_settled(EpochWait *wait)
{
	finish(wait->data, true);
}

static void
start_round(Delivery *d)
{
	d->sent = 0;
	d->failed = false;
	send_window(d);
}

static void
on_retry(LoopTimer *timer)
{
	start_round(timer->data);
}

/* A round is over: was it of any use? */
static void
judge(Delivery *d)
{
	Gate	   *g = d->gate;
	Loop	   *loop = g->server->loop;

	if (d->done_once != NULL)
	{
		finish(d, !d->failed);
		return;
	}
	if (!d->failed && epoch_delivers(g->epoch, g->server_id))
	{
		g->stats.invalidated += (uint64_t) d->n;
		finish(d, true);
		return;
	}
	if (epoch_opening(g->epoch, g->server_id)
		|| (!epoch_settled(g->epoch) && loop_now_ms(loop) - d->started_ms < PATIENCE_MS))
	{
		g->stats.delivery_retries++;
		loop_timer_set(loop, &d->timer, RETRY_MS);
		return;
	}
	g->stats.undelivered++;
	d->wait.loop = loop;
	d->wait.done = on_settled;
	d->wait.data = d;
	epoch_wait(g->epoch, &d->wait);
}

static void
on_answer(RedisCmd *cmd, const RedisReply *reply)
{
	Delivery   *d = cmd->data;

	d->failed |= reply == NULL;
	if (--d->pending > 0)
		return;
	if (d->failed || d->sent == d->n)
		judge(d);
	else
		send_window(d);
}

static bool
send_keys(Delivery *d, RedisCmd *cmd)
{
	Gate	   *g = d->gate;
	Str			argv[KEYS_AT_ONCE + 4];
	char		word[17];
	int			n = 0;

	while (n < KEYS_AT_ONCE && d->sent < d->n && d->entries[d->sent].kind == ENTRY_CACHE)
		argv[n++] = d->entries[d->sent++].key;
	cache_random(g, word);
	argv[n] = STR(GENERATION_PREFIX);
	argv[n + 1] = STR(LEASE_PREFIX);
	argv[n + 2] = (Str) {word, 16};
	argv[n + 3] = STR(GENERATION_MS);
	return redis_eval(g->cache, g->cache_db, cmd, SCRIPT_INVALIDATE, n, n + 4, argv);
}

static bool
send_session(Delivery *d, RedisCmd *cmd)
{
	Gate	   *g = d->gate;
	Touched    *t = &d->entries[d->sent++];
	char		epoch[24];
	char		ms[24];
	Str			ttl = {ms, (size_t) snprintf(ms, sizeof(ms), "%lld", (long long) t->ttl_ms)};
	Str			mark = {epoch, (size_t) snprintf(epoch, sizeof(epoch), "%lld", (long long) d->epoch)};

	if (t->kind == ENTRY_ACTIVE)
		return redis_eval(g->session, g->session_db, cmd, SCRIPT_SESSION, 1, 4,
						  (Str[]) {t->key, t->value, mark, ttl});
	return redis_send(g->session, g->session_db, cmd, 5,
					  (Str[]) {STR("SET"), t->key, t->value, STR("PX"), ttl});
}

static void
send_window(Delivery *d)
{
	for (int i = 0; i < WINDOW && d->sent < d->n && !d->failed; i++)
	{
		RedisCmd   *cmd = &d->cmds[i];

		cmd->done = on_answer;
		cmd->data = d;
		if (d->entries[d->sent].kind == ENTRY_CACHE ? send_keys(d, cmd) : send_session(d, cmd))
			d->pending++;
		else
			d->failed = true;
	}
	if (d->pending == 0)
		judge(d);
}

/* ---- reading entries ---- */

/* One entry; false if it is none of the forms that we know. */
static bool
read_entry(char *s, size_t len, Touched *t)
{
	char	   *end = s + len;
	char	   *equals;
	char	   *at;
	long long	ttl;

	if (len < 3 || s[1] != ':' || (s[0] != '0' && s[0] != '1'))
		return false;
	s += 2;
	if (s[-2] == '0')
	{
		*t = (Touched) {.kind = ENTRY_CACHE, .key = {s, (size_t) (end - s)}};
		return true;
	}
	equals = memchr(s, '=', (size_t) (end - s));
	at = memrchr(s, '@', (size_t) (end - s));
	if (equals == NULL || at == NULL || at < equals)
		return false;
	ttl = strtoll(at + 1, NULL, 10);
	if (ttl > MAX_TTL_S)
		ttl = MAX_TTL_S;
	*t = (Touched) {.kind = ENTRY_SESSION, .key = {s, (size_t) (equals - s)}, .value = {equals + 1, (size_t) (at - equals) - 1}, .ttl_ms = ttl * 1000};
	if (t->key.len > 20 && memcmp(s, "session:user:", 13) == 0
		&& memcmp(equals - 7, ":active", 7) == 0)
		t->kind = ENTRY_ACTIVE;
	return true;
}

static Delivery *
new_delivery(Server *s, int64_t epoch, const Str *entries, int n)
{
	Delivery   *d = mem_alloc(sizeof(Delivery));
	size_t		total = 1;
	char	   *p;

	for (int i = 0; i < n; i++)
		total += entries[i].len + 1;
	epoch_delivering(s->gate->epoch, 1);
	d->gate = s->gate;
	d->epoch = epoch;
	d->started_ms = loop_now_ms(s->loop);
	d->text = p = mem_alloc(total);
	d->entries = mem_alloc(sizeof(Touched) * (size_t) (n + 1));
	loop_timer_init(&d->timer, on_retry, d);

	/* Those of the cache first, so that they fill their commands. */
	for (int db = 0; db < 2; db++)
	{
		for (int i = 0; i < n; i++)
		{
			Touched		t;

			if ((entries[i].len > 0 && entries[i].data[0] == '1') != (db == 1))
				continue;
			memcpy(p, entries[i].data, entries[i].len);
			if (!read_entry(p, entries[i].len, &t))
				log_warning("cache: not an entry: %.*s", (int) (entries[i].len < 200 ? entries[i].len : 200), entries[i].data);
			else if (t.kind == ENTRY_CACHE || t.ttl_ms > 0)
				d->entries[d->n++] = t;
			p += entries[i].len + 1;
		}
	}
	d->link = &s->gate->deliveries;
	d->next = *d->link;
	if (d->next != NULL)
		d->next->link = &d->next;
	*d->link = d;
	return d;
}

void
cache_apply_touched(Server *s, int64_t epoch, const Str *entries, int n,
					void (*done) (void *data), void *data)
{
	Delivery   *d;

	if (n == 0 || s->gate->cache == NULL)
	{
		done(data);
		return;
	}
	d = new_delivery(s, epoch, entries, n);
	d->done = done;
	d->data = data;
	start_round(d);
}

void
cache_deliver_once(Server *s, const Str *entries, int n,
				   void (*done) (void *data, bool well), void *data)
{
	Delivery   *d = new_delivery(s, 0, entries, n);

	d->done_once = done;
	d->data = data;
	start_round(d);
}

void
cache_stop(Gate *g)
{
	for (Delivery *d = g->deliveries, *next; d != NULL; d = next)
	{
		next = d->next;
		finish(d, false);
	}
}

/* ---- what the listener hears ---- */

/* A JSON string at *p, decoded in place; false if it is none. */
static bool
read_json_string(char **p, Str *out)
{
	char	   *from = *p;
	char	   *to = *p;

	if (*from++ != '"')
		return false;
	out->data = to;
	while (*from != '"')
	{
		if (*from == '\0')
			return false;
		if (*from == '\\')
		{
			from++;
			/* Keys have no control characters, so nothing else is escaped. */
			if (*from != '"' && *from != '\\' && *from != '/')
				return false;
		}
		*to++ = *from++;
	}
	out->len = (size_t) (to - out->data);
	*p = from + 1;
	return true;
}

static void
nobody_waits(void *data)
{
	(void) data;
}

void
cache_notified(Server *s, const char *payload)
{
	char	   *copy = mem_strdup(payload);
	char	   *p = copy;
	int			n = 0;
	Str		   *entries = mem_alloc(sizeof(Str) * (strlen(payload) / 3 + 1));
	bool		well = *p++ == '[';

	while (well && *p != ']')
	{
		p += strspn(p, " \t\r\n");
		well = read_json_string(&p, &entries[n]);
		n += well;
		p += well ? strspn(p, " \t\r\n") : 0;
		if (well && *p == ',')
			p++;
		else if (well && *p != ']')
			well = false;
	}
	if (s->gate->cache == NULL)
		well = true;
	else if (well)
		cache_apply_touched(s, epoch_known(s->gate->epoch), entries, n, nobody_waits, NULL);
	if (!well)
	{
		log_warning("cache: a notification makes no sense: %.200s", payload);
		epoch_renew(s->gate->epoch, "a notification made no sense");
	}
	free(entries);
	free(copy);
}

void
cache_epoch_notified(Server *s, const char *payload)
{
	(void) payload;
	if (s->gate->epoch != NULL)
		epoch_notified(s->gate->epoch);
}

void
cache_listener_up(Server *s)
{
	if (s->gate->epoch != NULL)
		epoch_listening(s->gate->epoch, true);
}

void
cache_listener_down(Server *s)
{
	if (s->gate->epoch != NULL)
		epoch_listening(s->gate->epoch, false);
}

void
cache_outcome_unknown(Server *s)
{
	if (s->gate->epoch != NULL)
		epoch_renew(s->gate->epoch, "the outcome of a write is unknown");
}
