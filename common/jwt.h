/*
 * jwt.h
 *		Signing and verifying JSON Web Tokens with HMAC keys.
 *
 * Used by the extension, which signs, and by the shim, which verifies.  No
 * function allocates memory or keeps state: a key is plain data that may be
 * copied, kept in a table and used by several threads at once.
 */
#ifndef COMMON_JWT_H
#define COMMON_JWT_H

#ifndef OPENSSL_SUPPRESS_DEPRECATED
#define OPENSSL_SUPPRESS_DEPRECATED /* see jwt.c */
#endif
#include <openssl/sha.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SC_JWT_MAX			2048	/* longest access token */
#define SC_JWT_KID_MAX		64	/* longest key name */
#define SC_JWT_MAC_MAX		64	/* longest signature, in bytes */

typedef enum JwtAlgorithm
{
	JWT_HS256,
	JWT_HS384,
	JWT_HS512,
	JWT_NO_ALGORITHM			/* none, or one we do not know */
} JwtAlgorithm;

/* HMAC with the key already mixed in: the two hash states to start from. */
typedef struct JwtMac
{
	JwtAlgorithm algorithm;
	union
	{
		SHA256_CTX	sha256;
		SHA512_CTX	sha512;
	}			inner,
				outer;
} JwtMac;

/* A named key; good for exactly one algorithm. */
typedef struct JwtKey
{
	char		kid[SC_JWT_KID_MAX + 1];
	JwtMac		mac;
} JwtKey;

typedef enum JwtStatus
{
	JWT_OK,
	JWT_MALFORMED,				/* not a token of ours, whatever the key */
	JWT_UNKNOWN_KEY,			/* well formed, but no such kid: perhaps a new
								 * key */
	JWT_BAD_SIGNATURE,
	JWT_EXPIRED,
	JWT_TOO_EARLY,				/* nbf is in the future */
	JWT_BAD_CLAIM				/* wrong issuer or audience, or a claim is
								 * missing */
} JwtStatus;

/* What a JOSE header says, as far as we care. */
typedef struct JwtHeader
{
	JwtAlgorithm algorithm;
	char		kid[SC_JWT_KID_MAX + 1];	/* "" when absent */
	bool		is_access_token;	/* typ is at+jwt or JWT, or absent */
} JwtHeader;

/*
 * What the claims say.  A text claim that is absent, or has another form than
 * the one told here, is empty; a number that is absent is zero.
 */
typedef struct JwtClaims
{
	int64_t		sub;			/* user id, > 0 */
	char		jti[37];		/* token id: a UUID in lower case */
	uint8_t		jti_bytes[16];
	char		role[33];		/* main role; informative, never trusted */
	int64_t		iat;			/* seconds since 1970 */
	int64_t		exp;
	int64_t		nbf;
	int64_t		iat_ms;			/* issue time in milliseconds (private claim) */
	bool		has_exp;
	bool		has_nbf;
	bool		iss_matches;	/* iss is the issuer asked for */
	bool		aud_matches;	/* aud is or contains the audience asked for */
} JwtClaims;

/* The three parts of a compact JWS, still encoded; they point into the token. */
typedef struct JwtParts
{
	const char *header;
	const char *payload;
	const char *signature;
	size_t		header_len;
	size_t		payload_len;
	size_t		signature_len;
} JwtParts;

/* Names of algorithms; an unknown one gives JWT_NO_ALGORITHM. */
extern JwtAlgorithm sc_jwt_algorithm(const char *name, size_t len);
extern const char *sc_jwt_algorithm_name(JwtAlgorithm algorithm);

/* Prepares a key from a secret of any length. */
extern void sc_jwt_mac_init(JwtMac *mac, JwtAlgorithm algorithm,
							const void *secret, size_t len);

/* Computes the signature of len bytes into out; returns its size (32, 48, 64). */
extern size_t sc_jwt_mac(const JwtMac *mac, const void *data, size_t len,
						 uint8_t out[SC_JWT_MAC_MAX]);

/* Room for a token made of such a header and payload; nothing is added at the end. */
extern size_t sc_jwt_size(JwtAlgorithm algorithm, size_t header_len, size_t payload_len);

/* Writes the token to dst, which has sc_jwt_size() bytes; returns its length. */
extern size_t sc_jwt_make(const JwtMac *mac,
						  const char *header, size_t header_len,
						  const char *payload, size_t payload_len,
						  char *dst);

/* Cuts a token at its two dots; false unless there are three parts, none empty. */
extern bool sc_jwt_split(const char *token, size_t len, JwtParts *parts);

/* Does the signature of the parts fit the key? */
extern bool sc_jwt_signature_fits(const JwtMac *mac, const JwtParts *parts);

/*
 * Read a decoded header or payload.  False unless it is one JSON object in
 * valid UTF-8 without duplicate members, its known members have their proper
 * types, and (header) no extension is marked critical.
 */
extern bool sc_jwt_read_header(const char *json, size_t len, JwtHeader *out);
extern bool sc_jwt_read_claims(const char *json, size_t len,
							   const char *issuer, const char *audience,
							   JwtClaims *out);

/*
 * Verify an access token: form, key, algorithm of the key, signature, expiry,
 * issuer, audience, and that sub, jti, exp and iat_ms are there.
 *
 * keys is a table of n keys, found by kid.  now is in seconds since 1970;
 * leeway is the clock difference in seconds forgiven to nbf (none is ever
 * forgiven to exp).  out is filled only on JWT_OK.
 */
extern JwtStatus sc_jwt_check(const char *token, size_t len,
							  const JwtKey *keys, int n,
							  const char *issuer, const char *audience,
							  int64_t now, int leeway, JwtClaims *out);

#endif							/* COMMON_JWT_H */
