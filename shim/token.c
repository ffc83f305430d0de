/*
 * token.c
 *		Access tokens, checked once and then recognised.
 *
 * A client sends the same token with every request for minutes.  One that was
 * good is kept with all its bytes, and the same bytes are good again until
 * they expire or the keys are loaded anew.  Nothing but what the token says is
 * remembered: whether it was revoked is asked elsewhere, every time.
 *
 * Places are found by the end of the signature, which is as good as random.
 * A token may be in either of two neighbours.
 */
#include "shim/token.h"

#include <stdio.h>
#include <string.h>

#include "common/consteq.h"

#define CLOCK_LEEWAY_S 30
/* At least the signature: a secret that a stranger may not feel his way to. */
#define TAIL 96

static bool
is_known(const KnownToken *place, const char *text, size_t len)
{
	return place->len == len && memcmp(place->text, text, len - TAIL) == 0
		&& sc_consteq(place->text + len - TAIL, text + len - TAIL, TAIL);
}

/* The first of the two places where the token may be. */
static KnownToken *
pair_of(Keys *keys, const char *text, size_t len)
{
	uint64_t	word;

	memcpy(&word, text + len - sizeof(word), sizeof(word));
	word *= UINT64_C(0x9e3779b97f4a7c15);
	return &keys->known[word >> 32 & (TOKENS - 2)];
}

static void
keep(Keys *keys, KnownToken *pair, const Token *says, const char *text, size_t len)
{
	KnownToken *place = &pair[pair[0].len == 0 ? 0 : pair[1].len == 0 ? 1 : keys->turn++ & 1];

	place->says = *says;
	place->len = (uint16_t) len;
	memcpy(place->text, text, len);
}

JwtStatus
token_check(Keys *keys, const char *text, size_t len, const Config *c,
			int64_t now, Token *out)
{
	bool		fits = len >= TAIL && len <= TOKEN_KEPT;
	KnownToken *pair = fits ? pair_of(keys, text, len) : NULL;
	JwtClaims	claims;
	JwtStatus	status;

	for (int i = 0; fits && i < 2; i++)
	{
		if (!is_known(&pair[i], text, len))
			continue;
		if (now >= pair[i].says.exp)
			return JWT_EXPIRED;
		*out = pair[i].says;
		return JWT_OK;
	}
	status = sc_jwt_check(text, len, keys->keys, keys->n, c->jwt_issuer,
						  c->jwt_audience, now, CLOCK_LEEWAY_S, &claims);
	if (status != JWT_OK)
		return status;
	*out = (Token) {.actor = claims.sub, .iat_ms = claims.iat_ms, .exp = claims.exp};
	snprintf(out->actor_text, sizeof(out->actor_text), "%lld", (long long) claims.sub);
	snprintf(out->iat_text, sizeof(out->iat_text), "%lld", (long long) claims.iat_ms);
	memcpy(out->jti, claims.jti, sizeof(out->jti));
	if (fits)
		keep(keys, pair, out, text, len);
	return JWT_OK;
}
