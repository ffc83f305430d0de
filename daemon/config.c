/*
 * config.c
 *		Settings from the environment.
 */
#include "daemon/config.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/arena.h"

typedef enum SettingKind
{
	SETTING_TEXT,				/* NULL when empty */
	SETTING_SECRET,				/* as text; also NAME_FILE; never shown */
	SETTING_NUMBER,
	SETTING_SWITCH				/* on or off */
} SettingKind;

typedef struct Setting
{
	const char *name;
	SettingKind kind;
	size_t		offset;
	const char *fallback;
	int64_t		min;
	int64_t		max;
	const char *help;
} Setting;

#define TEXT(name, field, fallback, help) \
	{name, SETTING_TEXT, offsetof(Config, field), fallback, 0, 0, help}
#define SECRET(name, field, fallback, help) \
	{name, SETTING_SECRET, offsetof(Config, field), fallback, 0, 0, help}
#define NUMBER(name, field, fallback, min, max, help) \
	{name, SETTING_NUMBER, offsetof(Config, field), fallback, min, max, help}
#define SWITCH(name, field, fallback, help) \
	{name, SETTING_SWITCH, offsetof(Config, field), fallback, 0, 0, help}

static const Setting settings[] = {
	TEXT("COACH_ENV", env, "development", "development or production; production refuses defaults that are only good at home"),
	TEXT("COACH_LISTEN", listen, "127.0.0.1:8080", "address and port; not used when sockets are inherited (LISTEN_FDS)"),
	TEXT("COACH_INSTANCE", instance, "", "name of this process towards Redis and PostgreSQL (default: host name and process id)"),
	NUMBER("COACH_LOOPS", loops, "0", 0, 64, "event loops; 0: one for each core, as far as COACH_DB_CONNECTIONS allow"),
	NUMBER("COACH_CONNECTIONS", connections, "8192", 16, 1000000, "clients connected at once"),
	NUMBER("COACH_IDLE_TIMEOUT_S", idle_timeout_s, "30", 1, 3600, "an idle client is disconnected after this time"),
	NUMBER("COACH_DRAIN_NOTICE_MS", drain_notice_ms, "0", 0, 60000, "at SIGTERM /readyz fails this long before listening ends"),
	NUMBER("COACH_DRAIN_MS", drain_ms, "20000", 0, 600000, "and then running requests get this long to end"),
	TEXT("COACH_LOG_LEVEL", log_level, "info", "error, warning, info or debug"),
	SWITCH("COACH_ACCESS_LOG", access_log, "on", "a line for every request"),

	SECRET("COACH_DB_URL", db_url, "dbname=coach user=sc_app", "PostgreSQL, as libpq takes it"),
	SECRET("COACH_DB_SLOW_URL", db_slow_url, "", "for slow requests, whose role allows longer statements (default: COACH_DB_URL)"),
	SECRET("COACH_DB_REPLICA_URL", db_replica_url, "", "a streaming replica, for lists and reports that may be some seconds old; the same in every coachd"),
	NUMBER("COACH_DB_REPLICA_CONNECTIONS", db_replica_connections, "4", 1, 1000, "connections to it, besides one that watches it; at least one a loop"),
	SECRET("COACH_DB_DIRECT_URL", db_direct_url, "", "the primary without a pooler, for LISTEN, uploads and exports (default: COACH_DB_URL when COACH_DB_PREPARE is on)"),
	NUMBER("COACH_DB_CONNECTIONS", db_connections, "20", 8, 1000, "connections to the primary that this process may open"),
	SWITCH("COACH_DB_PREPARE", db_prepare, "on", "keep prepared statements on the server; off behind PgBouncer"),
	NUMBER("COACH_DB_WAIT_MS", db_wait_ms, "500", 10, 60000, "how long a request may wait for a connection"),
	NUMBER("COACH_DB_QUEUE", db_queue, "4096", 1, 1000000, "how many requests may wait in a lane of one loop"),
	NUMBER("COACH_SLOW_QUEUE", slow_queue, "256", 1, 100000, "the same for slow requests"),
	NUMBER("COACH_EXPORTS", exports, "2", 1, 100, "exports sent at once, row by row; each has one of the connections"),

	SECRET("COACH_REDIS_CACHE_URL", redis_cache_url, "redis://127.0.0.1:6379/0", "Redis of the cache: redis://[user:password@]host:port/db or unix:/path?db=0; - for none"),
	SECRET("COACH_REDIS_SESSION_URL", redis_session_url, "redis://127.0.0.1:6379/1", "Redis of sessions and revoked tokens; must not evict"),
	SECRET("COACH_REDIS_LIMIT_URL", redis_limit_url, "redis://127.0.0.1:6379/2", "Redis of rate limits"),
	NUMBER("COACH_REDIS_TIMEOUT_MS", redis_timeout_ms, "50", 1, 10000, "a command without an answer by then counts as failed"),
	NUMBER("COACH_REDIS_IN_FLIGHT", redis_in_flight, "10000", 16, 1000000, "commands waiting for answers on a link of one loop"),

	NUMBER("COACH_READ_MS", read_ms, "2000", 50, 600000, "deadline of a request on the read lane"),
	NUMBER("COACH_WRITE_MS", write_ms, "5000", 50, 600000, "on the write and hot lanes"),
	NUMBER("COACH_SLOW_MS", slow_ms, "30000", 50, 600000, "on the slow lane"),
	NUMBER("COACH_STREAM_MS", stream_ms, "600000", 1000, 3600000, "of an upload or export"),

	NUMBER("COACH_RATE_API", rate_api, "20", 1, 1000000, "requests a second of a user"),
	NUMBER("COACH_RATE_API_BURST", rate_api_burst, "60", 1, 1000000, "and how many at once"),
	NUMBER("COACH_RATE_EXAM", rate_exam, "10", 1, 1000000, "exam saves and submits a second of a user"),
	NUMBER("COACH_RATE_EXAM_BURST", rate_exam_burst, "30", 1, 1000000, "and how many at once"),
	NUMBER("COACH_RATE_IP", rate_ip, "100", 1, 1000000, "requests a second of an address without a valid token"),
	NUMBER("COACH_RATE_IP_BURST", rate_ip_burst, "200", 1, 1000000, "and how many at once"),
	NUMBER("COACH_RATE_LOGIN_FAILURES", rate_login_failures, "60", 1, 1000000, "failed log-ins a minute of an address"),
	TEXT("COACH_TRUSTED_PROXIES", trusted_proxies, "", "networks (address/bits, comma) whose X-Forwarded-For is believed"),
	TEXT("COACH_TRUSTED_NETS", trusted_nets, "", "networks of schools, with ten times the limits by address"),

	TEXT("COACH_CORS_ORIGINS", cors_origins, "", "origins (comma) whose pages may call the API; * for all"),
	TEXT("COACH_BASE_URL", base_url, "", "how clients reach the server, for OpenAPI (default: http://COACH_LISTEN)"),
	TEXT("COACH_DOCS_DIR", docs_dir, "build/docs", "files of /docs"),
	TEXT("COACH_JWT_ISSUER", jwt_issuer, "student-coach", "iss that access tokens must have"),
	TEXT("COACH_JWT_AUDIENCE", jwt_audience, "student-coach", "aud that access tokens must have"),
};

