/*
 * token.h
 *		Access tokens, checked once and then recognised.
 */
#ifndef SHIM_TOKEN_H
#define SHIM_TOKEN_H

#include <stddef.h>
#include <stdint.h>

#include "common/jwt.h"
#include "daemon/config.h"

#define TOKENS 2048				/* that are recognised; a power of two */
#define TOKEN_KEPT 384			/* bytes; longer ones are checked each time */

/* What a good access token says. */
typedef struct Token
{
	int64_t		actor;			/* user id */
	int64_t		iat_ms;
	int64_t		exp;			/* seconds since 1970 */
	char		actor_text[21]; /* the same as digits */
	char		iat_text[21];
	char		jti[37];
} Token;

typedef struct KnownToken
{
	Token		says;
	uint16_t	len;
	char		text[TOKEN_KEPT];
} KnownToken;

/*
 * The keys that tokens may be signed with, of one loop, and the tokens that
 * were found good by them.  These are gone with the keys.
 */
typedef struct Keys
{
	KnownToken	known[TOKENS];
	unsigned	turn;			/* which of two makes room next */
	int			n;
	JwtKey		keys[];
} Keys;

/* As sc_jwt_check(); now in seconds since 1970. */
extern JwtStatus token_check(Keys *keys, const char *text, size_t len,
							 const Config *c, int64_t now, Token *out);

#endif							/* SHIM_TOKEN_H */
