/*
 * password.c
 *		Password hashes: Argon2id for our own, others for imported users.
 *
 * Our own hashes are PHC strings with OWASP's parameters.  Hashes that came
 * with imported users are verified too, so that nobody has to choose a new
 * password because a school changed its software; the log-in replaces them:
 *
 *	- $argon2id$v=19$m=...,t=...,p=...$salt$hash
 *	- pbkdf2:sha256:ITERATIONS$salt$hex and scrypt:N:r:p$salt$hex (Werkzeug)
 *	- $2a$, $2b$, $2y$ (bcrypt)
 *
 * The cost of a verification is written in the hash, and hashes come from
 * files that strangers wrote: every cost has a ceiling, beyond which nothing
 * matches.  A hash in no known form matches nothing either; that is not an
 * error, since it would tell the caller about the account.  Digests are
 * compared in constant time.
 */
#include "postgres.h"

#include <argon2.h>
#include <crypt.h>
#include <openssl/evp.h>

#include "common/b64url.h"
#include "common/consteq.h"
#include "common/jwt.h"
#include "extension/student_coach.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#define MEMORY_KIB	19456
#define PASSES		2
#define LANES		1
#define SALT_SIZE	16
#define HASH_SIZE	32

/* Ceilings for what a stored hash may ask. */
#define MAX_MEMORY_KIB	(256 * 1024)
#define MAX_PASSES		16
#define MAX_LANES		16
#define MAX_ITERATIONS	5000000
#define MAX_BCRYPT_COST 15
#define MAX_TOUCHED_KIB (1024 * 1024)	/* memory times passes */
#define MAX_DIGEST		64
#define MAX_SALT		128

/* An Argon2id hash taken apart. */
typedef struct ArgonHash
{
	int			memory_kib;
	int			passes;
	int			lanes;
	uint8		salt[MAX_SALT];
	int			salt_len;
	uint8		digest[MAX_DIGEST];
	int			digest_len;
} ArgonHash;

/*
 * Runs in this very thread whatever the number of lanes: a backend must not
 * start threads.
 */
static void
argon2id(const char *password, int password_len, ArgonHash *h)
{
	argon2_context context = {0};
	int			rc;

	context.out = h->digest;
	context.outlen = h->digest_len;
	context.pwd = (uint8_t *) password;
	context.pwdlen = password_len;
	context.salt = h->salt;
	context.saltlen = h->salt_len;
	context.t_cost = h->passes;
	context.m_cost = h->memory_kib;
	context.lanes = h->lanes;
	context.threads = 1;
	context.version = ARGON2_VERSION_13;
	context.flags = ARGON2_DEFAULT_FLAGS;

	CHECK_FOR_INTERRUPTS();
	rc = argon2id_ctx(&context);
	CHECK_FOR_INTERRUPTS();
	if (rc == ARGON2_MEMORY_ALLOCATION_ERROR)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("Hashing a password takes %d kB.", h->memory_kib)));
	if (rc != ARGON2_OK)
		elog(ERROR, "argon2: %s", argon2_error_message(rc));
}

/* Base64 in the usual alphabet, as PHC strings have it: without padding. */
static int
phc_decode(const char *src, int len, uint8 *dst, int size)
{
	char		url[SC_B64URL_ENCODED(MAX_SALT) + 1];

	if (len >= (int) sizeof(url) || SC_B64URL_DECODED(len) > size)
		return -1;
	for (int i = 0; i < len; i++)
	{
		if (src[i] == '-' || src[i] == '_')
			return -1;
		url[i] = src[i] == '+' ? '-' : src[i] == '/' ? '_' : src[i];
	}
	return (int) sc_b64url_decode(url, len, dst);
}

static void
phc_encode(const uint8 *src, int len, StringInfo out)
{
	char		url[SC_B64URL_ENCODED(MAX_SALT)];
	int			n = (int) sc_b64url_encode(src, len, url);

	for (int i = 0; i < n; i++)
		appendStringInfoChar(out, url[i] == '-' ? '+' : url[i] == '_' ? '/' : url[i]);
}

/* Reads a number without sign or leading zero, up to max; false if it is none. */
static bool
read_int(const char **p, int max, int *value)
{
	int64		v = 0;
	const char *start = *p;

	for (; **p >= '0' && **p <= '9'; (*p)++)
	{
		v = v * 10 + (**p - '0');
		if (v > max)
			return false;
	}
	*value = (int) v;
	return *p > start && *start != '0';
}

