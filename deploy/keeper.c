/*
 * keeper.c
 *		Keeps one daemon running and holds its listening sockets for it.
 *
 * The sockets belong to this small process, which never reads from them.  The
 * daemon inherits them as file descriptors 3 and up in the manner of systemd
 * (LISTEN_FDS, LISTEN_PID), so that it can be replaced without the kernel ever
 * seeing the port closed: on SIGHUP a second daemon is started, which learns
 * by LISTEN_SHARED=1 that the first one accepts on these sockets until it can.
 * Only once it says so (READY=1 on NOTIFY_SOCKET) is the first one told to
 * drain, by SIGUSR1.  A new daemon that dies or never gets ready costs nothing:
 * the old one goes on.
 *
 * Where systemd supervises, its own socket units do the same job and this
 * program is not needed.
 *
 * It also keeps logs from filling the disk: one that has outgrown its size is
 * copied to LOG.1 (LOG.1 becomes LOG.2 and so on) and emptied.  Whoever writes
 * it goes on without noticing, since all append; what is written in the
 * instant between the end of the copy and the emptying is lost.
 *
 * usage: coach-keeper [-l ADDRESS:PORT] [-n SOCKETS] [-t SECONDS] [-b LOG]... [-s KB] -p STEM -- PROGRAM [ARG...]
 *
 * A daemon that is not ready after SECONDS (25) does not take over.  Logs are
 * bounded to KB (65536) each, and as much for each of four older ones.
 * STEM.pid holds the pid of the daemon, STEM.keeper.pid that of the keeper.
 * SIGHUP replaces the daemon, SIGTERM and SIGINT end both.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_SOCKETS 64
#define MAX_DRAINING 16
#define MAX_LOGS 8
#define OLD_LOGS 4
#define LOG_LOOK_MS 1000
#define FIRST_FD 3				/* where the daemon expects its sockets */
#define PARK_FD (FIRST_FD + MAX_SOCKETS)	/* ours are kept out of its way */
#define STOP_MS 60000			/* a daemon that does not drain is killed */
#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 5000

typedef struct Daemon
{
	pid_t		pid;			/* 0: none */
	long long	at;				/* started, or told to stop, in ms */
} Daemon;

static const char *stem;
static char **command;
static int	sockets[MAX_SOCKETS];
static int	nsockets = 1;
static int	ready_seconds = 25;
static const char *logs[MAX_LOGS];
static int	nlogs;
static long log_kb = 65536;
static char notify_path[sizeof(((struct sockaddr_un *) 0)->sun_path)];
static sigset_t handled;

static Daemon current;			/* serves */
static Daemon next;				/* starting, will take over */
static Daemon draining[MAX_DRAINING];

