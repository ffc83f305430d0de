/*
 * redis.h
 *		One pipelined connection to a Redis server, for one event loop.
 *
 * The only file that calls hiredis, and of it only the protocol reader: the
 * socket, the queue and the deadlines are ours, because hiredis 0.14 has none
 * of its own.
 *
 * Commands are gathered during a turn of the loop, grouped by database, and
 * leave in one write.  Each is embedded in whatever waits for it; done() is
 * called exactly once for every command that redis_send() took, on the loop's
 * thread, never from inside redis_send().
 */
#ifndef DAEMON_REDIS_H
#define DAEMON_REDIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/buf.h"
#include "daemon/loop.h"

typedef struct Redis Redis;
typedef struct RedisCmd RedisCmd;
typedef struct RedisReply RedisReply;

/*
 * A command in flight.  done() gets NULL when no answer came in time or the
 * link was lost, in which case the command may or may not have run.  An error
 * that Redis answers is NULL too.  The reply is gone when done() returns.
 */
struct RedisCmd
{
	RedisCmd   *next;
	int64_t		due_ms;
	void		(*done) (RedisCmd *self, const RedisReply *reply);
	void	   *data;
};

typedef struct RedisUrl
{
	char		path[108];		/* socket file; "" for TCP */
	char		host[128];
	char		port[8];
	char		user[64];
	char		password[256];
	int			db;
} RedisUrl;

typedef struct RedisOptions
{
	RedisUrl	url;			/* db is of no account here: commands name
								 * theirs */
	int			timeout_ms;		/* for each command */
	int			in_flight;		/* commands at most, sent and unsent */
	const char *const *scripts; /* NULL-terminated Lua sources */
	void		(*on_change) (void *data);	/* came up or went down */
	void	   *data;
} RedisOptions;

typedef struct RedisStats
{
	bool		up;
	int			in_flight;
	uint64_t	commands;
	uint64_t	refused;		/* link down or too many in flight */
	uint64_t	timeouts;
	uint64_t	lost;			/* in flight when the link broke */
	uint64_t	errors;			/* Redis answered with an error */
	uint64_t	connects;
} RedisStats;

/*
 * redis://[user:password@]host[:port][/db] or
 * unix:[//[user:password@]]/path[?db=n].  User and password may have %XX.
 * Gives NULL, or what is wrong.
 */
extern const char *redis_url_parse(const char *text, RedisUrl *url);
extern bool redis_url_same_server(const RedisUrl *a, const RedisUrl *b);

extern Redis *redis_new(Loop *loop, const RedisOptions *options);
extern void redis_destroy(Redis *r);	/* ends what is in flight with NULL */

/*
 * Sends a command in this turn.  False, and done() will not be called, when
 * the link is down, does not answer, or has too much in flight.
 */
extern bool redis_send(Redis *r, int db, RedisCmd *cmd, int argc, const Str *argv);

/* The same as EVALSHA of scripts[script]; argv: keys, then arguments. */
extern bool redis_eval(Redis *r, int db, RedisCmd *cmd, int script,
					   int nkeys, int argc, const Str *argv);

/* May commands be sent, and are they likely to be answered? */
extern bool redis_is_up(const Redis *r);

/* The server process behind the link, "" until it is up: new after each restart. */
extern const char *redis_run_id(const Redis *r);
extern void redis_stats(const Redis *r, RedisStats *out);

extern bool redis_is_nil(const RedisReply *reply);
extern bool redis_is_text(const RedisReply *reply);
extern bool redis_is_ok(const RedisReply *reply);	/* a status */
extern int64_t redis_int(const RedisReply *reply);	/* 0 if it is none */
extern Str	redis_text(const RedisReply *reply);	/* empty if it is none */
extern int	redis_count(const RedisReply *reply);	/* of an array; else 0 */
extern const RedisReply *redis_at(const RedisReply *reply, int i);

#endif							/* DAEMON_REDIS_H */
