/*
 * redis.c
 *		One pipelined connection to a Redis server, for one event loop.
 *
 * Answers come in the order in which commands left, so the link is a queue of
 * slots: one for each command sent, oldest first.  A command whose deadline
 * passes is given up, its slot stays behind empty until its answer comes and
 * is thrown away; so an answer never reaches the wrong command.
 *
 * The breaker is part of that: with an empty slot in the queue the link is
 * `suspect` and takes no commands, so that a server that hangs costs those who
 * were waiting one deadline and everybody after them nothing.  The late answer
 * itself is the probe that ends it.  A server silent for SUSPECT_MS is left,
 * and tried again with growing pauses.
 *
 * A script that the server has forgotten (NOSCRIPT), a server that turned
 * replica (READONLY) or that asks for a password makes the link useless: it
 * is closed, and connecting anew loads the scripts or finds the new server.
 */
#include "daemon/redis.h"

#include <arpa/inet.h>
#include <errno.h>
#include <hiredis/hiredis.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/arena.h"
#include "daemon/log.h"
#include "daemon/resolve.h"

#define MAX_LANES		4		/* databases used on one link */
#define MAX_SCRIPTS		8
#define OPEN_MS			1000	/* to connect and shake hands */
#define SUSPECT_MS		1000
#define RETRY_MIN_MS	20
#define RETRY_MAX_MS	1000
#define OUT_MAX			(64 * 1024 * 1024)
#define READ_SIZE		65536
#define TELL_MS			1000	/* at most one refusal in that time is logged */

typedef enum LinkState
{
	LINK_DOWN,					/* the timer will try again */
	LINK_RESOLVING,				/* the host name is being looked up */
	LINK_CONNECTING,			/* connect() has not ended */
	LINK_GREETING,				/* password, run id and scripts are on their
								 * way */
	LINK_UP,
	LINK_SUSPECT				/* an answer is overdue */
} LinkState;

/* Commands of one database, gathered during the turn. */
typedef struct DbLane
{
	int			db;
	Buf			out;
	RedisCmd   *first;
	RedisCmd  **end;
} DbLane;

struct Redis
{
	Loop	   *loop;
	RedisOptions options;
	LinkState	state;
	LoopFd		fd;
	LoopTimer	timer;
	LoopChore	chore;
	Resolve    *resolve;
	redisReader *reader;
	int			failures;		/* in a row */
	int64_t		suspect_ms;		/* since when */
	int64_t		told_ms;		/* when a refusal was logged last */
	bool		broken;			/* close when the answers at hand are through */

	DbLane		lanes[MAX_LANES];
	int			n_lanes;
	int			n_unsent;
	int			db;				/* selected by what was written last */

	Buf			out;			/* bytes for the socket, from out_done on */
	size_t		out_done;

	RedisCmd  **slots;			/* sent, oldest first; a ring */
	uint32_t	head;
	uint32_t	n_slots;
	uint32_t	cap;
	uint32_t	n_given_up;

	/* The link's own commands: password, run id, scripts, database switch. */
	RedisCmd	auth;
	RedisCmd	info;
	RedisCmd	loads[MAX_SCRIPTS];
	RedisCmd	select;
	int			greeting;		/* answers still missing */
	int			n_scripts;
	char		sha[MAX_SCRIPTS][41];
	char		run_id[41];
	RedisStats	stats;
};

static void greeted(RedisCmd *cmd, const RedisReply *reply);

/* ---- the queue of what was sent ---- */

static void
push_slot(Redis *r, RedisCmd *cmd)
{
	if (r->n_slots == r->cap)
	{
		uint32_t	cap = r->cap ? r->cap * 2 : 256;
		RedisCmd  **slots = mem_alloc(cap * sizeof(RedisCmd *));

		for (uint32_t i = 0; i < r->n_slots; i++)
			slots[i] = r->slots[(r->head + i) % r->cap];
		free(r->slots);
		r->slots = slots;
		r->head = 0;
		r->cap = cap;
	}
	r->slots[(r->head + r->n_slots) % r->cap] = cmd;
	r->n_slots++;
}