#define N_SETTINGS (sizeof(settings) / sizeof(settings[0]))
#define SECRET_MAX 4096

static char **
text_field(const Setting *s, const Config *c)
{
	return (char **) ((char *) c + s->offset);
}

/* The text of NAME_FILE's file without the final newline, or NULL. */
static char *
read_file(const char *path)
{
	FILE	   *f = fopen(path, "re");
	char		text[SECRET_MAX];
	size_t		len;

	if (f == NULL)
		return NULL;
	len = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
		len--;
	text[len] = '\0';

	return mem_strdup(text);
}

/* What the environment says, in memory of our own; false when unreadable. */
static bool
lookup(const Setting *s, char **value, FILE *faults)
{
	const char *text = getenv(s->name);

	if (text == NULL && s->kind == SETTING_SECRET)
	{
		char		name[80];
		const char *path;

		snprintf(name, sizeof(name), "%s_FILE", s->name);
		path = getenv(name);
		if (path != NULL)
		{
			*value = read_file(path);
			if (*value == NULL)
				fprintf(faults, "%s: cannot read %s: %s\n", name, path, strerror(errno));
			return *value != NULL;
		}
	}
	*value = mem_strdup(text != NULL && text[0] != '\0' ? text : s->fallback);
	return true;
}

static bool
set_number(const Setting *s, Config *c, const char *value, FILE *faults)
{
	char	   *end;
	long long	n;

	errno = 0;
	n = strtoll(value, &end, 10);
	if (errno != 0 || end == value || *end != '\0' || n < s->min || n > s->max)
	{
		fprintf(faults, "%s: %s is not a number from %lld to %lld\n", s->name,
				value, (long long) s->min, (long long) s->max);
		return false;
	}
	*(int64_t *) ((char *) c + s->offset) = n;
	return true;
}

