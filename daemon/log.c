/*
 * log.c
 *		JSON lines on standard output, written by a thread of their own.
 *
 * Two buffers: everybody appends to one under a lock, the thread writes the
 * other.  The thread looks ten times a second, or at once when the buffer is
 * half full.  When it is full, lines are dropped and counted; the next line
 * that fits says how many.
 */
#include "daemon/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/arena.h"
#include "daemon/buf.h"

#define LOG_BUFFER ((size_t) 1 << 20)
#define LOG_INTERVAL_NS 100000000L

static struct
{
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t	thread;
	bool		running;
	bool		stopping;
	LogLevel	level;
	char	   *fill;
	char	   *drain;
	size_t		len;
	uint64_t	dropped;
	uint64_t	reported;
} logger = {

	.lock = PTHREAD_MUTEX_INITIALIZER,
	.wake = PTHREAD_COND_INITIALIZER,
	.level = LOG_LEVEL_INFO
};

static const char *const level_names[] = {"error", "warning", "info", "debug"};

/* A reader that is gone is nothing that a log could tell to anybody. */
static void
write_all(const char *data, size_t len)
{
	while (len > 0)
	{
		ssize_t		n = write(STDOUT_FILENO, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		data += n;
		len -= (size_t) n;
	}
}

static void *
log_thread(void *arg)
{
	bool		stopping = false;

	(void) arg;
	while (!stopping)
	{
		size_t		len;
		char	   *full;
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += LOG_INTERVAL_NS;
		if (until.tv_nsec >= 1000000000L)
		{
			until.tv_sec++;
			until.tv_nsec -= 1000000000L;
		}
		pthread_mutex_lock(&logger.lock);
		if (!logger.stopping)
			(void) pthread_cond_timedwait(&logger.wake, &logger.lock, &until);
		full = logger.fill;
		len = logger.len;
		logger.fill = logger.drain;
		logger.drain = full;
		logger.len = 0;
		stopping = logger.stopping;
		pthread_mutex_unlock(&logger.lock);
		write_all(full, len);
	}
	return NULL;
}

void
log_start(LogLevel level)
{
	logger.level = level;
	logger.fill = mem_realloc(NULL, LOG_BUFFER);
	logger.drain = mem_realloc(NULL, LOG_BUFFER);
	logger.stopping = false;
	logger.running = pthread_create(&logger.thread, NULL, log_thread, NULL) == 0;
}

void
log_stop(void)
{
	if (!logger.running)
		return;
	pthread_mutex_lock(&logger.lock);
	logger.stopping = true;
	pthread_cond_signal(&logger.wake);
	pthread_mutex_unlock(&logger.lock);
	pthread_join(logger.thread, NULL);
	logger.running = false;
	free(logger.fill);
	free(logger.drain);
	logger.fill = logger.drain = NULL;
}

void
log_raw(const char *lines, size_t len)
{
	if (!logger.running)
	{
		write_all(lines, len);
		return;
	}
	pthread_mutex_lock(&logger.lock);
	if (logger.len + len + 128 > LOG_BUFFER)
		logger.dropped++;
	else
	{
		if (logger.dropped != logger.reported)
		{
			logger.len += (size_t) snprintf(logger.fill + logger.len, 128,
											"{\"level\":\"warning\",\"msg\":\"log lines dropped\",\"total\":%llu}\n",
											(unsigned long long) logger.dropped);
			logger.reported = logger.dropped;
		}
		if (logger.len + len <= LOG_BUFFER)
		{
			memcpy(logger.fill + logger.len, lines, len);
			logger.len += len;
		}
		else
			logger.dropped++;
	}
	if (logger.len > LOG_BUFFER / 2)
		pthread_cond_signal(&logger.wake);
	pthread_mutex_unlock(&logger.lock);
}

void
log_event(LogLevel level, const char *fmt,...)
{
	char		text[1024];
	va_list		args;
	int			len;
	Buf			line;
	struct timespec t;
	struct tm	tm;

	if (level > logger.level)
		return;
	va_start(args, fmt);
	len = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (len < 0)
		return;
	if ((size_t) len >= sizeof(text))
		len = sizeof(text) - 1;

	clock_gettime(CLOCK_REALTIME, &t);
	gmtime_r(&t.tv_sec, &tm);
	buf_init(&line, 16384);
	buf_printf(&line, "{\"ts\":\"%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ\",\"level\":\"%s\",\"msg\":",
			   tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
			   tm.tm_sec, t.tv_nsec / 1000000, level_names[level]);
	buf_json(&line, text, (size_t) len);
	buf_puts(&line, "}\n");
	log_raw(line.data, line.len);
	buf_free(&line);
}

uint64_t
log_dropped(void)
{
	uint64_t	n;

	pthread_mutex_lock(&logger.lock);
	n = logger.dropped;
	pthread_mutex_unlock(&logger.lock);
	return n;
}