static RedisCmd *
pop_slot(Redis *r)
{
	RedisCmd   *cmd = r->slots[r->head];

	r->head = (r->head + 1) % r->cap;
	r->n_slots--;
	return cmd;
}

static bool
is_own(const RedisCmd *cmd)
{
	return cmd->done == greeted;
}

/* When must the timer look at the link next? */
static void
set_timer(Redis *r)
{
	int64_t		due = -1;

	if (r->state == LINK_SUSPECT)
		due = r->suspect_ms + SUSPECT_MS;
	for (uint32_t i = 0; i < r->n_slots; i++)
	{
		RedisCmd   *cmd = r->slots[(r->head + i) % r->cap];

		if (cmd == NULL || is_own(cmd))
			continue;
		if (due < 0 || cmd->due_ms < due)
			due = cmd->due_ms;
		break;
	}
	if (due >= 0)
		loop_timer_set(r->loop, &r->timer, due - loop_now_ms(r->loop));
}

/* ---- closing ---- */

/* Ends everything in flight with NULL.  Callbacks see the link as it is now. */
static void
fail_all(Redis *r)
{
	RedisCmd   *list = NULL;
	RedisCmd  **end = &list;

	while (r->n_slots > 0)
	{
		RedisCmd   *cmd = pop_slot(r);

		if (cmd == NULL || is_own(cmd))
			continue;
		*end = cmd;
		end = &cmd->next;
	}
	*end = NULL;
	for (int i = 0; i < r->n_lanes; i++)
	{
		DbLane	   *lane = &r->lanes[i];

		*end = lane->first;
		if (lane->first != NULL)
			end = lane->end;
		lane->first = NULL;
		lane->end = &lane->first;
		buf_clear(&lane->out);
	}
	r->n_unsent = 0;
	r->n_given_up = 0;

	while (list != NULL)
	{
		RedisCmd   *cmd = list;

		list = cmd->next;
		r->stats.lost++;
		cmd->done(cmd, NULL);
	}
}

/* Without a reason the link is not opened again. */
static void
close_link(Redis *r, const char *why)
{
	bool		was_up = r->state >= LINK_UP;
	int			fd = r->fd.fd;

	loop_fd_drop(r->loop, &r->fd);
	if (fd >= 0)
		close(fd);
	if (r->reader != NULL)
	{
		redisReaderFree(r->reader);
		r->reader = NULL;
	}
	buf_clear(&r->out);
	r->out_done = 0;
	r->broken = false;
	r->run_id[0] = '\0';
	r->state = LINK_DOWN;

	if (why != NULL && (was_up || r->failures == 0))
		log_warning("redis: link to %s lost: %s",
					r->options.url.path[0] ? r->options.url.path : r->options.url.host, why);
	if (loop_timer_is_set(&r->timer))
		loop_timer_clear(r->loop, &r->timer);
	if (why != NULL)
	{
		int			pause = RETRY_MIN_MS << (r->failures < 6 ? r->failures : 6);

		if (pause > RETRY_MAX_MS)
			pause = RETRY_MAX_MS;
		r->failures++;
		loop_timer_set(r->loop, &r->timer, pause / 2 + loop_random(r->loop, pause / 2 + 1));
	}
	if (was_up && r->options.on_change != NULL)
		r->options.on_change(r->options.data);
	fail_all(r);
}

/* ---- writing ---- */

static void
put_bulk(Buf *b, const char *data, size_t len)
{
	buf_putc(b, '$');
	buf_int(b, (int64_t) len);
	buf_put(b, "\r\n", 2);
	buf_put(b, data, len);
	buf_put(b, "\r\n", 2);
}

static void
put_header(Buf *b, int argc)
{
	buf_putc(b, '*');
	buf_int(b, argc);
	buf_put(b, "\r\n", 2);
}

static void
put_command(Buf *b, int argc, const Str *argv)
{
	put_header(b, argc);
	for (int i = 0; i < argc; i++)
		put_bulk(b, argv[i].data, argv[i].len);
}

