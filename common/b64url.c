/*
 * b64url.c
 *		Base64 for URLs (RFC 4648 section 5) without padding.
 *
 * Decoding is strict: two spellings of one token would make two names for
 * it, and a deny list or a cache that goes by the spelling would miss one.
 */
#include "common/b64url.h"

#include <stdint.h>

static const char alphabet[64] =
"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t
sc_b64url_encode(const void *src, size_t len, char *dst)
{
	const uint8_t *p = src;
	char	   *out = dst;

	for (; len >= 3; len -= 3, p += 3)
	{
		*out++ = alphabet[p[0] >> 2];
		*out++ = alphabet[(p[0] & 0x03) << 4 | p[1] >> 4];
		*out++ = alphabet[(p[1] & 0x0f) << 2 | p[2] >> 6];
		*out++ = alphabet[p[2] & 0x3f];
	}
	if (len > 0)
	{
		*out++ = alphabet[p[0] >> 2];
		if (len == 1)
			*out++ = alphabet[(p[0] & 0x03) << 4];
		else
		{
			*out++ = alphabet[(p[0] & 0x03) << 4 | p[1] >> 4];
			*out++ = alphabet[(p[1] & 0x0f) << 2];
		}
	}
	return (size_t) (out - dst);
}

/* The six bits of an ASCII character; NONE for what is not in the alphabet. */
#define NONE 64
static const uint8_t six_bits[128] = {
	64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
	64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
	64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 62, 64, 64,
	52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 64, 64, 64, 64, 64, 64,
	64, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
	15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 64, 64, 64, 64, 63,
	64, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
	41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 64, 64, 64, 64, 64
};

long
sc_b64url_decode(const char *src, size_t len, void *dst)
{
	const uint8_t *p = (const uint8_t *) src;
	uint8_t    *out = dst;
	uint32_t	bits = 0;
	uint8_t		seen = 0;		/* all characters or'ed: is any beyond ASCII? */
	uint8_t		bad = 0;		/* all values or'ed: is any NONE? */
	size_t		rest = len % 4;

	if (rest == 1)
		return -1;
	for (const uint8_t *end = p + (len - rest); p < end; p += 4)
	{
		uint8_t		a = six_bits[p[0] & 0x7f];
		uint8_t		b = six_bits[p[1] & 0x7f];
		uint8_t		c = six_bits[p[2] & 0x7f];
		uint8_t		d = six_bits[p[3] & 0x7f];

		seen |= p[0] | p[1] | p[2] | p[3];
		bad |= a | b | c | d;
		*out++ = (uint8_t) (a << 2 | b >> 4);
		*out++ = (uint8_t) (b << 4 | c >> 2);
		*out++ = (uint8_t) (c << 6 | d);
	}
	for (size_t i = 0; i < rest; i++)
	{
		seen |= p[i];
		bad |= six_bits[p[i] & 0x7f];
		bits = bits << 6 | six_bits[p[i] & 0x7f];
	}
	if (rest == 3)
	{
		*out++ = (uint8_t) (bits >> 10);
		*out++ = (uint8_t) (bits >> 2);
	}
	else if (rest == 2)
		*out++ = (uint8_t) (bits >> 4);

	/* What is left over of the last character must be zero. */
	if ((seen & 0x80) || (bad & NONE) || (bits & (rest == 3 ? 0x03 : 0x0f)))
		return -1;
	return (long) (out - (uint8_t *) dst);
}