static bool
skip_word(const char **p, const char *word)
{
	size_t		len = strlen(word);

	if (strncmp(*p, word, len) != 0)
		return false;
	*p += len;
	return true;
}

static bool
read_argon_hash(const char *s, ArgonHash *h)
{
	const char *dollar;

	if (!skip_word(&s, "$argon2id$v=19$m=") ||
		!read_int(&s, MAX_MEMORY_KIB, &h->memory_kib) ||
		!skip_word(&s, ",t=") || !read_int(&s, MAX_PASSES, &h->passes) ||
		!skip_word(&s, ",p=") || !read_int(&s, MAX_LANES, &h->lanes) ||
		!skip_word(&s, "$"))
		return false;
	dollar = strchr(s, '$');
	if (!dollar)
		return false;
	h->salt_len = phc_decode(s, dollar - s, h->salt, sizeof(h->salt));
	h->digest_len = phc_decode(dollar + 1, strlen(dollar + 1), h->digest, sizeof(h->digest));

	/* Smaller ones argon2 itself refuses. */
	return h->salt_len >= 8 && h->digest_len >= 16 && h->memory_kib >= 8 * h->lanes &&
		(int64) h->memory_kib * h->passes <= MAX_TOUCHED_KIB;
}

static bool
verify_argon2id(const char *password, const char *hash)
{
	ArgonHash	h;
	uint8		expected[MAX_DIGEST];

	if (!read_argon_hash(hash, &h))
		return false;
	memcpy(expected, h.digest, h.digest_len);
	argon2id(password, strlen(password), &h);
	return sc_consteq(expected, h.digest, h.digest_len);
}

/* Does the hexadecimal text stand for these bytes? */
static bool
hex_equals(const char *text, const uint8 *bytes, int len)
{
	char		expected[2 * MAX_DIGEST];

	if (strlen(text) != 2 * (size_t) len)
		return false;
	hex_encode((const char *) bytes, len, expected);
	return sc_consteq(text, expected, 2 * (size_t) len);
}

/*
 * PBKDF2 (RFC 8018) for a digest as long as the hash function's, which is a
 * single block: T1 = U1 ^ U2 ^ ..., U1 = HMAC(p, salt . 1), Un = HMAC(p, Un-1).
 */
static bool
verify_pbkdf2(const char *password, const char *hash)
{
	JwtAlgorithm algorithm;
	JwtMac		mac;
	const char *salt;
	const char *dollar;
	int			iterations;
	uint8		block[MAX_SALT + 4];
	uint8		u[SC_JWT_MAC_MAX];
	uint8		t[SC_JWT_MAC_MAX];
	size_t		size;

	if (skip_word(&hash, "pbkdf2:sha256:"))
		algorithm = JWT_HS256;
	else if (skip_word(&hash, "pbkdf2:sha512:"))
		algorithm = JWT_HS512;
	else
		return false;
	if (!read_int(&hash, MAX_ITERATIONS, &iterations) || !skip_word(&hash, "$"))
		return false;
	salt = hash;
	dollar = strchr(salt, '$');
	if (!dollar || dollar == salt || dollar - salt > MAX_SALT)
		return false;

	memcpy(block, salt, dollar - salt);
	memcpy(block + (dollar - salt), "\0\0\0\1", 4);
	sc_jwt_mac_init(&mac, algorithm, password, strlen(password));
	size = sc_jwt_mac(&mac, block, dollar - salt + 4, u);
	memcpy(t, u, size);
	for (int i = 1; i < iterations; i++)
	{
		if (i % 4096 == 0)
			CHECK_FOR_INTERRUPTS();
		sc_jwt_mac(&mac, u, size, u);
		for (size_t k = 0; k < size; k++)
			t[k] ^= u[k];
	}
	return hex_equals(dollar + 1, t, (int) size);
}