/* Moves what was gathered into the socket's buffer, a database at a time. */
static void
gather(Redis *r)
{
	for (int i = 0; i < r->n_lanes && r->n_unsent > 0; i++)
	{
		DbLane	   *lane = &r->lanes[i];

		if (lane->first == NULL)
			continue;
		if (lane->db != r->db)
		{
			char		db[8];

			snprintf(db, sizeof(db), "%d", lane->db);
			put_command(&r->out, 2, (Str[]) {STR("SELECT"), {db, strlen(db)}});
			push_slot(r, &r->select);
			r->db = lane->db;
		}
		if (lane->out.failed)
			r->broken = true;
		buf_put(&r->out, lane->out.data, lane->out.len);
		buf_clear(&lane->out);
		for (RedisCmd *cmd = lane->first, *next; cmd != NULL; cmd = next)
		{
			next = cmd->next;
			push_slot(r, cmd);
			r->n_unsent--;
		}
		lane->first = NULL;
		lane->end = &lane->first;
	}
}

static void
write_out(Redis *r)
{
	while (r->out_done < r->out.len)
	{
		ssize_t		n = send(r->fd.fd, r->out.data + r->out_done,
							 r->out.len - r->out_done, MSG_NOSIGNAL);

		if (n < 0)
		{
			if (errno == EINTR)
				continue;
			if (errno == EAGAIN)
			{
				loop_fd_events(r->loop, &r->fd, EPOLLIN | EPOLLOUT);
				return;
			}
			r->broken = true;
			break;
		}
		r->out_done += n;
	}
	buf_clear(&r->out);
	r->out_done = 0;
	loop_fd_events(r->loop, &r->fd, EPOLLIN);
}

/* The chore: once a turn, what was gathered leaves. */
static int
flush(LoopChore *self)
{
	Redis	   *r = self->data;

	if (r->n_unsent == 0 || r->state < LINK_UP)
		return -1;
	gather(r);
	if (r->out_done == 0)
		write_out(r);
	if (r->out.failed)
		r->broken = true;
	if (r->broken)
		close_link(r, "cannot write");
	else if (!loop_timer_is_set(&r->timer))
		set_timer(r);
	return -1;
}

static DbLane *
lane_of(Redis *r, int db)
{
	for (int i = 0; i < r->n_lanes; i++)
	{
		if (r->lanes[i].db == db)
			return &r->lanes[i];
	}
	if (r->n_lanes == MAX_LANES)
		return NULL;
	r->lanes[r->n_lanes].db = db;
	buf_init(&r->lanes[r->n_lanes].out, OUT_MAX);
	r->lanes[r->n_lanes].end = &r->lanes[r->n_lanes].first;
	return &r->lanes[r->n_lanes++];
}

/* Takes a command in whose bytes are already in the lane's buffer. */
static void
enqueue(Redis *r, DbLane *lane, RedisCmd *cmd)
{
	cmd->next = NULL;
	cmd->due_ms = loop_now_ms(r->loop) + r->options.timeout_ms;
	*lane->end = cmd;
	lane->end = &cmd->next;
	r->n_unsent++;
	r->stats.commands++;
}

/* The lane for a command, or NULL if it cannot be taken. */
static DbLane *
admit(Redis *r, int db)
{
	DbLane	   *lane = NULL;

	if (r->state == LINK_UP && !r->broken
		&& r->n_slots + r->n_unsent < (uint32_t) r->options.in_flight)
		lane = lane_of(r, db);
	if (lane == NULL)
		r->stats.refused++;
	return lane;
}

bool
redis_send(Redis *r, int db, RedisCmd *cmd, int argc, const Str *argv)
{
	DbLane	   *lane = admit(r, db);

	if (lane == NULL)
		return false;
	put_command(&lane->out, argc, argv);
	enqueue(r, lane, cmd);
	return true;
}

bool
redis_eval(Redis *r, int db, RedisCmd *cmd, int script,
		   int nkeys, int argc, const Str *argv)
{
	DbLane	   *lane = admit(r, db);
	char		count[8];

	if (lane == NULL)
		return false;
	put_header(&lane->out, argc + 3);
	put_bulk(&lane->out, "EVALSHA", 7);
	put_bulk(&lane->out, r->sha[script], 40);
	put_bulk(&lane->out, count, snprintf(count, sizeof(count), "%d", nkeys));
	for (int i = 0; i < argc; i++)
		put_bulk(&lane->out, argv[i].data, argv[i].len);
	enqueue(r, lane, cmd);
	return true;
}

