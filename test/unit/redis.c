/*
 * redis.c
 *		The link to Redis against a real server: order, deadlines, loss; and
 *		the scripts that run inside it.
 *
 * links: daemon/redis.c daemon/redisurl.c daemon/resolve.c daemon/loop.c
 * links: daemon/buf.c daemon/arena.c daemon/log.c shim/scripts.c -lhiredis
 */
#include "daemon/redis.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/arena.h"
#include "shim/scripts.h"

#define TIMEOUT_MS 100

static int	failures;
static Loop *loop;
static Redis *redis;
static char folder[64];
static pid_t server;

static void
check(bool ok, const char *what)
{
	if (!ok)
	{
		printf("failed: %s\n", what);
		failures++;
	}
}

/* ---- a server ---- */

static void
start_server(void)
{
	char		socket[100];

	snprintf(socket, sizeof(socket), "%s/s", folder);
	unlink(socket);
	server = fork();
	if (server == 0)
	{
		execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", socket,
			   "--enable-debug-command", "yes", "--save", "", "--dir", folder, "--logfile", "/dev/null", (char *) NULL);
		_exit(127);
	}
}

static void
kill_server(void)
{
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
}

/* ---- running the loop until something holds ---- */

static LoopTimer watch;
static bool (*awaited) (void);
static int	ticks;

static void
look(LoopTimer *t)
{
	if (awaited() || ticks++ > 3000)
		loop_stop(loop);
	else
		loop_timer_set(loop, t, 2);
}

/*
 * loop_run() may be entered once only, so the tests run as steps of one run:
 * each begins when what the one before waits for holds.
 */
typedef struct Step
{
	const char *name;
	void		(*begin) (void);
	bool		(*ended) (void);
	void		(*verify) (void);
} Step;

static const Step *step;

static bool
is_up(void)
{
	return redis_is_up(redis);
}

static bool
is_down(void)
{
	return redis_run_id(redis)[0] == '\0';
}

/* ---- commands that note their answer ---- */

#define MAX_NOTES 400

typedef struct Note
{
	RedisCmd	cmd;
	bool		sent;
	bool		done;
	bool		failed;
	int64_t		number;
	char		text[120];
} Note;

static Note notes[MAX_NOTES];
static int	n_notes;
static int	n_done;

static void
answered(RedisCmd *cmd, const RedisReply *reply)
{
	Note	   *note = cmd->data;

	note->done = true;
	note->failed = reply == NULL;
	n_done++;
	if (reply == NULL)
		return;
	if (redis_count(reply) > 0)
	{
		size_t		len = 0;

		note->number = redis_int(redis_at(reply, 0));
		for (int i = 0; i < redis_count(reply) && len < sizeof(note->text); i++)
			len += (size_t) snprintf(note->text + len, sizeof(note->text) - len, "%s%lld",
									 i ? " " : "", (long long) redis_int(redis_at(reply, i)));
		return;
	}
	note->number = redis_int(reply);
	snprintf(note->text, sizeof(note->text), "%.*s", (int) redis_text(reply).len, redis_text(reply).data);
}

static Note *
new_note(void)
{
	Note	   *note = &notes[n_notes++];

	memset(note, 0, sizeof(*note));
	note->cmd.done = answered;
	note->cmd.data = note;
	return note;
}

static Str
str(const char *s)
{
	return (Str) {s, strlen(s)};
}

/* Sends words cut by blanks. */
static Note *
ask(int db, const char *line)
{
	static char copies[MAX_NOTES][200];
	Str			argv[16];
	int			argc = 0;
	Note	   *note = new_note();
	char	   *save = NULL;

	snprintf(copies[n_notes - 1], sizeof(copies[0]), "%s", line);
	for (char *w = strtok_r(copies[n_notes - 1], " ", &save); w != NULL; w = strtok_r(NULL, " ", &save))
		argv[argc++] = str(w);
	note->sent = redis_send(redis, db, &note->cmd, argc, argv);
	return note;
}

static Note *
eval(Script script, int nkeys, const char *line)
{
	static char copies[MAX_NOTES][300];
	Str			argv[16];
	int			argc = 0;
	Note	   *note = new_note();
	char	   *save = NULL;

	snprintf(copies[n_notes - 1], sizeof(copies[0]), "%s", line);
	for (char *w = strtok_r(copies[n_notes - 1], " ", &save); w != NULL; w = strtok_r(NULL, " ", &save))
		argv[argc++] = str(w);
	note->sent = redis_eval(redis, 1, &note->cmd, script, nkeys, argc, argv);
	return note;
}

static bool
all_done(void)
{
	int			sent = 0;

	for (int i = 0; i < n_notes; i++)
		sent += notes[i].sent;
	return n_done == sent;
}

