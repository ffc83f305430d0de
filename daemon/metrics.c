/*
 * metrics.c
 *		Counts and times of what was served, one set for each loop.
 *
 * Each number has one writer, so a relaxed load and store are enough to count.
 * A reader may see a request in one number and not yet in another; the next
 * scrape sees it in both.
 */
#include "daemon/metrics.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "daemon/arena.h"

#define MAX_ROUTES		1024
#define MAX_STATUSES	24		/* of one route; what is beyond counts as 0 */

/* Upper edges in microseconds. */
static const int64_t edges[] = {
	500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000,
	1000000, 2500000, 5000000, 10000000
};
static const char *const edge_names[] = {
	"0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5",
	"1", "2.5", "5", "10"
};

#define N_EDGES ((int) (sizeof(edges) / sizeof(edges[0])))

typedef struct Series
{
	atomic_ullong buckets[sizeof(edges) / sizeof(edges[0]) + 1];
	atomic_ullong sum_us;
	atomic_ullong bytes;
	struct
	{
		atomic_int	status;		/* 0: free */
		atomic_ullong count;
	}			by_status[MAX_STATUSES];
} Series;

struct Metrics
{
	_Atomic(Series *) series[MAX_ROUTES];
};

/* The names of all places; 0 is "no route". */
static pthread_mutex_t names_lock = PTHREAD_MUTEX_INITIALIZER;
static struct
{
	const char *method;
	char	   *path;
}			names[MAX_ROUTES] = {{"", ""}};
static int	n_names = 1;

static void
count(atomic_ullong * n, uint64_t by)
{
	atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + by,
						  memory_order_relaxed);
}

static uint64_t
value_of(atomic_ullong * n)
{
	return atomic_load_explicit(n, memory_order_relaxed);
}

Metrics *
metrics_new(void)
{
	return mem_alloc(sizeof(Metrics));
}

void
metrics_destroy(Metrics *m)
{
	for (int i = 0; i < MAX_ROUTES; i++)
		free(atomic_load(&m->series[i]));
	free(m);
}

int
metrics_route(const char *method, Str path)
{
	int			place = 0;

	pthread_mutex_lock(&names_lock);
	for (int i = 1; i < n_names && place == 0; i++)
	{
		if (strcmp(names[i].method, method) == 0 && strlen(names[i].path) == path.len
			&& memcmp(names[i].path, path.data, path.len) == 0)
			place = i;
	}
	if (place == 0 && n_names < MAX_ROUTES)
	{
		place = n_names++;
		names[place].method = method;
		names[place].path = mem_alloc(path.len + 1);
		memcpy(names[place].path, path.data, path.len);
	}
	pthread_mutex_unlock(&names_lock);
	return place;
}

void
metrics_request(Metrics *m, int route, int status, int64_t us, size_t bytes)
{
	Series	   *s = atomic_load_explicit(&m->series[route], memory_order_relaxed);
	int			edge = 0;
	int			i = 0;

	if (s == NULL)
	{
		s = mem_alloc(sizeof(Series));
		atomic_store_explicit(&m->series[route], s, memory_order_release);
	}
	while (edge < N_EDGES && us > edges[edge])
		edge++;
	count(&s->buckets[edge], 1);
	count(&s->sum_us, us > 0 ? (uint64_t) us : 0);
	count(&s->bytes, bytes);
	while (i < MAX_STATUSES - 1 && atomic_load(&s->by_status[i].status) != status
		   && atomic_load(&s->by_status[i].status) != 0)
		i++;
	if (atomic_load(&s->by_status[i].status) == 0)
		atomic_store(&s->by_status[i].status, i < MAX_STATUSES - 1 ? status : -1);
	count(&s->by_status[i].count, 1);
}

/* ---- rendering ---- */

