/*
 * b64url.h
 *		Base64 for URLs (RFC 4648 section 5) without padding.
 */
#ifndef COMMON_B64URL_H
#define COMMON_B64URL_H

#include <stddef.h>

/* Room that len bytes take once encoded; nothing is added at the end. */
#define SC_B64URL_ENCODED(len)	(((len) / 3) * 4 + ((len) % 3 ? (len) % 3 + 1 : 0))

/* Room that len characters take once decoded. */
#define SC_B64URL_DECODED(len)	(((len) / 4) * 3 + ((len) % 4 ? (len) % 4 - 1 : 0))

/* Writes SC_B64URL_ENCODED(len) characters to dst and returns how many. */
extern size_t sc_b64url_encode(const void *src, size_t len, char *dst);

/*
 * Writes SC_B64URL_DECODED(len) bytes to dst and returns how many, or -1 if
 * src is not the one canonical encoding of anything: a foreign character,
 * padding, an impossible length, or bits that are left over and not zero.
 */
extern long sc_b64url_decode(const char *src, size_t len, void *dst);

#endif							/* COMMON_B64URL_H */