static bool
text_is(int i, const char *text)
{
	return notes[i].done && !notes[i].failed && strcmp(notes[i].text, text) == 0;
}

/* ---- the steps ---- */

/* Three databases in turn: every answer finds its question. */
static void
send_many(void)
{
	char		line[80];

	for (int i = 0; i < 99; i++)
	{
		snprintf(line, sizeof(line), "SET key%d db%d-%d", i / 3, i % 3, i);
		ask(i % 3, line);
	}
	for (int i = 0; i < 99; i++)
	{
		snprintf(line, sizeof(line), "GET key%d", i / 3);
		ask(i % 3, line);
	}
}

static void
verify_many(void)
{
	char		text[40];

	for (int i = 0; i < 99; i++)
	{
		snprintf(text, sizeof(text), "db%d-%d", i % 3, i);
		check(text_is(i, "OK"), "SET answers OK");
		check(text_is(99 + i, text), "GET gives what was set in its database");
	}
}

static void
send_error(void)
{
	ask(0, "NOSUCHCOMMAND a");
	ask(0, "PING");
}

static void
verify_error(void)
{
	check(notes[0].failed, "an error is no answer");
	check(text_is(1, "PONG"), "and harms no neighbour");
	check(redis_is_up(redis), "nor the link");
}

/* A server that hangs: one deadline for who waits, then nobody waits. */
static int64_t hung_ms;

static void
send_hang(void)
{
	hung_ms = loop_now_ms(loop);
	ask(0, "SET late yes");
	ask(0, "DEBUG SLEEP 0.4");
	ask(0, "GET late");
	ask(1, "PING");
}

static bool
hang_given_up(void)
{
	return all_done();
}

static void
verify_hang(void)
{
	RedisStats	stats;

	for (int i = 0; i < 4; i++)
		check(notes[i].failed, "what is not answered is given up");
	check(loop_now_ms(loop) - hung_ms < 300, "at its deadline");
	check(!redis_is_up(redis) && !is_down(), "the link is suspect");
	check(!ask(0, "PING")->sent, "and takes no commands");
	redis_stats(redis, &stats);
	check(stats.timeouts == 4 && stats.refused == 1, "which is counted");
}

static void
after_hang(void)
{
	ask(0, "GET late");
	ask(1, "ECHO own");
}

static void
verify_after_hang(void)
{
	RedisStats	stats;

	check(text_is(0, "yes") && text_is(1, "own"), "late answers reach nobody, though the commands ran");
	redis_stats(redis, &stats);
	check(stats.connects == 1, "the link was kept");
}

static void
send_too_many(void)
{
	for (int i = 0; i < 320; i++)
		ask(0, "PING");
}

static void
verify_too_many(void)
{
	check(notes[299].sent && !notes[300].sent, "in flight is bounded");
	check(text_is(299, "PONG"), "up to the bound all are answered");
}

static char old_id[64];

static void
kill_with_command(void)
{
	snprintf(old_id, sizeof(old_id), "%s", redis_run_id(redis));
	ask(0, "DEBUG SLEEP 5");
	ask(0, "PING");
}

static bool
some_ticks(void)
{
	static int	n;

	if (++n < 5)
		return false;
	kill_server();
	return true;
}

static void
verify_nothing(void)
{
}

static void
no_begin(void)
{
}

static bool
lost(void)
{
	return is_down() && all_done();
}

static void
verify_lost(void)
{
	check(notes[0].failed && notes[1].failed, "a lost link ends what was in flight");
	check(!ask(0, "PING")->sent, "and takes nothing more");
	start_server();
}

static void
verify_back(void)
{
	check(strcmp(redis_run_id(redis), old_id) != 0, "another server has another run id");
}

/* A server whose scripts are gone: the link comes back with them. */
static void
flush_scripts(void)
{
	ask(0, "SCRIPT FLUSH");
	eval(SCRIPT_BUCKET, 1, "b 1000000 5 5000 1");
}

static void
verify_flushed(void)
{
	check(notes[1].failed, "a script that is gone fails");
}

static void
bucket_again(void)
{
	for (int i = 0; i < 5; i++)
		eval(SCRIPT_BUCKET, 1, "b2 10000000 5 50000 1");
	eval(SCRIPT_BUCKET, 1, "b2 10000000 5 50000 1");
	eval(SCRIPT_BUCKET, 1, "b3 10000000 5 50000 0");
	eval(SCRIPT_BUCKET, 1, "b3 10000000 5 50000 0");
	ask(1, "PTTL b2");
	ask(1, "EXISTS b3");
	eval(SCRIPT_BUCKET, 5, "b4 b5 b4 b2 b4 10000000 2 20000 1");
	eval(SCRIPT_BUCKET, 3, "b4 b5 b5 10000000 2 20000 0");
}