static void
say(const char *fmt,...)
{
	va_list		ap;

	fputs("keeper: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static _Noreturn void
die(const char *what)
{
	say("%s: %s", what, strerror(errno));
	exit(1);
}

static long long
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/*
 * Written aside and renamed, so that a reader never sees half a number.
 */
static void
write_pid(const char *suffix, pid_t pid)
{
	char		path[4096];
	char		tmp[4112];
	FILE	   *f;

	snprintf(path, sizeof(path), "%s%s", stem, suffix);
	snprintf(tmp, sizeof(tmp), "%s.new", path);
	if ((f = fopen(tmp, "w")) == NULL)
		die(tmp);
	fprintf(f, "%ld\n", (long) pid);
	if (fclose(f) != 0 || rename(tmp, path) != 0)
		die(path);
}

static void
remove_pid(const char *suffix)
{
	char		path[4096];

	snprintf(path, sizeof(path), "%s%s", stem, suffix);
	(void) unlink(path);		/* may be gone already */
}

/*
 * One socket per event loop, all on the same port.  SO_REUSEPORT would let a
 * second instance join the port unnoticed, so an exclusive bind is tried
 * first.
 */
static void
open_sockets(const char *address)
{
	char		host[256];
	const char *colon = strrchr(address, ':');
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	struct addrinfo *ai;
	int			on = 1;
	int			rc;

	if (colon == NULL || (size_t) (colon - address) >= sizeof(host))
	{
		say("\"%s\" is not ADDRESS:PORT", address);
		exit(2);
	}
	snprintf(host, sizeof(host), "%.*s", (int) (colon - address), address);
	if (host[0] == '[' && host[strlen(host) - 1] == ']')
	{
		host[strlen(host) - 1] = '\0';
		memmove(host, host + 1, strlen(host));
	}
	rc = getaddrinfo(host[0] ? host : NULL, colon + 1, &hints, &ai);
	if (rc != 0)
	{
		say("\"%s\": %s", address, gai_strerror(rc));
		exit(2);
	}
	for (int i = -1; i < nsockets; i++)
	{
		int			fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

		if (fd < 0)
			die("socket");
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		if (i >= 0)
			setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
		if (bind(fd, ai->ai_addr, ai->ai_addrlen) != 0)
			die(address);
		if (i >= 0)
		{
			if (listen(fd, SOMAXCONN) != 0)
				die("listen");
			if ((sockets[i] = fcntl(fd, F_DUPFD_CLOEXEC, PARK_FD)) < 0)
				die("dup");
		}
		close(fd);
	}
	freeaddrinfo(ai);
}

/*
 * The socket on which a daemon says READY=1.
 */
static int
open_notify(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int			on = 1;
	int			fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	if (snprintf(sa.sun_path, sizeof(sa.sun_path), "%s.notify", stem) >= (int) sizeof(sa.sun_path))
	{
		errno = ENAMETOOLONG;
		die(stem);
	}
	memcpy(notify_path, sa.sun_path, sizeof(notify_path));
	(void) unlink(notify_path); /* left by a killed keeper */
	if (bind(fd, (struct sockaddr *) &sa, sizeof(sa)) != 0)
		die(notify_path);
	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) != 0)
		die("SO_PASSCRED");
	if ((fd = fcntl(fd, F_DUPFD_CLOEXEC, PARK_FD)) < 0)
		die("dup");
	return fd;
}

/*
 * Shared: another one serves the sockets meanwhile.
 */
static void
start(Daemon *d, bool shared)
{
	char		number[32];

	d->at = now_ms();
	d->pid = fork();
	if (d->pid < 0)
		die("fork");
	if (d->pid > 0)
		return;

	/* Not to be left behind, should the keeper be killed. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	sigprocmask(SIG_UNBLOCK, &handled, NULL);
	for (int i = 0; i < nsockets; i++)
		if (dup2(sockets[i], FIRST_FD + i) < 0)
			_exit(126);
	if (nsockets > 0)
	{
		snprintf(number, sizeof(number), "%d", nsockets);
		setenv("LISTEN_FDS", number, 1);
		snprintf(number, sizeof(number), "%ld", (long) getpid());
		setenv("LISTEN_PID", number, 1);
		setenv("LISTEN_SHARED", shared ? "1" : "0", 1);
	}
	setenv("NOTIFY_SOCKET", notify_path, 1);
	execvp(command[0], command);
	say("%s: %s", command[0], strerror(errno));
	_exit(127);
}

/*
 * Tells a daemon to drain (SIGTERM; SIGUSR1 when another one serves already)
 * and remembers it until it is gone.
 */
static void
retire(Daemon *d, int how)
{
	if (d->pid == 0)
		return;
	kill(d->pid, how);
	for (int i = 0; i < MAX_DRAINING; i++)
		if (draining[i].pid == 0)
		{
			draining[i].pid = d->pid;
			draining[i].at = now_ms();
			d->pid = 0;
			return;
		}
	kill(d->pid, SIGKILL);		/* too many hang already */
	d->pid = 0;
}

static void
promote(void)
{
	retire(&current, SIGUSR1);
	current = next;
	next.pid = 0;
	write_pid(".pid", current.pid);
}

/*
 * Collects dead children.  True if the serving one died on its own.  Who was
 * to take over from it waits for its own readiness and would leave the sockets
 * to nobody: it gives way to one that accepts at once.
 */
static bool
reap(void)
{
	bool		lost = false;
	int			status;
	pid_t		pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
	{
		for (int i = 0; i < MAX_DRAINING; i++)
			if (draining[i].pid == pid)
				draining[i].pid = 0;
		if (pid != current.pid && pid != next.pid)
			continue;
		if (WIFSIGNALED(status))
			say("%s (pid %ld) was ended by signal %d", command[0], (long) pid, WTERMSIG(status));
		else
			say("%s (pid %ld) ended with status %d", command[0], (long) pid, WEXITSTATUS(status));
		if (pid == next.pid)
		{
			next.pid = 0;
			if (current.pid != 0)
				say("the running one stays");
		}
		else
		{
			current.pid = 0;
			lost = true;
			retire(&next, SIGTERM);
		}
	}
	return lost;
}

/*
 * True if the pending datagrams hold a READY=1 of the daemon that is to take
 * over; the running one may say it too, if it has waited long for something.
 */
static bool
read_notify(int fd)
{
	char		buf[512];
	char		control[CMSG_SPACE(sizeof(struct ucred))];
	bool		ready = false;

	for (;;)
	{
		struct iovec iov = {buf, sizeof(buf) - 1};
		struct msghdr msg = {
			.msg_iov = &iov, .msg_iovlen = 1,
			.msg_control = control, .msg_controllen = sizeof(control)
		};
		ssize_t		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
		struct cmsghdr *c;
		struct ucred from = {0};

		if (n <= 0)
			return ready;
		buf[n] = '\0';
		c = CMSG_FIRSTHDR(&msg);
		if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS)
			memcpy(&from, CMSG_DATA(c), sizeof(from));
		ready |= next.pid != 0 && from.pid == next.pid && strstr(buf, "READY=1") != NULL;
	}
}

