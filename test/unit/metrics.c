/*
 * metrics.c
 *		The text that Prometheus reads, read back strictly.
 *
 * links: daemon/metrics.c daemon/buf.c daemon/arena.c
 */
#include "daemon/metrics.h"

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* The value of a sample, or -1. */
static double
sample(const char *text, const char *name)
{
	size_t		len = strlen(name);

	for (const char *p = text; (p = strstr(p, name)) != NULL; p++)
	{
		if ((p == text || p[-1] == '\n') && p[len] == ' ')
			return atof(p + len + 1);
	}
	return -1;
}

/* {name="value",...}, values quoted and escaped; gives the end or NULL. */
static const char *
read_labels(const char *p)
{
	if (*p++ != '{')
		return NULL;
	for (;;)
	{
		if (!isalpha((unsigned char) *p) && *p != '_')
			return NULL;
		while (isalnum((unsigned char) *p) || *p == '_')
			p++;
		if (*p++ != '=' || *p++ != '"')
			return NULL;
		while (*p != '"')
		{
			if (*p == '\0' || *p == '\n')
				return NULL;
			if (*p == '\\' && strchr("\\\"n", *++p) == NULL)
				return NULL;
			p++;
		}
		p++;
		if (*p == '}')
			return p + 1;
		if (*p++ != ',')
			return NULL;
	}
}

/*
 * Every line is HELP, TYPE or a sample of the family announced last, and no
 * family comes twice.
 */
static bool
is_well_formed(const char *text)
{
	char		family[124] = "";
	char		seen[8192] = "\n";

	for (const char *p = text; *p != '\0';)
	{
		const char *end = strchr(p, '\n');
		char		line[600];
		char		name[128];
		const char *q = line;
		char	   *rest;

		if (end == NULL || (size_t) (end - p) >= sizeof(line))
			return false;
		snprintf(line, sizeof(line), "%.*s", (int) (end - p), p);
		p = end + 1;
		if (strncmp(line, "# HELP ", 7) == 0)
		{
			if (sscanf(line + 7, "%120s", family) != 1)
				return false;
			snprintf(name, sizeof(name), "\n%s\n", family);
			if (strstr(seen, name) != NULL)
				return false;
			strcat(seen, family);
			strcat(seen, "\n");
			continue;
		}
		if (strncmp(line, "# TYPE ", 7) == 0)
		{
			if (strncmp(line + 7, family, strlen(family)) != 0)
				return false;
			continue;
		}
		if (strncmp(line, family, strlen(family)) != 0)
			return false;
		while (isalnum((unsigned char) *q) || *q == '_')
			q++;
		if (*q == '{')
			q = read_labels(q);
		if (q == NULL || *q != ' ')
			return false;
		(void) strtod(q + 1, &rest);
		if (rest == q + 1 || *rest != '\0')
			return false;
	}
	return true;
}

static Metrics *sets[2];

static void *
serve(void *arg)
{
	int			route = metrics_route("GET", (Str) {"/courses/{course_id}", 20});

	for (int i = 0; i < 10000; i++)
		metrics_request(arg, route, i % 10 == 0 ? 404 : 200, i % 2 ? 100000 : 100001, 10);
	return NULL;
}

int
main(void)
{
	pthread_t	threads[2];
	Buf			out;
	int			odd = metrics_route("POST", (Str) {"/odd\"\\", 6});

	buf_init(&out, 1 << 20);
	for (int i = 0; i < 2; i++)
	{
		sets[i] = metrics_new();
		check(pthread_create(&threads[i], NULL, serve, sets[i]) == 0, "thread");
	}
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	metrics_request(sets[0], 0, 404, 700000000, 0);
	metrics_request(sets[1], odd, 201, 0, 5);
	check(metrics_route("POST", (Str) {"/odd\"\\", 6}) == odd, "a name has one place");
	check(metrics_route("GET", (Str) {"/odd\"\\", 6}) != odd, "the method is part of it");
	for (int status = 100; status < 160; status++)
		metrics_request(sets[0], odd, status, 1, 1);

	metrics_render(sets, 2, &out);
	metrics_render_process(&out);
	check(is_well_formed(out.data), "well formed");

#define R "{route=\"/courses/{course_id}\",method=\"GET\""
	check(sample(out.data, "sc_http_requests_total" R ",status=\"200\"}") == 18000, "counts of all loops");
	check(sample(out.data, "sc_http_requests_total" R ",status=\"404\"}") == 2000, "by status");
	check(sample(out.data, "sc_http_request_duration_seconds_bucket" R ",le=\"0.05\"}") == 0, "edge below");
	check(sample(out.data, "sc_http_request_duration_seconds_bucket" R ",le=\"0.1\"}") == 10000, "an edge belongs to its bucket");
	check(sample(out.data, "sc_http_request_duration_seconds_bucket" R ",le=\"0.5\"}") == 20000, "edge at 0.5 s");
	check(sample(out.data, "sc_http_request_duration_seconds_bucket" R ",le=\"+Inf\"}") == 20000, "all");
	check(sample(out.data, "sc_http_request_duration_seconds_count" R "}") == 20000, "count");
	check(sample(out.data, "sc_http_request_duration_seconds_sum" R "}") > 2000, "sum");
	check(sample(out.data, "sc_http_response_bytes_total" R "}") == 200000, "bytes");
	check(sample(out.data, "sc_http_requests_total{route=\"\",method=\"\",status=\"404\"}") == 1, "no route");
	check(strstr(out.data, "route=\"/odd\\\"\\\\\"") != NULL, "labels are escaped");
	check(strstr(out.data, "status=\"other\"") != NULL, "too many statuses end in one");
	check(sample(out.data, "process_resident_memory_bytes") > 1e5, "memory");
	check(sample(out.data, "process_cpu_seconds_total") >= 0, "CPU");
	check(sample(out.data, "process_open_fds") >= 3, "descriptors");
	check(sample(out.data, "process_start_time_seconds") > 1.6e9, "start");

	buf_free(&out);
	for (int i = 0; i < 2; i++)
		metrics_destroy(sets[i]);
	return failures != 0;
}
