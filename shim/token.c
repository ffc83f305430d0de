/*
 * token.c
 *		Access tokens, checked once and then recognised.
 *
 * A client sends the same token with every request for minutes.  One that was
 * good is kept with all its bytes, and the same bytes are good again until
 * they expire or the keys are loaded anew.  Nothing but what the token says is
 * remembered: whether it was revoked is asked elsewhere, every time.
 *
 * Places are found by the end of the signature, which is as good as random;
 * two that meet in a place take turns.
 */
#include "shim/token.h"

#include <stdio.h>
#include <string.h>

#include "common/consteq.h"

#define CLOCK_LEEWAY_S 30
/* At least the signature: a secret that a stranger may not feel his way to. */
#define TAIL 96

/* Where the token is, or would be. */
static KnownToken *
place_of(Keys *keys, const char *text, size_t len)
{
	uint64_t	word;

	memcpy(&word, text + len - sizeof(word), sizeof(word));
	word *= UINT64_C(0x9e3779b97f4a7c15);
	return &keys->known[word >> 32 & (TOKENS - 1)];
}

JwtStatus
token_check(Keys *keys, const char *text, size_t len, const Config *c,
			int64_t now, Token *out)
{
	KnownToken *place = NULL;
	JwtClaims	claims;
	JwtStatus	status;

	if (len >= TAIL && len <= TOKEN_KEPT)
	{
		place = place_of(keys, text, len);
		if (place->len == len && memcmp(place->text, text, len - TAIL) == 0
			&& sc_consteq(place->text + len - TAIL, text + len - TAIL, TAIL))
		{
			if (now >= place->says.exp)
				return JWT_EXPIRED;
			*out = place->says;
			return JWT_OK;
		}
	}
	status = sc_jwt_check(text, len, keys->keys, keys->n, c->jwt_issuer,
						  c->jwt_audience, now, CLOCK_LEEWAY_S, &claims);
	if (status != JWT_OK)
		return status;
	*out = (Token) {.actor = claims.sub, .iat_ms = claims.iat_ms, .exp = claims.exp};
	snprintf(out->actor_text, sizeof(out->actor_text), "%lld", (long long) claims.sub);
	snprintf(out->iat_text, sizeof(out->iat_text), "%lld", (long long) claims.iat_ms);
	memcpy(out->jti, claims.jti, sizeof(out->jti));
	if (place != NULL)
	{
		place->says = *out;
		place->len = (uint16_t) len;
		memcpy(place->text, text, len);
	}
	return JWT_OK;
}
