/*
 * buf.h
 *		A growing byte buffer that knows its maximum, and a JSON writer on it.
 *
 * What would pass the maximum is not written and latches `failed`; so a
 * caller writes without looking and checks once at the end.  The bytes are
 * always followed by a NUL that is not counted.
 */
#ifndef DAEMON_BUF_H
#define DAEMON_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Buf
{
	char	   *data;
	size_t		len;
	size_t		cap;
	size_t		max;
	bool		failed;
} Buf;

/* A piece of text that somebody else owns; not NUL-terminated unless said so. */
typedef struct Str
{
	const char *data;
	size_t		len;
} Str;

#define STR(literal) ((Str) {(literal), sizeof(literal) - 1})

extern void buf_init(Buf *b, size_t max);
extern void buf_free(Buf *b);
extern void buf_clear(Buf *b);	/* keeps the memory */
extern void buf_put(Buf *b, const void *data, size_t len);
extern void buf_puts(Buf *b, const char *s);
extern void buf_putc(Buf *b, char c);
extern void buf_int(Buf *b, int64_t n);
extern void buf_padded(Buf *b, int n, int digits);	/* zeros in front; n >= 0 */
extern void buf_printf(Buf *b, const char *fmt,...)
			__attribute__((format(printf, 2, 3)));

/* A JSON string with its quotes.  Input must be UTF-8; NUL becomes \u0000. */
extern void buf_json(Buf *b, const char *s, size_t len);

/* An element of an SQL array literal, quoted. */
extern void buf_array_element(Buf *b, const char *s, size_t len);

/* Is it UTF-8 as PostgreSQL takes it: no NUL, no surrogates, not overlong? */
extern bool text_is_utf8(const char *s, size_t len);

#endif							/* DAEMON_BUF_H */