/*
 * Ends every daemon and waits for the last of them.
 */
static void
stop_all(void)
{
	long long	deadline = now_ms() + STOP_MS;

	retire(&next, SIGTERM);
	retire(&current, SIGTERM);
	for (;;)
	{
		bool		any = false;

		(void) reap();
		for (int i = 0; i < MAX_DRAINING; i++)
			if (draining[i].pid != 0)
			{
				any = true;
				if (now_ms() > deadline)
					kill(draining[i].pid, SIGKILL);
			}
		if (!any)
			break;
		(void) poll(NULL, 0, 20);
	}
	remove_pid(".pid");
	remove_pid(".keeper.pid");
	(void) unlink(notify_path);
}

/*
 * Copies what is there to the end.  False if that cannot be done, the disk
 * being full for instance.
 */
static bool
copy(int from, const char *path)
{
	char		bytes[65536];
	ssize_t		n;
	int			to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	bool		good = to >= 0;

	while (good && (n = read(from, bytes, sizeof(bytes))) != 0)
		good = n > 0 && write(to, bytes, (size_t) n) == n;
	if (to >= 0)
		close(to);
	return good;
}

/*
 * One log begins anew.  Emptied it is in any case: that is what we are for.
 */
static void
rotate(const char *log, int fd)
{
	char		older[4096];
	char		newer[4096];

	snprintf(newer, sizeof(newer), "%s.0", log);
	if (!copy(fd, newer))
	{
		say("cannot keep what was in %s: %s", log, strerror(errno));
		(void) unlink(newer);
	}
	(void) ftruncate(fd, 0);
	if (access(newer, F_OK) != 0)
		return;
	for (int i = OLD_LOGS; i > 0; i--)
	{
		snprintf(older, sizeof(older), "%s.%d", log, i);
		snprintf(newer, sizeof(newer), "%s.%d", log, i - 1);
		(void) rename(newer, older);	/* there may be none yet */
	}
}

static void
bound_logs(void)
{
	static long long looked;

	if (now_ms() - looked < LOG_LOOK_MS)
		return;
	looked = now_ms();
	for (int i = 0; i < nlogs; i++)
	{
		int			fd = open(logs[i], O_RDWR | O_CLOEXEC);
		struct stat st;

		if (fd < 0 && errno == EACCES)
		{
			say("%s cannot be bounded: it is not mine", logs[i]);
			logs[i--] = logs[--nlogs];
		}
		if (fd < 0)
			continue;			/* nothing was logged yet */
		if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size / 1024 >= log_kb)
			rotate(logs[i], fd);
		close(fd);
	}
}

