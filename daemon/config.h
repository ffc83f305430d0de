/*
 * config.h
 *		Settings from the environment.
 *
 * One table (config.c) says for every COACH_* variable its type, default,
 * limits and meaning; --help, --check and the start-up all read that table.
 * A variable NAME of a secret may be given as NAME_FILE too.
 */
#ifndef DAEMON_CONFIG_H
#define DAEMON_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct Config
{
	/* How it runs */
	char	   *env;			/* development or production */
	char	   *listen;			/* address:port */
	char	   *instance;		/* names this process in Redis and PostgreSQL */
	int64_t		loops;			/* 0: one for each core, as connections allow */
	int64_t		connections;	/* clients at once, whole process */
	int64_t		idle_timeout_s;
	int64_t		drain_notice_ms;	/* /readyz fails this long before we close */
	int64_t		drain_ms;		/* then requests get this long to end */
	char	   *log_level;
	bool		access_log;

	/* PostgreSQL */
	char	   *db_url;
	char	   *db_slow_url;
	char	   *db_replica_url;
	int64_t		db_replica_connections;
	char	   *db_direct_url;
	int64_t		db_connections;
	bool		db_prepare;
	int64_t		db_wait_ms;
	int64_t		db_queue;
	int64_t		slow_queue;
	int64_t		exports;

	/* Redis */
	char	   *redis_cache_url;
	char	   *redis_session_url;
	char	   *redis_limit_url;
	int64_t		redis_timeout_ms;
	int64_t		redis_in_flight;

	/* Deadlines of a request, by lane */
	int64_t		read_ms;
	int64_t		write_ms;
	int64_t		slow_ms;
	int64_t		stream_ms;

	/* Limits: requests a second and burst */
	int64_t		rate_api;
	int64_t		rate_api_burst;
	int64_t		rate_exam;
	int64_t		rate_exam_burst;
	int64_t		rate_ip;
	int64_t		rate_ip_burst;
	int64_t		rate_login_failures;	/* a minute, by address */
	char	   *trusted_proxies;	/* address/bits,... */
	char	   *trusted_nets;

	/* HTTP */
	char	   *cors_origins;	/* origins, or * */
	char	   *base_url;
	char	   *docs_dir;
	char	   *jwt_issuer;
	char	   *jwt_audience;
} Config;

/*
 * Reads the environment.  Gives false after having written every fault to
 * `faults`, so that an operator sees all of them at once.
 */
extern bool config_load(Config *c, FILE *faults);
extern void config_free(Config *c);
extern void config_help(FILE *out);
extern void config_print(const Config *c, FILE *out);	/* secrets masked */

#endif							/* DAEMON_CONFIG_H */