static bool
verify_scrypt(const char *password, const char *hash)
{
	const char *dollar;
	int			n;
	int			r;
	int			p;
	uint8		digest[MAX_DIGEST];
	uint64		memory;

	if (!skip_word(&hash, "scrypt:") || !read_int(&hash, 1 << 20, &n) ||
		!skip_word(&hash, ":") || !read_int(&hash, 32, &r) ||
		!skip_word(&hash, ":") || !read_int(&hash, MAX_LANES, &p) ||
		!skip_word(&hash, "$"))
		return false;
	dollar = strchr(hash, '$');
	memory = UINT64CONST(128) * n * r;
	if (!dollar || dollar == hash || dollar - hash > MAX_SALT ||
		n < 2 || (n & (n - 1)) != 0 || memory > UINT64CONST(1024) * MAX_MEMORY_KIB ||
		memory * p > UINT64CONST(1024) * MAX_TOUCHED_KIB)
		return false;

	CHECK_FOR_INTERRUPTS();
	if (EVP_PBE_scrypt(password, strlen(password), (const unsigned char *) hash, dollar - hash,
					   n, r, p, 2 * memory + 1024 * 1024, digest, sizeof(digest)) != 1)
		elog(ERROR, "scrypt failed");
	CHECK_FOR_INTERRUPTS();
	return hex_equals(dollar + 1, digest, sizeof(digest));
}

/* A password beyond 72 bytes is cut by bcrypt itself: that is what the hash was made of. */
static bool
verify_bcrypt(const char *password, const char *hash)
{
	struct crypt_data *data;
	const char *again;
	int			cost;

	if (strlen(hash) != 60 || hash[6] != '$' || !isdigit((unsigned char) hash[4]) ||
		!isdigit((unsigned char) hash[5]))
		return false;
	cost = (hash[4] - '0') * 10 + (hash[5] - '0');
	if (cost < 4 || cost > MAX_BCRYPT_COST)
		return false;

	data = palloc0(sizeof(struct crypt_data));
	CHECK_FOR_INTERRUPTS();
	again = crypt_r(password, hash, data);
	CHECK_FOR_INTERRUPTS();
	return again && strlen(again) == 60 && sc_consteq(again, hash, 60);
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_password_hash);
Datum
sc_password_hash(PG_FUNCTION_ARGS)
{
	text	   *password = PG_GETARG_TEXT_PP(0);
	StringInfoData out;
	ArgonHash	h;

	h.memory_kib = MEMORY_KIB;
	h.passes = PASSES;
	h.lanes = LANES;
	h.salt_len = SALT_SIZE;
	h.digest_len = HASH_SIZE;
	if (!pg_strong_random(h.salt, SALT_SIZE))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not make a random salt")));
	argon2id(VARDATA_ANY(password), VARSIZE_ANY_EXHDR(password), &h);

	initStringInfo(&out);
	appendStringInfo(&out, "$argon2id$v=19$m=%d,t=%d,p=%d$", h.memory_kib, h.passes, h.lanes);
	phc_encode(h.salt, h.salt_len, &out);
	appendStringInfoChar(&out, '$');
	phc_encode(h.digest, h.digest_len, &out);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out.data, out.len));
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_password_verify);
Datum
sc_password_verify(PG_FUNCTION_ARGS)
{
	char	   *password = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *hash = text_to_cstring(PG_GETARG_TEXT_PP(1));
	bool		matches = false;

	if (strncmp(hash, "$argon2id$", 10) == 0)
		matches = verify_argon2id(password, hash);
	else if (strncmp(hash, "pbkdf2:", 7) == 0)
		matches = verify_pbkdf2(password, hash);
	else if (strncmp(hash, "scrypt:", 7) == 0)
		matches = verify_scrypt(password, hash);
	else if (strncmp(hash, "$2a$", 4) == 0 || strncmp(hash, "$2b$", 4) == 0 ||
			 strncmp(hash, "$2y$", 4) == 0)
		matches = verify_bcrypt(password, hash);
	PG_RETURN_BOOL(matches);
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_password_needs_rehash);
Datum
sc_password_needs_rehash(PG_FUNCTION_ARGS)
{
	char	   *hash = text_to_cstring(PG_GETARG_TEXT_PP(0));
	ArgonHash	h;

	PG_RETURN_BOOL(!read_argon_hash(hash, &h) || h.memory_kib != MEMORY_KIB ||
				   h.passes != PASSES || h.lanes != LANES ||
				   h.salt_len != SALT_SIZE || h.digest_len != HASH_SIZE);
}
