/*
 * main.c
 *		coachd: starts the loops, waits for signals, ends in good order.
 *
 * The main thread does nothing but wait: SIGTERM and SIGINT drain and stop,
 * SIGUSR1 too, when another coachd has taken over, and SIGHUP loads routes and
 * keys anew.
 *
 * Draining: /readyz fails, so that balancers look elsewhere; after a notice
 * time we stop accepting, answers say "Connection: close", and requests get
 * their time to end.  With a successor on the same sockets nobody needs to look
 * elsewhere: /readyz goes on, and accepting stops at once.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "daemon/arena.h"
#include "daemon/config.h"
#include "daemon/log.h"
#include "daemon/metrics.h"
#include "shim/epoch.h"
#include "shim/gate.h"
#include "shim/handover.h"
#include "shim/stats.h"
#include "shim/page.h"
#include "shim/reload.h"
#include "shim/replica.h"
#include "shim/server.h"

#define LISTEN_FDS_START 3
#define LISTENER_CONNECTIONS 1
#define UPLOAD_CONNECTIONS 1

/* What every loop must have at least: read, hot, write, slow. */
#define LOOP_CONNECTIONS_MIN 4

static int
cores(void)
{
	long		n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : (int) n;
}

/* What belongs to no loop: the listener's, an upload's, those of exports. */
static int
connections_apart(const Config *c)
{
	return LISTENER_CONNECTIONS + UPLOAD_CONNECTIONS + (int) c->exports;
}

static int
connections_left(const Config *c)
{
	return (int) c->db_connections - connections_apart(c);
}

/* How many loops; 0 when the settings do not fit together. */
static int
count_loops(const Config *c, int sockets, FILE *faults)
{
	int			most = connections_left(c) / LOOP_CONNECTIONS_MIN;
	int			n = (int) c->loops;

	if (n == 0)
		n = most < 1 ? 1 : cores() < most ? cores() : most;
	if (c->loops == 0 && n < sockets)
		n = sockets;
	if (n > most)
	{
		fprintf(faults, "COACH_DB_CONNECTIONS: %d loops need at least %d connections\n", n,
				n * LOOP_CONNECTIONS_MIN + connections_apart(c));
		return 0;
	}
	if (n < sockets)
	{
		fprintf(faults, "COACH_LOOPS: %d sockets were inherited, and each needs a loop\n", sockets);
		return 0;
	}
	return n;
}

/*
 * One loop's share of the connections.  The fast lanes want few: two readers
 * and two writers; what is left is for slow requests, which are one to a
 * connection.
 */
static void
share_connections(const Config *c, int loops, PgPoolOptions *o)
{
	int			share = connections_left(c) / loops;

	o->connections[PG_LANE_READ] = share >= 6 ? 2 : 1;
	o->connections[PG_LANE_HOT] = 1;
	o->connections[PG_LANE_WRITE] = share >= 8 ? 2 : 1;
	share -= o->connections[PG_LANE_READ] + o->connections[PG_LANE_HOT]
		+ o->connections[PG_LANE_WRITE];
	o->connections[PG_LANE_SLOW] = share < 16 ? share : 16;

	share = (int) c->db_replica_connections / loops;
	o->connections[PG_LANE_REPLICA] = share > 0 ? share : 1;
}

static PgPool *
make_pool(const Config *c, Loop *loop, int loops)
{
	PgPoolOptions o = {
		.url = c->db_url, .slow_url = c->db_slow_url, .replica_url = c->db_replica_url,
		.prepare = c->db_prepare, .wait_ms = (int) c->db_wait_ms,
		.queue = (int) c->db_queue, .slow_queue = (int) c->slow_queue
	};

	o.statement_ms[PG_LANE_READ] = 250;
	o.statement_ms[PG_LANE_HOT] = (int) c->write_ms;
	o.statement_ms[PG_LANE_WRITE] = (int) c->write_ms;
	o.statement_ms[PG_LANE_SLOW] = (int) c->slow_ms;
	o.statement_ms[PG_LANE_STREAM] = (int) c->stream_ms;
	o.statement_ms[PG_LANE_REPLICA] = (int) c->slow_ms;
	share_connections(c, loops, &o);
	return pgpool_new(loop, &o);
}