void
metrics_family(Buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void
metrics_sample(Buf *out, const char *name, const char *labels, double value)
{
	buf_puts(out, name);
	if (labels != NULL)
		buf_printf(out, "{%s}", labels);
	buf_printf(out, " %.16g\n", value);
}

/* Routes come from the database: nothing in a template needs escaping but these. */
static void
label_text(char *to, size_t size, const char *from)
{
	size_t		n = 0;

	for (; *from != '\0' && n + 3 < size; from++)
	{
		if (*from == '"' || *from == '\\')
			to[n++] = '\\';
		if ((unsigned char) *from >= ' ')
			to[n++] = *from;
	}
	to[n] = '\0';
}

static void
route_labels(char *to, size_t size, int route)
{
	char		path[256];

	label_text(path, sizeof(path), names[route].path);
	snprintf(to, size, "route=\"%s\",method=\"%s\"", path, names[route].method);
}

/* One route's statuses, summed over the sets. */
static void
render_statuses(Metrics *const *sets, int n, int route, Buf *out)
{
	struct
	{
		int			status;
		uint64_t	count;
	}			sums[MAX_STATUSES * 2] = {{0}};
	char		labels[360];
	char		full[400];

	for (int set = 0; set < n; set++)
	{
		Series	   *s = atomic_load_explicit(&sets[set]->series[route], memory_order_acquire);

		for (int i = 0; s != NULL && i < MAX_STATUSES; i++)
		{
			int			status = atomic_load(&s->by_status[i].status);
			int			at = 0;

			if (status == 0)
				break;
			while (at < MAX_STATUSES * 2 - 1 && sums[at].status != status && sums[at].status != 0)
				at++;
			sums[at].status = status;
			sums[at].count += value_of(&s->by_status[i].count);
		}
	}
	route_labels(labels, sizeof(labels), route);
	for (int i = 0; i < MAX_STATUSES * 2 && sums[i].status != 0; i++)
	{
		if (sums[i].status > 0)
			snprintf(full, sizeof(full), "%s,status=\"%d\"", labels, sums[i].status);
		else
			snprintf(full, sizeof(full), "%s,status=\"other\"", labels);
		metrics_sample(out, "sc_http_requests_total", full, (double) sums[i].count);
	}
}

/* Adds one route up; false if nobody has asked for it yet. */
static bool
sum_series(Metrics *const *sets, int n, int route, uint64_t *buckets,
		   uint64_t *sum_us, uint64_t *bytes)
{
	bool		any = false;

	memset(buckets, 0, sizeof(uint64_t) * (size_t) (N_EDGES + 1));
	*sum_us = *bytes = 0;
	for (int set = 0; set < n; set++)
	{
		Series	   *s = atomic_load_explicit(&sets[set]->series[route], memory_order_acquire);

		if (s == NULL)
			continue;
		any = true;
		for (int i = 0; i <= N_EDGES; i++)
			buckets[i] += value_of(&s->buckets[i]);
		*sum_us += value_of(&s->sum_us);
		*bytes += value_of(&s->bytes);
	}
	return any;
}

static void
render_times(Metrics *const *sets, int n, int n_routes, Buf *out)
{
	uint64_t	buckets[sizeof(edges) / sizeof(edges[0]) + 1];
	uint64_t	sum_us;
	uint64_t	bytes;
	char		labels[360];
	char		full[400];

	metrics_family(out, "sc_http_request_duration_seconds", "histogram",
				   "Time from the request line to the end of the answer.");
	for (int route = 0; route < n_routes; route++)
	{
		uint64_t	below = 0;

		if (!sum_series(sets, n, route, buckets, &sum_us, &bytes))
			continue;
		route_labels(labels, sizeof(labels), route);
		for (int i = 0; i <= N_EDGES; i++)
		{
			below += buckets[i];
			snprintf(full, sizeof(full), "%s,le=\"%s\"", labels, i < N_EDGES ? edge_names[i] : "+Inf");
			metrics_sample(out, "sc_http_request_duration_seconds_bucket", full, (double) below);
		}
		metrics_sample(out, "sc_http_request_duration_seconds_sum", labels, (double) sum_us / 1e6);
		metrics_sample(out, "sc_http_request_duration_seconds_count", labels, (double) below);
	}

	metrics_family(out, "sc_http_response_bytes_total", "counter", "Bytes of answer bodies.");
	for (int route = 0; route < n_routes; route++)
	{
		if (!sum_series(sets, n, route, buckets, &sum_us, &bytes))
			continue;
		route_labels(labels, sizeof(labels), route);
		metrics_sample(out, "sc_http_response_bytes_total", labels, (double) bytes);
	}
}

void
metrics_render(Metrics *const *sets, int n, Buf *out)
{
	int			n_routes;

	/* Names are never changed once they are there. */
	pthread_mutex_lock(&names_lock);
	n_routes = n_names;
	pthread_mutex_unlock(&names_lock);

	metrics_family(out, "sc_http_requests_total", "counter",
				   "Requests by route template, method and status.");
	for (int route = 0; route < n_routes; route++)
		render_statuses(sets, n, route, out);
	render_times(sets, n, n_routes, out);
}

/* The nth number after the command name in /proc/self/stat, from 1 on. */
static double
proc_stat(int nth)
{
	char		text[1024];
	FILE	   *f = fopen("/proc/self/stat", "re");
	size_t		len = f != NULL ? fread(text, 1, sizeof(text) - 1, f) : 0;
	char	   *p;

	if (f != NULL)
		fclose(f);
	text[len] = '\0';

	p = strrchr(text, ')');
	for (; p != NULL && nth > 0; nth--)
	{
		p = strchr(p, ' ');
		if (p != NULL)
			p++;
	}
	return p != NULL ? atof(p) : 0;
}

static int
open_descriptors(void)
{
	DIR		   *dir = opendir("/proc/self/fd");
	int			n = 0;

	if (dir == NULL)
		return 0;
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n - 3;				/* ".", ".." and the directory itself */
}

void
metrics_render_process(Buf *out)
{
	struct rusage usage;
	struct rlimit files;
	struct timespec boot;
	struct timespec wall;
	double		started;

	getrusage(RUSAGE_SELF, &usage);
	getrlimit(RLIMIT_NOFILE, &files);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_gettime(CLOCK_REALTIME, &wall);
	started = (double) (wall.tv_sec - boot.tv_sec)
		+ proc_stat(20) / (double) sysconf(_SC_CLK_TCK);

	metrics_family(out, "process_cpu_seconds_total", "counter", "CPU time, user and system.");
	metrics_sample(out, "process_cpu_seconds_total", NULL,
				   (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
				   + (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
	metrics_family(out, "process_resident_memory_bytes", "gauge", "Memory in use.");
	metrics_sample(out, "process_resident_memory_bytes", NULL,
				   proc_stat(22) * (double) sysconf(_SC_PAGESIZE));
	metrics_family(out, "process_open_fds", "gauge", "Open file descriptors.");
	metrics_sample(out, "process_open_fds", NULL, open_descriptors());
	metrics_family(out, "process_max_fds", "gauge", "How many there may be.");
	metrics_sample(out, "process_max_fds", NULL, (double) files.rlim_cur);
	metrics_family(out, "process_start_time_seconds", "gauge", "When the process started, since 1970.");
	metrics_sample(out, "process_start_time_seconds", NULL, started);
}
