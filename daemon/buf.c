/*
 * buf.c
 *		A growing byte buffer that knows its maximum, and a JSON writer on it.
 */
#include "daemon/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/arena.h"

void
buf_init(Buf *b, size_t max)
{
	*b = (Buf) {.max = max};
}

void
buf_free(Buf *b)
{
	free(b->data);
	*b = (Buf) {.max = b->max};
}

void
buf_clear(Buf *b)
{
	b->len = 0;
	b->failed = false;
	if (b->data != NULL)
		b->data[0] = '\0';
}

/* Makes room for len more bytes and the NUL; false if that is too much. */
static bool
reserve(Buf *b, size_t len)
{
	size_t		want;

	if (b->failed || len > b->max - b->len)
	{
		b->failed = true;
		return false;
	}
	want = b->len + len + 1;
	if (want > b->cap)
	{
		size_t		cap = b->cap ? b->cap : 256;

		while (cap < want)
			cap *= 2;
		b->data = mem_realloc(b->data, cap);
		b->cap = cap;
	}
	return true;
}

void
buf_put(Buf *b, const void *data, size_t len)
{
	if (!reserve(b, len))
		return;
	if (len > 0)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void
buf_puts(Buf *b, const char *s)
{
	buf_put(b, s, strlen(s));
}

void
buf_putc(Buf *b, char c)
{
	buf_put(b, &c, 1);
}

void
buf_int(Buf *b, int64_t n)
{
	char		digits[24];
	char	   *p = digits + sizeof(digits);
	uint64_t	u = n < 0 ? -(uint64_t) n : (uint64_t) n;

	do
		*--p = (char) ('0' + u % 10);
	while ((u /= 10) != 0);
	if (n < 0)
		*--p = '-';
	buf_put(b, p, (size_t) (digits + sizeof(digits) - p));
}

void
buf_padded(Buf *b, int n, int digits)
{
	if (!reserve(b, (size_t) digits))
		return;
	for (int i = digits - 1; i >= 0; i--, n /= 10)
		b->data[b->len + (size_t) i] = (char) ('0' + n % 10);
	b->len += (size_t) digits;
	b->data[b->len] = '\0';
}

void
buf_printf(Buf *b, const char *fmt,...)
{
	char		line[512];
	va_list		args;
	int			len;

	va_start(args, fmt);
	len = vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	if (len < 0)
		b->failed = true;
	else if ((size_t) len < sizeof(line))
		buf_put(b, line, (size_t) len);
	else if (reserve(b, (size_t) len))
	{
		va_start(args, fmt);
		(void) vsnprintf(b->data + b->len, (size_t) len + 1, fmt, args);
		va_end(args);
		b->len += (size_t) len;
	}
}

void
buf_json(Buf *b, const char *s, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	const char *end = s + len;
	const char *run = s;

	buf_putc(b, '"');
	for (; s < end; s++)
	{
		unsigned char c = (unsigned char) *s;

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		buf_put(b, run, (size_t) (s - run));
		run = s + 1;
		if (c == '"' || c == '\\')
		{
			char		escape[2] = {'\\', (char) c};

			buf_put(b, escape, 2);
		}
		else
		{
			char		escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

			buf_put(b, escape, 6);
		}
	}
	buf_put(b, run, (size_t) (s - run));
	buf_putc(b, '"');
}

void
buf_array_element(Buf *b, const char *s, size_t len)
{
	const char *end = s + len;
	const char *run = s;

	buf_putc(b, '"');
	for (; s < end; s++)
	{
		if (*s != '"' && *s != '\\')
			continue;
		buf_put(b, run, (size_t) (s - run));
		buf_putc(b, '\\');
		run = s;
	}
	buf_put(b, run, (size_t) (s - run));
	buf_putc(b, '"');
}

/* Length of the UTF-8 character at s, 0 if it is none. */
static size_t
utf8_length(const unsigned char *s, size_t left)
{
	size_t		len;
	uint32_t	c;

	if (s[0] < 0x80)
		return s[0] != 0;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	len = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (left < len)
		return 0;
	c = s[0] & (0x7f >> len);
	for (size_t i = 1; i < len; i++)
	{
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (len == 3 && (c < 0x800 || (c >= 0xd800 && c <= 0xdfff)))
		return 0;
	if (len == 4 && (c < 0x10000 || c > 0x10ffff))
		return 0;
	return len;
}

bool
text_is_utf8(const char *s, size_t len)
{
	const unsigned char *p = (const unsigned char *) s;
	size_t		i = 0;

	while (i < len)
	{
		size_t		n;

		/* Eight bytes of ASCII without a NUL at a time. */
		if (i + 8 <= len)
		{
			uint64_t	w;

			memcpy(&w, p + i, 8);
			if (((w | (w - UINT64_C(0x0101010101010101)))
				 & UINT64_C(0x8080808080808080)) == 0)
			{
				i += 8;
				continue;
			}
		}
		n = utf8_length(p + i, len - i);
		if (n == 0)
			return false;
		i += n;
	}
	return true;
}