/* One listening socket for each loop, inherited or our own. */
static bool
make_sockets(Process *p, int inherited)
{
	for (int i = 0; i < p->n_servers; i++)
	{
		Server	   *s = &p->servers[i];

		if (i < inherited)
			s->listen_fd = LISTEN_FDS_START + i;
		else if (inherited > 0)
			s->listen_fd = dup(LISTEN_FDS_START + i % inherited);
		else
			s->listen_fd = net_listen(p->config->listen, p->n_servers > 1);
		if (s->listen_fd < 0)
		{
			fprintf(stderr, "cannot listen on %s: %s\n", p->config->listen, strerror(errno));
			return false;
		}
	}
	return true;
}

static bool
make_servers(Process *p, int inherited)
{
	if (!make_sockets(p, inherited))
		return false;
	for (int i = 0; i < p->n_servers; i++)
	{
		Server	   *s = &p->servers[i];

		s->process = p;
		s->config = p->config;
		s->index = i;
		s->loop = loop_new(i);
		if (s->loop == NULL)
			return false;
		s->metrics = metrics_new();
		s->pg = make_pool(p->config, s->loop, p->n_servers);
		s->gate = gate_new(s);
		if (s->gate == NULL)
		{
			fprintf(stderr, "a Redis URL makes no sense\n");
			return false;
		}
		stats_start(s);
		server_start(s);
		if (p->sockets != SOCKETS_OWN)
			handover_start(s);
		else if (!server_open(s))
		{
			fprintf(stderr, "cannot start the HTTP server\n");
			return false;
		}
	}
	return true;
}

static void *
run(void *arg)
{
	loop_run(((Server *) arg)->loop);
	return NULL;
}

static void
quiesce(LoopTask *task)
{
	server_quiesce(task->data);
}

static void
sleep_ms(int64_t ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000};

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

/* Tells the other processes that we end on purpose. */
typedef struct Farewell
{
	LoopTask	task;
	atomic_bool said;
} Farewell;

static void
farewell_said(void *data)
{
	atomic_store(&((Farewell *) data)->said, true);
}

static void
farewell(LoopTask *task)
{
	Process    *p = task->data;

	gate_farewell(p->servers[0].gate, farewell_said, p->farewell);
}

static void
say_farewell(Process *p)
{
	p->farewell = mem_alloc(sizeof(Farewell));
	p->farewell->task.fn = farewell;
	p->farewell->task.data = p;
	loop_post(p->servers[0].loop, &p->farewell->task);
	for (int i = 0; i < 50 && !atomic_load(&p->farewell->said); i++)
		sleep_ms(10);
}

static void
drain(Process *p, bool replaced)
{
	LoopTask   *tasks = mem_alloc(sizeof(LoopTask) * (size_t) p->n_servers);
	int64_t		left = p->config->drain_ms;

	log_info(replaced ? "replaced, draining" : "draining");
	atomic_store(&p->replaced, replaced);
	atomic_store(&p->draining, true);
	if (!replaced)
		sleep_ms(p->config->drain_notice_ms);
	for (int i = 0; i < p->n_servers; i++)
	{
		tasks[i].fn = quiesce;
		tasks[i].data = &p->servers[i];
		loop_post(p->servers[i].loop, &tasks[i]);
	}
	for (; left > 0; left -= 20)
	{
		bool		all = true;

		for (int i = 0; i < p->n_servers; i++)
			all = all && atomic_load(&p->servers[i].drained);
		if (all)
			break;
		sleep_ms(20);
	}
	say_farewell(p);
	for (int i = 0; i < p->n_servers; i++)
		loop_stop(p->servers[i].loop);
	log_info("drained, stopping");
	p->tasks = tasks;
}