static bool
set_switch(const Setting *s, Config *c, const char *value, FILE *faults)
{
	bool		on = strcmp(value, "on") == 0;

	if (!on && strcmp(value, "off") != 0)
	{
		fprintf(faults, "%s: %s is neither on nor off\n", s->name, value);
		return false;
	}
	*(bool *) ((char *) c + s->offset) = on;
	return true;
}

static bool
set(const Setting *s, Config *c, FILE *faults)
{
	char	   *value;
	bool		ok = true;

	if (!lookup(s, &value, faults))
		return false;
	switch (s->kind)
	{
		case SETTING_TEXT:
		case SETTING_SECRET:
			if (value[0] != '\0')
			{
				*text_field(s, c) = value;
				return true;
			}
			break;
		case SETTING_NUMBER:
			ok = set_number(s, c, value, faults);
			break;
		case SETTING_SWITCH:
			ok = set_switch(s, c, value, faults);
			break;
	}
	free(value);
	return ok;
}

/* Variables of ours that mean nothing are mostly spelling mistakes. */
static bool
check_unknown(FILE *faults)
{
	extern char **environ;
	bool		ok = true;

	for (char **e = environ; *e != NULL; e++)
	{
		size_t		len = strcspn(*e, "=");
		bool		known = strncmp(*e, "COACH_", 6) != 0
		|| strncmp(*e, "COACH_E2E_", 10) == 0
		|| strncmp(*e, "COACH_VAR=", 10) == 0
		|| strncmp(*e, "COACH_DEMO=", 11) == 0
		|| strncmp(*e, "COACH_UPKEEP_S=", 15) == 0
		|| strncmp(*e, "COACH_WORKER_", 13) == 0;

		for (size_t i = 0; i < N_SETTINGS && !known; i++)
		{
			size_t		n = strlen(settings[i].name);

			known = strncmp(*e, settings[i].name, n) == 0
				&& (len == n || (settings[i].kind == SETTING_SECRET
								 && len == n + 5 && strncmp(*e + n, "_FILE", 5) == 0));
		}
		if (!known)
		{
			fprintf(faults, "%.*s: no such setting\n", (int) len, *e);
			ok = false;
		}
	}
	return ok;
}

static void
fill_in(Config *c)
{
	char		host[128] = "coachd";
	char		name[160];

	if (c->instance == NULL)
	{
		(void) gethostname(host, sizeof(host) - 1);
		snprintf(name, sizeof(name), "%s-%ld", host, (long) getpid());
		c->instance = mem_strdup(name);
	}
	if (c->db_slow_url == NULL && c->db_url != NULL)
		c->db_slow_url = mem_strdup(c->db_url);
	if (c->db_direct_url == NULL && c->db_url != NULL && c->db_prepare)
		c->db_direct_url = mem_strdup(c->db_url);
	if (c->base_url == NULL)
	{
		snprintf(name, sizeof(name), "http://%.120s", c->listen);
		c->base_url = mem_strdup(name);
	}
}