static void
parse(int argc, char **argv)
{
	const char *address = NULL;
	int			c;

	while ((c = getopt(argc, argv, "+b:l:n:p:s:t:")) != -1)
		switch (c)
		{
			case 'b':
				if (nlogs == MAX_LOGS)
					exit(2);
				logs[nlogs++] = optarg;
				break;
			case 'l':
				address = optarg;
				break;
			case 'n':
				nsockets = atoi(optarg);
				break;
			case 'p':
				stem = optarg;
				break;
			case 's':
				log_kb = atol(optarg);
				break;
			case 't':
				ready_seconds = atoi(optarg);
				break;
			default:
				exit(2);
		}
	if (stem == NULL || optind >= argc || nsockets < 1 || nsockets > MAX_SOCKETS
		|| ready_seconds < 1 || log_kb < 1)
	{
		fputs("usage: coach-keeper [-l ADDRESS:PORT] [-n SOCKETS] [-t SECONDS] [-b LOG]... [-s KB] -p STEM -- PROGRAM [ARG...]\n", stderr);
		exit(2);
	}
	command = argv + optind;
	if (address != NULL)
		open_sockets(address);
	else
		nsockets = 0;
}

/*
 * What is due by the clock: a newcomer that does not get ready is given up, a
 * lost daemon comes back, one that does not drain is killed.
 */
static void
tick(long long restart_at)
{
	long long	now = now_ms();

	if (next.pid != 0 && now - next.at > ready_seconds * 1000LL)
	{
		say("%s (pid %ld) does not get ready; the running one stays", command[0], (long) next.pid);
		retire(&next, SIGTERM);
	}
	if (current.pid == 0 && next.pid == 0 && now >= restart_at)
	{
		start(&current, false);
		write_pid(".pid", current.pid);
	}
	for (int i = 0; i < MAX_DRAINING; i++)
		if (draining[i].pid != 0 && now - draining[i].at > STOP_MS)
			kill(draining[i].pid, SIGKILL);
}

int
main(int argc, char **argv)
{
	struct pollfd fds[2];
	struct signalfd_siginfo si;
	long long	backoff = BACKOFF_MIN_MS;
	long long	restart_at = 0;

	parse(argc, argv);
	sigemptyset(&handled);
	sigaddset(&handled, SIGCHLD);
	sigaddset(&handled, SIGHUP);
	sigaddset(&handled, SIGTERM);
	sigaddset(&handled, SIGINT);
	sigprocmask(SIG_BLOCK, &handled, NULL);
	fds[0].fd = signalfd(-1, &handled, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fds[0].fd < 0 || (fds[0].fd = fcntl(fds[0].fd, F_DUPFD_CLOEXEC, PARK_FD)) < 0)
		die("signalfd");
	fds[1].fd = open_notify();
	fds[0].events = fds[1].events = POLLIN;
	write_pid(".keeper.pid", getpid());

	for (;;)
	{
		tick(restart_at);
		bound_logs();
		if (poll(fds, 2, 100) < 0 && errno != EINTR)
			die("poll");
		if (read_notify(fds[1].fd))
			promote();
		while (read(fds[0].fd, &si, sizeof(si)) == (ssize_t) sizeof(si))
		{
			if (si.ssi_signo == SIGTERM || si.ssi_signo == SIGINT)
			{
				stop_all();
				return 0;
			}
			if (si.ssi_signo == SIGHUP && next.pid == 0)
			{
				if (current.pid != 0)
					start(&next, true);
				else
					restart_at = 0; /* at once, not after the pause */
			}
			if (si.ssi_signo == SIGCHLD)
			{
				long long	lived = now_ms() - current.at;

				if (!reap())
					continue;
				backoff = lived > 10000 ? BACKOFF_MIN_MS : backoff * 2;
				if (backoff > BACKOFF_MAX_MS)
					backoff = BACKOFF_MAX_MS;
				restart_at = now_ms() + backoff;
			}
		}
	}
}
