/*
 * token.c
 *		Access tokens that are recognised are the same bytes, and expire.
 *
 * links: shim/token.c
 */
#include "shim/token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW INT64_C(1800000000)

static int	failures;
static Keys *keys;
static const Config config = {.jwt_issuer = "me", .jwt_audience = "you"};

static void
check(bool ok, const char *what)
{
	if (!ok)
	{
		printf("failed: %s\n", what);
		failures++;
	}
}

/* A token of the user, as long as it is padded; gives its length. */
static size_t
make(char *out, long long user, int padding)
{
	char		payload[1024];
	const char *header = "{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"k\"}";
	int			len = snprintf(payload, sizeof(payload),
							   "{\"iss\":\"me\",\"aud\":\"you\",\"sub\":\"%lld\",\"jti\":\"0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9\","
							   "\"exp\":1800000900,\"iat\":1800000000,\"iat_ms\":1800000000123,\"x\":\"%*s\"}", user, padding, "");

	return sc_jwt_make(&keys->keys[0].mac, header, strlen(header), payload, (size_t) len, out);
}

static JwtStatus
ask(const char *text, size_t len, int64_t now, Token *out)
{
	return token_check(keys, text, len, &config, now, out);
}

static int
known(void)
{
	int			n = 0;

	for (int i = 0; i < TOKENS; i++)
		n += keys->known[i].len > 0;
	return n;
}

static void
test_one(int padding, bool kept)
{
	char		text[2048];
	char		other[2048];
	size_t		len = make(text, 42, padding);
	int			before = known();
	Token		t;

	check((len <= TOKEN_KEPT) == kept, "length");
	for (int i = 0; i < 2; i++)
	{
		memset(&t, 0xff, sizeof(t));
		check(ask(text, len, NOW, &t) == JWT_OK, i ? "again" : "good");
		check(t.actor == 42 && strcmp(t.actor_text, "42") == 0 && t.iat_ms == 1800000000123
			  && strcmp(t.iat_text, "1800000000123") == 0 && t.exp == 1800000900
			  && strcmp(t.jti, "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9") == 0, "what it says");
	}
	check(known() == before + kept, "kept, unless it is long");
	check(ask(text, len, NOW + 899, &t) == JWT_OK && ask(text, len, NOW + 900, &t) == JWT_EXPIRED, "until it expires");

	/* No byte may differ, and none may be missing. */
	for (size_t i = 0; i < len; i++)
	{
		memcpy(other, text, len);
		other[i] = other[i] == 'A' ? 'B' : 'A';
		check(ask(other, len, NOW, &t) != JWT_OK, "another byte");
	}
	for (size_t i = 0; i < len; i++)
		check(ask(text, i, NOW, &t) != JWT_OK && ask(text + len - i, i, NOW, &t) != JWT_OK, "a part of it");
	check(ask(text, len, NOW, &t) == JWT_OK, "and it is good still");
}

/* More users than places. */
static void
test_crowd(void)
{
	char		text[2048];
	Token		t;

	for (int round = 0; round < 2; round++)
	{
		for (int i = 1; i <= 3 * TOKENS; i++)
		{
			size_t		len = make(text, i, 0);

			if (ask(text, len, NOW, &t) != JWT_OK || t.actor != i)
			{
				check(false, "everybody is who he is");
				return;
			}
		}
	}
}

int
main(void)
{
	keys = calloc(1, sizeof(Keys) + sizeof(JwtKey));
	keys->n = 1;
	strcpy(keys->keys[0].kid, "k");
	sc_jwt_mac_init(&keys->keys[0].mac, JWT_HS256, "secret", 6);
	test_one(0, true);
	test_one(200, false);
	test_crowd();
	free(keys);
	return failures != 0;
}
