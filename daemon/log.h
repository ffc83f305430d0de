/*
 * log.h
 *		JSON lines on standard output, written by a thread of their own.
 *
 * Whoever logs copies the line into a ring and goes on: a reader that stalls
 * (a full pipe, a slow disk) costs lines, which are counted, never requests.
 */
#ifndef DAEMON_LOG_H
#define DAEMON_LOG_H

#include <stddef.h>
#include <stdint.h>

typedef enum LogLevel
{
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
} LogLevel;

extern void log_start(LogLevel level);
extern void log_stop(void);		/* writes what is left */
extern void log_raw(const char *lines, size_t len); /* whole lines, ready made */
extern void log_event(LogLevel level, const char *fmt,...)
			__attribute__((format(printf, 2, 3)));
extern uint64_t log_dropped(void);

#define log_error(...) log_event(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_event(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_event(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_event(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif							/* DAEMON_LOG_H */