/* ---- reading ---- */

/*
 * One line is enough: of a greeting that fails again and again (a password
 * that is no good), and a second of commands that Redis refuses.
 */
static void
tell_error(Redis *r, const char *text)
{
	int64_t		now = loop_now_ms(r->loop);

	if (r->state < LINK_UP ? r->failures > 0 || r->broken : now < r->told_ms + TELL_MS)
		return;
	r->told_ms = now;
	log_warning("redis: %.120s", text);
}

static void
take_reply(Redis *r, redisReply *reply)
{
	RedisCmd   *cmd;

	if (r->n_slots == 0)
	{
		r->broken = true;
		return;
	}
	cmd = pop_slot(r);
	if (reply->type == REDIS_REPLY_ERROR)
	{
		r->stats.errors++;
		tell_error(r, reply->str);
		if (strncmp(reply->str, "NOSCRIPT", 8) == 0
			|| strncmp(reply->str, "READONLY", 8) == 0
			|| strncmp(reply->str, "LOADING", 7) == 0
			|| strncmp(reply->str, "NOAUTH", 6) == 0)
			r->broken = true;
	}
	if (cmd == NULL)
	{
		r->n_given_up--;
		if (r->n_given_up == 0 && r->state == LINK_SUSPECT)
		{
			r->state = LINK_UP;
			if (r->options.on_change != NULL)
				r->options.on_change(r->options.data);
		}
		return;
	}
	cmd->done(cmd, reply->type == REDIS_REPLY_ERROR ? NULL : (const RedisReply *) reply);
}

static void
read_in(Redis *r)
{
	char		bytes[READ_SIZE];

	for (;;)
	{
		ssize_t		n = recv(r->fd.fd, bytes, sizeof(bytes), 0);
		void	   *reply;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0 || redisReaderFeed(r->reader, bytes, n) != REDIS_OK)
		{
			r->broken = true;
			return;
		}
		for (;;)
		{
			if (redisReaderGetReply(r->reader, &reply) != REDIS_OK)
			{
				r->broken = true;
				return;
			}
			if (reply == NULL)
				break;
			take_reply(r, reply);
			freeReplyObject(reply);
		}
		if (n < (ssize_t) sizeof(bytes))
			return;
	}
}

/* ---- connecting ---- */

/* An answer to one of the link's own commands; the last one opens the link. */
static void
greeted(RedisCmd *cmd, const RedisReply *reply)
{
	Redis	   *r = cmd->data;

	if (reply == NULL)
	{
		r->broken = true;
		return;
	}
	if (cmd == &r->select)
		return;
	if (cmd == &r->info)
	{
		const char *id = strstr(redis_text(reply).data, "run_id:");

		if (id == NULL || strspn(id + 7, "0123456789abcdef") != 40)
		{
			r->broken = true;
			return;
		}
		memcpy(r->run_id, id + 7, 40);
		r->run_id[40] = '\0';
	}
	else if (cmd != &r->auth)
	{
		if (redis_text(reply).len != 40)
		{
			r->broken = true;
			return;
		}
		memcpy(r->sha[cmd - r->loads], redis_text(reply).data, 41);
	}
	if (--r->greeting > 0)
		return;
	r->state = LINK_UP;
	r->failures = 0;
	r->stats.connects++;
	loop_timer_clear(r->loop, &r->timer);
	log_info("redis: connected to %s",
			 r->options.url.path[0] ? r->options.url.path : r->options.url.host);
	if (r->options.on_change != NULL)
		r->options.on_change(r->options.data);
}

static void
own_command(Redis *r, RedisCmd *cmd, int argc, const Str *argv)
{
	put_command(&r->out, argc, argv);
	push_slot(r, cmd);
	r->greeting++;
}