static void
verify_bucket(void)
{
	for (int i = 0; i < 5; i++)
		check(notes[i].number == 4 - i, "five tokens");
	check(notes[5].number < -9000 && notes[5].number >= -10000, "then one in ten seconds");
	check(notes[6].number == 4 && notes[7].number == 4, "looking takes none");
	check(notes[8].number > 45000 && notes[8].number <= 50000, "a bucket lives until it is full");
	check(notes[9].number == 0, "and looking makes none");
	check(strncmp(notes[10].text, "1 1 0 -", 7) == 0, "several at once, and one twice");
	check(strrchr(notes[10].text, ' ')[1] == '-', "a third token is not there");
	check(notes[11].number < 0 && strstr(notes[11].text, " 0 0") != NULL, "what was taken is gone, looking takes none");
}

/* Lease, fill, invalidate, in the orders that matter. */
static void
send_fills(void)
{
	eval(SCRIPT_LEASE, 3, "l:k g:k g:t tok1 3000 9000 word");	/* 0: ours */
	eval(SCRIPT_LEASE, 3, "l:k g:k g:t tok2 3000 9000 other");	/* 1: not */
	eval(SCRIPT_FILL, 4, "k l:k g:k g:t tok2 bad 5000 9000 word word"); /* 2: no lease */
	eval(SCRIPT_FILL, 4, "k l:k g:k g:t tok1 good 5000 9000 word word");	/* 3 */
	ask(1, "GET k");			/* 4 */
	eval(SCRIPT_LEASE, 3, "l:k g:k g:t tok3 3000 9000 x");
	eval(SCRIPT_INVALIDATE, 1, "k g: l: newword 9000");
	ask(1, "GET k");			/* 7: gone */
	eval(SCRIPT_FILL, 4, "k l:k g:k g:t tok3 stale 5000 9000 word word");	/* 8: void */
	eval(SCRIPT_LEASE, 3, "l:k g:k g:t tok4 3000 9000 x");	/* 9 */
	eval(SCRIPT_INVALIDATE, 1, "t g: l: newtag 9000");	/* the group, not the
														 * key */
	eval(SCRIPT_FILL, 4, "k l:k g:k g:t tok4 stale 5000 9000 newword word");	/* 11: void */
	ask(1, "GET k");			/* 12 */
	eval(SCRIPT_LEASE, 3, "l:k g:k g:t tok5 3000 9000 x");
	eval(SCRIPT_RELEASE, 1, "l:k tok4");	/* 14: not ours */
	eval(SCRIPT_RELEASE, 1, "l:k tok5");	/* 15 */
	eval(SCRIPT_LEASE, 3, "l:k g:k g:t tok6 3000 9000 x");	/* 16: free again */
}

static void
verify_fills(void)
{
	check(notes[0].number == 1 && notes[1].number == 0, "one lease");
	check(notes[2].number == 0 && notes[3].number == 1 && text_is(4, "good"), "fills need it");
	check(notes[7].done && notes[7].text[0] == '\0', "an invalidation deletes the value");
	check(notes[8].number == 0, "and voids the fill under way");
	check(notes[9].number == 1 && notes[11].number == 0, "so does one of a tag");
	check(notes[12].text[0] == '\0', "nothing stale is kept");
	check(notes[14].number == 0 && notes[15].number == 1 && notes[16].number == 1, "a lease is given back by its owner");
}

/* The later log-out wins, whatever the order of arrival. */
static void
send_sessions(void)
{
	eval(SCRIPT_SESSION, 1, "s:1 500 7 60000");
	eval(SCRIPT_SESSION, 1, "s:1 0 8 60000");	/* an older log-in arrives
												 * late */
	ask(1, "GET s:1");			/* 2 */
	eval(SCRIPT_SESSION, 1, "s:1 900 8 60000");
	ask(1, "GET s:1");			/* 4 */
	eval(SCRIPT_VOUCH, 1, "s:1 950 8 60000");	/* 5: known in this epoch */
	eval(SCRIPT_VOUCH, 1, "s:1 800 9 60000");	/* a new epoch, an older token */
	ask(1, "GET s:1");			/* 7 */
	eval(SCRIPT_SESSION, 1, "s:1 off 9 60000");
	eval(SCRIPT_VOUCH, 1, "s:1 990 10 60000");	/* 9 */
	ask(1, "GET s:1");			/* 10 */
	eval(SCRIPT_VOUCH, 1, "s:2 990 10 60000");
	ask(1, "GET s:2");			/* 12 */
}

static void
verify_sessions(void)
{
	check(text_is(2, "500@8") && text_is(4, "900@8"), "the later moment stays");
	check(notes[5].number == 0 && text_is(7, "900@9"), "vouching lowers nothing");
	check(notes[9].number == 0 && text_is(10, "off@9"), "nor lifts a ban");
	check(text_is(12, "990@10"), "it fills what is not there");
}

