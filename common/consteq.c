/*
 * consteq.c
 *		Comparison of secrets.
 */
#include "common/consteq.h"

#include <openssl/crypto.h>

bool
sc_consteq(const void *a, const void *b, size_t n)
{
	return CRYPTO_memcmp(a, b, n) == 0;
}
