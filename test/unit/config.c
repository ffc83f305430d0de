/*
 * config.c
 *		Settings from the environment.
 *
 * links: daemon/config.c daemon/arena.c
 */
#include "daemon/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int	failures;

static void
check(bool ok, const char *what)
{
	if (!ok)
	{
		printf("failed: %s\n", what);
		failures++;
	}
}

/* Loads under one variable; what was complained of is in faults. */
static bool
load(const char *name, const char *value, Config *c, char **faults)
{
	size_t		size;
	FILE	   *f = open_memstream(faults, &size);
	bool		ok;

	setenv(name, value, 1);
	ok = config_load(c, f);
	unsetenv(name);
	fclose(f);
	return ok;
}

static void
refused(const char *name, const char *value)
{
	Config		c;
	char	   *faults = NULL;

	check(!load(name, value, &c, &faults), name);
	check(faults != NULL && strstr(faults, name) != NULL, "the fault names the variable");
	free(faults);
	config_free(&c);
}

static void
test_secret_file(void)
{
	char		path[] = "/tmp/coach-config-XXXXXX";
	int			fd = mkstemp(path);
	Config		c;
	char	   *faults = NULL;
	char	   *text = NULL;
	size_t		size;
	FILE	   *out;

	check(fd >= 0 && write(fd, "host=x password=hush\n", 21) == 21, "file");
	close(fd);
	check(load("COACH_DB_URL_FILE", path, &c, &faults), "a secret from a file");
	check(c.db_url != NULL && strcmp(c.db_url, "host=x password=hush") == 0, "without its newline");
	check(c.db_slow_url != NULL && strcmp(c.db_slow_url, c.db_url) == 0, "what follows from it");
	out = open_memstream(&text, &size);
	config_print(&c, out);
	fclose(out);
	check(strstr(text, "hush") == NULL && strstr(text, "COACH_DB_URL=(set)") != NULL, "is never shown");
	free(text);
	free(faults);
	config_free(&c);
	unlink(path);
	refused("COACH_DB_URL_FILE", path);
}

int
main(void)
{
	Config		c;
	char	   *faults = NULL;

	clearenv();
	check(load("UNRELATED", "x", &c, &faults), "defaults are good");
	check(faults[0] == '\0' && c.db_prepare && c.db_connections == 20 && c.cors_origins == NULL
		  && strcmp(c.base_url, "http://127.0.0.1:8080") == 0, "and what they should be");
	free(faults);
	config_free(&c);

	check(load("COACH_RATE_API", "", &c, &faults) && c.rate_api == 20, "empty means the default");
	free(faults);
	config_free(&c);
	check(load("COACH_DB_PREPARE", "off", &c, &faults) && !c.db_prepare && c.db_direct_url == NULL, "a pooler is not for LISTEN");
	free(faults);
	config_free(&c);

	refused("COACH_LOOPS", "-1");
	refused("COACH_LOOPS", "65");
	refused("COACH_LOOPS", "2x");
	refused("COACH_LOOPS", "99999999999999999999");
	refused("COACH_DB_PREPARE", "yes");
	refused("COACH_ENV", "prod");
	refused("COACH_LOG_LEVEL", "loud");
	refused("COACH_RATE_APIS", "1");
	refused("COACH_LOOPS_FILE", "/dev/null");
	refused("COACH_INSTANCE", "a:b");
	test_secret_file();

	setenv("COACH_ENV", "production", 1);
	refused("COACH_CORS_ORIGINS", "*");
	return failures != 0;
}