bool
config_load(Config *c, FILE *faults)
{
	bool		ok = check_unknown(faults);
	static const char *const levels[] = {"error", "warning", "info", "debug"};
	bool		level_known = false;

	memset(c, 0, sizeof(*c));
	for (size_t i = 0; i < N_SETTINGS; i++)
	{
		if (!set(&settings[i], c, faults))
			ok = false;
	}
	if (!ok)
		return false;
	fill_in(c);
	for (size_t i = 0; i < 4; i++)
		level_known = level_known || strcmp(c->log_level, levels[i]) == 0;
	if (!level_known)
	{
		fprintf(faults, "COACH_LOG_LEVEL: %s is none of error, warning, info, debug\n",
				c->log_level);
		ok = false;
	}
	if (strcmp(c->env, "production") != 0 && strcmp(c->env, "development") != 0)
	{
		fprintf(faults, "COACH_ENV: %s is neither development nor production\n", c->env);
		ok = false;
	}
	if (strcmp(c->env, "production") == 0 && c->cors_origins != NULL
		&& strcmp(c->cors_origins, "*") == 0)
	{
		fprintf(faults, "COACH_CORS_ORIGINS: name the origins in production\n");
		ok = false;
	}
	if (strchr(c->instance, ':') != NULL || strchr(c->instance, ' ') != NULL)
	{
		fprintf(faults, "COACH_INSTANCE: no colons or spaces\n");
		ok = false;
	}
	return ok;
}

void
config_free(Config *c)
{
	for (size_t i = 0; i < N_SETTINGS; i++)
	{
		if (settings[i].kind == SETTING_TEXT || settings[i].kind == SETTING_SECRET)
			free(*text_field(&settings[i], c));
	}
	memset(c, 0, sizeof(*c));
}

void
config_help(FILE *out)
{
	fputs("coachd: the HTTP server of Student Coach\n\n"
		  "usage: coachd           serve\n"
		  "       coachd --check   read the settings, say what is wrong with them, exit\n"
		  "       coachd --help    this text\n\n"
		  "Settings are environment variables. Those marked * hold secrets and may be\n"
		  "given as NAME_FILE too, the name of a file with the value.\n\n", out);
	for (size_t i = 0; i < N_SETTINGS; i++)
	{
		const Setting *s = &settings[i];

		fprintf(out, "%s%s\n    %s", s->name, s->kind == SETTING_SECRET ? " *" : "", s->help);
		if (s->kind == SETTING_NUMBER)
			fprintf(out, " (%lld to %lld)", (long long) s->min, (long long) s->max);
		if (s->fallback[0] != '\0')
			fprintf(out, " [%s]", s->fallback);
		fputc('\n', out);
	}
}

void
config_print(const Config *c, FILE *out)
{
	for (size_t i = 0; i < N_SETTINGS; i++)
	{
		const Setting *s = &settings[i];
		const char *text;

		switch (s->kind)
		{
			case SETTING_TEXT:
				text = *text_field(s, c);

				fprintf(out, "%s=%s\n", s->name, text ? text : "");
				break;
			case SETTING_SECRET:
				fprintf(out, "%s=%s\n", s->name, *text_field(s, c) ? "(set)" : "");
				break;
			case SETTING_NUMBER:
				fprintf(out, "%s=%lld\n", s->name,
						(long long) *(const int64_t *) ((const char *) c + s->offset));
				break;
			case SETTING_SWITCH:
				fprintf(out, "%s=%s\n", s->name,
						*(const bool *) ((const char *) c + s->offset) ? "on" : "off");
				break;
		}
	}
}
