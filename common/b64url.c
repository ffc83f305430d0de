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

/* The six bits of a character, or -1. */
static int
six_bits(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '-')
		return 62;
	if (c == '_')
		return 63;
	return -1;
}

long
sc_b64url_decode(const char *src, size_t len, void *dst)
{
	uint8_t    *out = dst;
	uint32_t	bits = 0;
	int			count = 0;

	if (len % 4 == 1)
		return -1;
	for (size_t i = 0; i < len; i++)
	{
		int			v = six_bits(src[i]);

		if (v < 0)
			return -1;
		bits = bits << 6 | (uint32_t) v;
		count += 6;
		if (count >= 8)
		{
			count -= 8;
			*out++ = (uint8_t) (bits >> count);
		}
	}
	if (bits & ((1u << count) - 1))
		return -1;
	return (long) (out - (uint8_t *) dst);
}