static void
serve(Process *p, const sigset_t *signals)
{
	pthread_t  *threads = mem_alloc(sizeof(pthread_t) * (size_t) p->n_servers);
	int			signal = 0;

	p->reload = reload_new(p);
	p->replica = replica_new(p);
	for (int i = 0; i < p->n_servers; i++)
	{
		if (pthread_create(&threads[i], NULL, run, &p->servers[i]) != 0)
			abort();
	}
	log_info("coachd %s listens on %s with %d loops", p->config->instance,
			 p->config->listen, p->n_servers);
	while (signal != SIGTERM && signal != SIGINT && signal != SIGUSR1)
	{
		if (sigwait(signals, &signal) == 0 && signal == SIGHUP)
			reload_ask(p);
	}
	drain(p, signal == SIGUSR1);
	for (int i = 0; i < p->n_servers; i++)
		pthread_join(threads[i], NULL);
	if (p->epoch != NULL)
		epoch_stop(p->epoch);
	for (int i = 0; i < p->n_servers; i++)
	{
		handover_stop(&p->servers[i]);
		server_stop(&p->servers[i]);
	}
	reload_destroy(p->reload);
	replica_destroy(p->replica);
	for (int i = 0; i < p->n_servers; i++)
	{
		stats_stop(&p->servers[i]);
		metrics_destroy(p->servers[i].metrics);
		loop_destroy(p->servers[i].loop);
	}
	free(p->farewell);
	free(p->tasks);
	free(threads);
}

static LogLevel
log_level(const char *name)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};
	int			level = 0;

	while (level < 3 && strcmp(names[level], name) != 0)
		level++;
	return (LogLevel) level;
}

/* Everything that can be found wrong without starting. */
static bool
check(const Config *c, Process *p, int *loops, int inherited)
{
	bool		ok = true;

	*loops = count_loops(c, inherited, stderr);
	if (*loops == 0)
		ok = false;
	if (!nets_parse(c->trusted_proxies, &p->proxies))
	{
		fprintf(stderr, "COACH_TRUSTED_PROXIES: not a list of address/bits\n");
		ok = false;
	}
	if (!nets_parse(c->trusted_nets, &p->schools))
	{
		fprintf(stderr, "COACH_TRUSTED_NETS: not a list of address/bits\n");
		ok = false;
	}
	return ok;
}

static void
raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
	{
		limit.rlim_cur = limit.rlim_max;
		(void) setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int
main(int argc, char **argv)
{
	Config		config;
	Process		process = {.config = &config};
	sigset_t	signals;
	int			inherited = 0;
	int			status = 1;

	if (argc == 2 && strcmp(argv[1], "--help") == 0)
	{
		config_help(stdout);
		return 0;
	}
	if (argc > 2 || (argc == 2 && strcmp(argv[1], "--check") != 0))
	{
		fprintf(stderr, "usage: coachd [--check | --help]\n");
		return 2;
	}
	inherited = handover_inherited(&process.sockets);
	if (!config_load(&config, stderr)
		|| !check(&config, &process, &process.n_servers, inherited))
		goto out;
	if (argc == 2)
	{
		config_print(&config, stdout);
		status = 0;
		goto out;
	}

	/* Threads inherit the mask: signals reach sigwait() alone. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	raise_file_limit();
	pgpool_set_cap(PG_COST_HASH, cores() > 2 ? cores() / 2 : 1);
	pgpool_set_cap(PG_COST_CPU, cores() > 2 ? cores() - 1 : 1);

	log_start(log_level(config.log_level));
	page_load(config.docs_dir);
	process.servers = mem_alloc(sizeof(Server) * (size_t) process.n_servers);
	if (make_servers(&process, inherited))
	{
		serve(&process, &signals);
		status = atomic_load(&process.misfit) ? 1 : 0;
	}
	log_stop();
	page_unload();
	free(process.servers);

out:
	nets_free(&process.proxies);
	nets_free(&process.schools);
	config_free(&config);
	return status;
}