static void
greet(Redis *r)
{
	RedisUrl   *url = &r->options.url;

	r->state = LINK_GREETING;
	r->reader = redisReaderCreate();
	r->greeting = 0;
	r->db = 0;
	if (url->user[0] != '\0')
		own_command(r, &r->auth, 3, (Str[]) {STR("AUTH"), {url->user, strlen(url->user)}, {url->password, strlen(url->password)}});
	else if (url->password[0] != '\0')
		own_command(r, &r->auth, 2, (Str[]) {STR("AUTH"), {url->password, strlen(url->password)}});
	own_command(r, &r->info, 2, (Str[]) {STR("INFO"), STR("server")});
	for (int i = 0; i < r->n_scripts; i++)
	{
		const char *lua = r->options.scripts[i];

		own_command(r, &r->loads[i], 3, (Str[]) {STR("SCRIPT"), STR("LOAD"), {lua, strlen(lua)}});
	}
	write_out(r);
}

static void
on_ready(LoopFd *self, uint32_t events)
{
	Redis	   *r = self->data;
	LinkState	was = r->state;

	if (was == LINK_CONNECTING)
	{
		int			error = 0;
		socklen_t	size = sizeof(error);

		if (getsockopt(self->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 || error != 0)
		{
			close_link(r, strerror(error));
			return;
		}
		greet(r);
	}
	else
	{
		if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
			read_in(r);
		if (!r->broken && (events & EPOLLOUT))
			write_out(r);
	}
	if (r->broken)
		close_link(r, was < LINK_UP ? "no proper greeting" : "broken");
}

static void
connect_to(Redis *r, const struct sockaddr *address, socklen_t size)
{
	int			fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int			on = 1;
	unsigned	user_timeout = 5000;

	if (fd < 0)
	{
		close_link(r, strerror(errno));
		return;
	}
	if (address->sa_family != AF_UNIX)
	{
		/* Nothing is wrong with a link that lacks these. */
		(void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		(void) setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
		(void) setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout, sizeof(user_timeout));
	}
	if ((connect(fd, address, size) < 0 && errno != EINPROGRESS && errno != EAGAIN)
		|| loop_fd_watch(r->loop, &r->fd, fd, EPOLLIN | EPOLLOUT) < 0)
	{
		int			saved = errno;

		close(fd);
		close_link(r, strerror(saved));
		return;
	}
	r->state = LINK_CONNECTING;
	loop_timer_set(r->loop, &r->timer, OPEN_MS);
}

static void
looked_up(void *data, const struct addrinfo *a)
{
	Redis	   *r = data;

	r->resolve = NULL;
	if (a == NULL)
	{
		close_link(r, "host name is not known");
		return;
	}
	/* Where a name has several addresses, the next try takes the next. */
	for (int skip = r->failures; skip > 0 && a->ai_next != NULL; skip--)
		a = a->ai_next;
	connect_to(r, a->ai_addr, a->ai_addrlen);
}

static void
start_connecting(Redis *r)
{
	RedisUrl   *url = &r->options.url;
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	struct addrinfo *a;

	if (url->path[0] != '\0')
	{
		struct sockaddr_un address = {.sun_family = AF_UNIX};

		strcpy(address.sun_path, url->path);
		connect_to(r, (struct sockaddr *) &address, sizeof(address));
		return;
	}
	if (getaddrinfo(url->host, url->port, &hints, &a) == 0)
	{
		connect_to(r, a->ai_addr, a->ai_addrlen);
		freeaddrinfo(a);
		return;
	}
	r->state = LINK_RESOLVING;
	r->resolve = resolve_start(r->loop, url->host, url->port, looked_up, r);
	if (r->resolve == NULL)
		close_link(r, "cannot start a thread");
}

/* ---- time ---- */

/* Gives up what is overdue. */
static void
give_up(Redis *r)
{
	int64_t		now = loop_now_ms(r->loop);
	RedisCmd   *list = NULL;
	RedisCmd  **end = &list;
	bool		changed = false;

	for (uint32_t i = 0; i < r->n_slots; i++)
	{
		RedisCmd  **slot = &r->slots[(r->head + i) % r->cap];

		if (*slot == NULL || is_own(*slot))
			continue;
		if ((*slot)->due_ms > now)
			break;
		*end = *slot;
		end = &(*slot)->next;
		*slot = NULL;
		r->n_given_up++;
		r->stats.timeouts++;
	}
	*end = NULL;
	if (list != NULL && r->state == LINK_UP)
	{
		r->state = LINK_SUSPECT;
		r->suspect_ms = now;
		changed = true;
	}
	set_timer(r);
	if (changed && r->options.on_change != NULL)
		r->options.on_change(r->options.data);
	while (list != NULL)
	{
		RedisCmd   *cmd = list;

		list = cmd->next;
		cmd->done(cmd, NULL);
	}
}

static void
on_timer(LoopTimer *self)
{
	Redis	   *r = self->data;

	switch (r->state)
	{
		case LINK_DOWN:
			start_connecting(r);
			break;
		case LINK_RESOLVING:
			break;
		case LINK_CONNECTING:
		case LINK_GREETING:
			close_link(r, "no answer");
			break;
		case LINK_SUSPECT:
			if (loop_now_ms(r->loop) >= r->suspect_ms + SUSPECT_MS)
			{
				close_link(r, "no answer");
				break;
			}
			give_up(r);
			break;
		case LINK_UP:
			give_up(r);
			break;
	}
}

/* ---- life ---- */

Redis *
redis_new(Loop *loop, const RedisOptions *options)
{
	Redis	   *r = mem_alloc(sizeof(Redis));

	r->loop = loop;
	r->options = *options;
	while (r->n_scripts < MAX_SCRIPTS && options->scripts != NULL
		   && options->scripts[r->n_scripts] != NULL)
		r->n_scripts++;
	buf_init(&r->out, OUT_MAX);
	r->auth = r->info = r->select = (RedisCmd) {.done = greeted, .data = r};
	for (int i = 0; i < MAX_SCRIPTS; i++)
		r->loads[i] = r->auth;
	loop_fd_init(&r->fd, on_ready, r);
	loop_timer_init(&r->timer, on_timer, r);
	r->chore = (LoopChore) {.order = LOOP_FLUSH, .fn = flush, .data = r};
	loop_chore_add(loop, &r->chore);
	r->state = LINK_DOWN;
	loop_timer_set(loop, &r->timer, 0);
	return r;
}

void
redis_destroy(Redis *r)
{
	r->options.on_change = NULL;
	if (r->resolve != NULL)
		resolve_abandon(r->resolve);
	close_link(r, NULL);
	loop_timer_clear(r->loop, &r->timer);
	loop_chore_remove(r->loop, &r->chore);
	for (int i = 0; i < r->n_lanes; i++)
		buf_free(&r->lanes[i].out);
	buf_free(&r->out);
	free(r->slots);
	free(r);
}

bool
redis_is_up(const Redis *r)
{
	return r->state == LINK_UP && !r->broken;
}

const char *
redis_run_id(const Redis *r)
{
	return r->state >= LINK_UP ? r->run_id : "";
}

void
redis_stats(const Redis *r, RedisStats *out)
{
	*out = r->stats;
	out->up = redis_is_up(r);
	out->in_flight = (int) (r->n_slots + r->n_unsent);
}

/* ---- replies ---- */

bool
redis_is_nil(const RedisReply *reply)
{
	return ((const redisReply *) reply)->type == REDIS_REPLY_NIL;
}

bool
redis_is_text(const RedisReply *reply)
{
	return ((const redisReply *) reply)->type == REDIS_REPLY_STRING;
}

bool
redis_is_ok(const RedisReply *reply)
{
	return ((const redisReply *) reply)->type == REDIS_REPLY_STATUS;
}

int64_t
redis_int(const RedisReply *reply)
{
	const redisReply *p = (const redisReply *) reply;

	return p->type == REDIS_REPLY_INTEGER ? p->integer : 0;
}

Str
redis_text(const RedisReply *reply)
{
	const redisReply *p = (const redisReply *) reply;

	if (p->type != REDIS_REPLY_STRING && p->type != REDIS_REPLY_STATUS)
		return (Str) {"", 0};
	return (Str) {p->str, p->len};
}

int
redis_count(const RedisReply *reply)
{
	const redisReply *p = (const redisReply *) reply;

	return p->type == REDIS_REPLY_ARRAY ? (int) p->elements : 0;
}

const RedisReply *
redis_at(const RedisReply *reply, int i)
{
	return (const RedisReply *) ((const redisReply *) reply)->element[i];
}