static const Step steps[] = {
	{"up", no_begin, is_up, verify_nothing},
	{"many", send_many, all_done, verify_many},
	{"error", send_error, all_done, verify_error},
	{"hang", send_hang, hang_given_up, verify_hang},
	{"recovered", no_begin, is_up, verify_nothing},
	{"after the hang", after_hang, all_done, verify_after_hang},
	{"bound", send_too_many, all_done, verify_too_many},
	{"kill", kill_with_command, some_ticks, verify_nothing},
	{"lost", NULL, lost, verify_lost},
	{"back", no_begin, is_up, verify_back},
	{"scripts flushed", flush_scripts, all_done, verify_flushed},
	{"up again", no_begin, is_up, verify_nothing},
	{"bucket", bucket_again, all_done, verify_bucket},
	{"fills", send_fills, all_done, verify_fills},
	{"sessions", send_sessions, all_done, verify_sessions},
	{NULL, NULL, NULL, NULL}
};

/* A step without begin() keeps the notes of the one before. */
static void
begin_step(void)
{
	if (step->begin == NULL)
		return;
	n_notes = n_done = 0;
	step->begin();
}

static bool
advance(void)
{
	if (!step->ended())
		return false;
	step->verify();
	ticks = 0;
	step++;
	if (step->name == NULL)
		return true;
	begin_step();
	return false;
}

static void
test_urls(void)
{
	RedisUrl	u;
	RedisUrl	v;

	check(redis_url_parse("redis://localhost", &u) == NULL && strcmp(u.host, "localhost") == 0
		  && strcmp(u.port, "6379") == 0 && u.db == 0, "host alone");
	check(redis_url_parse("redis://me:se:cr@t@[::1]:7000/2", &u) == NULL && strcmp(u.host, "::1") == 0
		  && strcmp(u.port, "7000") == 0 && u.db == 2 && strcmp(u.user, "me") == 0
		  && strcmp(u.password, "se:cr@t") == 0, "all parts, and odd passwords");
	check(redis_url_parse("redis://:only@h/15", &u) == NULL && u.user[0] == '\0'
		  && strcmp(u.password, "only") == 0 && u.db == 15, "password alone");
	check(redis_url_parse("redis://m%40e:a%2Fb%3ac%@h", &u) == NULL && strcmp(u.user, "m@e") == 0
		  && strcmp(u.password, "a/b:c%") == 0, "escapes");
	check(redis_url_parse("redis://:a%00b@h", &u) != NULL, "an escaped NUL");
	check(redis_url_parse("unix:/run/r.sock?db=1", &u) == NULL && strcmp(u.path, "/run/r.sock") == 0
		  && u.db == 1, "socket");
	check(redis_url_parse("unix:///run/r.sock", &v) == NULL && redis_url_same_server(&u, &v),
		  "the database does not make another server");
	check(redis_url_parse("redis://h:1/0", &v) == NULL && !redis_url_same_server(&u, &v), "another server");
	check(redis_url_parse("http://h", &u) != NULL, "scheme");
	check(redis_url_parse("redis://", &u) != NULL && redis_url_parse("redis://:6379", &u) != NULL, "no host");
	check(redis_url_parse("redis://h:port", &u) != NULL && redis_url_parse("redis://h:", &u) != NULL, "bad port");
	check(redis_url_parse("redis://h/x", &u) != NULL && redis_url_parse("redis://h/1234", &u) != NULL, "bad database");
	check(redis_url_parse("unix:relative", &u) != NULL, "relative socket");
	check(redis_url_parse("redis://[::1", &u) != NULL, "open bracket");
}

int
main(void)
{
	RedisOptions options = {.timeout_ms = TIMEOUT_MS, .in_flight = 300, .scripts = redis_scripts};
	char		command[100];

	test_urls();
	signal(SIGPIPE, SIG_IGN);
	snprintf(folder, sizeof(folder), "/tmp/coach-redis.XXXXXX");
	if (mkdtemp(folder) == NULL)
		return 1;
	start_server();
	snprintf(options.url.path, sizeof(options.url.path), "%s/s", folder);
	loop = loop_new(0);
	redis = redis_new(loop, &options);
	awaited = advance;
	step = steps;
	begin_step();
	loop_timer_init(&watch, look, NULL);
	loop_timer_set(loop, &watch, 1);
	loop_run(loop);
	if (step->name != NULL)
	{
		printf("failed: the step \"%s\" does not end\n", step->name);
		failures++;
	}
	redis_destroy(redis);
	loop_destroy(loop);
	kill_server();
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	if (system(command) != 0)
		failures++;
	return failures != 0;
}
