/*
 * jwt.c
 *		Signing and verifying JSON Web Tokens with HMAC keys (RFC 7515, 7519).
 *
 * A token is trusted for what it says only after these, in this order: it is
 * short, it has three parts in canonical base64url, its header is a strict
 * JSON object that names an algorithm and a key of ours, the key is one for
 * that very algorithm ("none" is nobody's), and the signature fits.  The kid
 * is input from a stranger: it is looked up in a fixed table and used for
 * nothing else.
 *
 * HMAC(k, m) is H((k ^ opad) . H((k ^ ipad) . m)).  The two states after the
 * padded key are computed once per key; a signature then starts from a copy
 * of them.  That needs hash states which are plain data: OpenSSL 3 has these
 * only in its older interface, marked deprecated, while EVP objects allocate
 * at every copy and may not be shared by threads.
 *
 * The JSON reader is a validator that hands out the members of the outermost
 * object.  It allocates nothing; nesting is limited.
 */
#include "common/jwt.h"

#include <openssl/crypto.h>
#include <string.h>

#include "common/b64url.h"
#include "common/consteq.h"

#define MAX_DEPTH	64			/* nesting of a claim */
#define MAX_MEMBERS 64			/* members of the outermost object */
#define MAX_SECONDS INT64_C(253402300800)	/* the year 10000 */

/*
 * Keys and signatures
 */

static const char *const algorithm_names[] = {"HS256", "HS384", "HS512"};

JwtAlgorithm
sc_jwt_algorithm(const char *name, size_t len)
{
	for (int i = 0; i < JWT_NO_ALGORITHM; i++)
	{
		if (len == 5 && memcmp(name, algorithm_names[i], 5) == 0)
			return (JwtAlgorithm) i;
	}
	return JWT_NO_ALGORITHM;
}

const char *
sc_jwt_algorithm_name(JwtAlgorithm algorithm)
{
	return algorithm < JWT_NO_ALGORITHM ? algorithm_names[algorithm] : "none";
}

static size_t
mac_size(JwtAlgorithm algorithm)
{
	switch (algorithm)
	{
		case JWT_HS256:
			return SHA256_DIGEST_LENGTH;
		case JWT_HS384:
			return SHA384_DIGEST_LENGTH;
		case JWT_HS512:
			return SHA512_DIGEST_LENGTH;
		case JWT_NO_ALGORITHM:
			break;
	}
	return 0;
}

void
sc_jwt_mac_init(JwtMac *mac, JwtAlgorithm algorithm, const void *secret, size_t len)
{
	size_t		block = algorithm == JWT_HS256 ? SHA256_CBLOCK : SHA512_CBLOCK;
	uint8_t		key[SHA512_CBLOCK] = {0};
	uint8_t		ipad[SHA512_CBLOCK];
	uint8_t		opad[SHA512_CBLOCK];

	mac->algorithm = algorithm;

	/* A key longer than a block is replaced by its hash (RFC 2104). */
	if (len > block)
	{
		if (algorithm == JWT_HS256)
			SHA256(secret, len, key);
		else if (algorithm == JWT_HS384)
			SHA384(secret, len, key);
		else
			SHA512(secret, len, key);
	}
	else if (len > 0)
		memcpy(key, secret, len);

	for (size_t i = 0; i < block; i++)
	{
		ipad[i] = key[i] ^ 0x36;
		opad[i] = key[i] ^ 0x5c;
	}

	if (algorithm == JWT_HS256)
	{
		SHA256_Init(&mac->inner.sha256);
		SHA256_Update(&mac->inner.sha256, ipad, block);
		SHA256_Init(&mac->outer.sha256);
		SHA256_Update(&mac->outer.sha256, opad, block);
	}
	else
	{
		int			(*init) (SHA512_CTX *) = algorithm == JWT_HS384 ? SHA384_Init : SHA512_Init;

		init(&mac->inner.sha512);
		SHA512_Update(&mac->inner.sha512, ipad, block);
		init(&mac->outer.sha512);
		SHA512_Update(&mac->outer.sha512, opad, block);
	}
	OPENSSL_cleanse(key, sizeof(key));
	OPENSSL_cleanse(ipad, sizeof(ipad));
	OPENSSL_cleanse(opad, sizeof(opad));
}

size_t
sc_jwt_mac(const JwtMac *mac, const void *data, size_t len, uint8_t out[SC_JWT_MAC_MAX])
{
	size_t		size = mac_size(mac->algorithm);
	uint8_t		inner[SC_JWT_MAC_MAX];

	if (mac->algorithm == JWT_HS256)
	{
		SHA256_CTX	state = mac->inner.sha256;

		SHA256_Update(&state, data, len);
		SHA256_Final(inner, &state);
		state = mac->outer.sha256;
		SHA256_Update(&state, inner, size);
		SHA256_Final(out, &state);
	}
	else
	{
		/* SHA-384 is SHA-512 from another start; the state knows its size. */
		SHA512_CTX	state = mac->inner.sha512;

		SHA512_Update(&state, data, len);
		SHA512_Final(inner, &state);
		state = mac->outer.sha512;
		SHA512_Update(&state, inner, size);
		SHA512_Final(out, &state);
	}
	return size;
}

size_t
sc_jwt_size(JwtAlgorithm algorithm, size_t header_len, size_t payload_len)
{
	return SC_B64URL_ENCODED(header_len) + 1 + SC_B64URL_ENCODED(payload_len) + 1 +
		SC_B64URL_ENCODED(mac_size(algorithm));
}

size_t
sc_jwt_make(const JwtMac *mac, const char *header, size_t header_len,
			const char *payload, size_t payload_len, char *dst)
{
	uint8_t		signature[SC_JWT_MAC_MAX];
	size_t		signature_len;
	size_t		len;

	len = sc_b64url_encode(header, header_len, dst);
	dst[len++] = '.';
	len += sc_b64url_encode(payload, payload_len, dst + len);
	signature_len = sc_jwt_mac(mac, dst, len, signature);
	dst[len++] = '.';
	return len + sc_b64url_encode(signature, signature_len, dst + len);
}

bool
sc_jwt_split(const char *token, size_t len, JwtParts *parts)
{
	const char *end = token + len;
	const char *dot1 = memchr(token, '.', len);
	const char *dot2 = dot1 ? memchr(dot1 + 1, '.', (size_t) (end - dot1 - 1)) : NULL;

	if (!dot2 || memchr(dot2 + 1, '.', (size_t) (end - dot2 - 1)))
		return false;
	parts->header = token;
	parts->header_len = (size_t) (dot1 - token);
	parts->payload = dot1 + 1;
	parts->payload_len = (size_t) (dot2 - dot1 - 1);
	parts->signature = dot2 + 1;
	parts->signature_len = (size_t) (end - dot2 - 1);
	return parts->header_len > 0 && parts->payload_len > 0 && parts->signature_len > 0;
}

bool
sc_jwt_signature_fits(const JwtMac *mac, const JwtParts *parts)
{
	uint8_t		given[SC_JWT_MAC_MAX];
	uint8_t		expected[SC_JWT_MAC_MAX];
	size_t		size = mac_size(mac->algorithm);

	if (size == 0 || parts->signature_len != SC_B64URL_ENCODED(size) ||
		sc_b64url_decode(parts->signature, parts->signature_len, given) != (long) size)
		return false;
	sc_jwt_mac(mac, parts->header,
			   (size_t) (parts->payload + parts->payload_len - parts->header), expected);
	return sc_consteq(given, expected, size);
}

/*
 * Reading JSON
 */

typedef struct Span
{
	const char *start;			/* of a string: what is between the quotes */
	const char *end;
} Span;

typedef struct Member
{
	Span		name;
	Span		value;
	char		kind;			/* first character of the value */
} Member;

typedef struct Object
{
	int			count;
	Member		members[MAX_MEMBERS];
} Object;

typedef struct Reader
{
	const char *p;
	const char *end;
} Reader;

static bool read_value(Reader *r, int depth, Member *as);

static void
skip_space(Reader *r)
{
	while (r->p < r->end &&
		   (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r'))
		r->p++;
}

static bool
take(Reader *r, char c)
{
	if (r->p < r->end && *r->p == c)
	{
		r->p++;
		return true;
	}
	return false;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Reads four hex digits after \u; -1 if they are not. */
static long
read_unit(Reader *r)
{
	long		unit = 0;

	if (r->end - r->p < 4)
		return -1;
	for (int i = 0; i < 4; i++)
	{
		int			v = hex_digit(*r->p++);

		if (v < 0)
			return -1;
		unit = unit << 4 | v;
	}
	return unit;
}

/* Reads what follows a backslash; -1 if it is no escape. */
static long
read_escape(Reader *r)
{
	static const char from[] = "\"\\/bfnrt";
	static const char to[] = "\"\\/\b\f\n\r\t";
	const char *found;
	long		high;
	long		low;

	if (r->p >= r->end)
		return -1;
	if (*r->p != 'u')
	{
		found = memchr(from, *r->p++, sizeof(from) - 1);
		return found ? to[found - from] : -1;
	}
	r->p++;
	high = read_unit(r);
	if (high < 0xd800 || high > 0xdfff)
		return high == 0 ? -1 : high;	/* NUL has no place in a text */
	if (high > 0xdbff || !take(r, '\\') || !take(r, 'u'))
		return -1;
	low = read_unit(r);
	if (low < 0xdc00 || low > 0xdfff)
		return -1;
	return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

/* Reads one character inside a string as a code point; -1 if it is not allowed there. */
static long
read_char(Reader *r)
{
	static const long least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint8_t		c;
	int			size;
	long		point;

	if (r->p >= r->end)
		return -1;
	c = (uint8_t) *r->p++;
	if (c == '\\')
		return read_escape(r);
	if (c < 0x20)
		return -1;
	if (c < 0x80)
		return c;
	size = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
	if (c < 0xc2 || c > 0xf4 || r->end - r->p < size - 1)
		return -1;
	point = c & (0x7f >> size);
	for (int i = 1; i < size; i++)
	{
		c = (uint8_t) *r->p++;
		if ((c & 0xc0) != 0x80)
			return -1;
		point = point << 6 | (c & 0x3f);
	}
	if (point < least[size] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
		return -1;
	return point;
}

static bool
read_string(Reader *r, Span *span)
{
	if (!take(r, '"'))
		return false;
	span->start = r->p;
	while (r->p < r->end && *r->p != '"')
	{
		/* nearly always a plain ASCII character */
		if (*r->p >= 0x20 && *r->p < 0x7f && *r->p != '\\')
			r->p++;
		else if (read_char(r) < 0)
			return false;
	}
	span->end = r->p;
	return take(r, '"');
}

static bool
read_digits(Reader *r)
{
	const char *start = r->p;

	while (r->p < r->end && *r->p >= '0' && *r->p <= '9')
		r->p++;
	return r->p > start;
}

static bool
read_number(Reader *r)
{
	take(r, '-');
	if (!take(r, '0') && !read_digits(r))
		return false;
	if (take(r, '.') && !read_digits(r))
		return false;
	if (take(r, 'e') || take(r, 'E'))
	{
		if (!take(r, '+'))
			take(r, '-');
		return read_digits(r);
	}
	return true;
}

static bool
read_word(Reader *r, const char *word)
{
	size_t		len = strlen(word);

	if ((size_t) (r->end - r->p) < len || memcmp(r->p, word, len) != 0)
		return false;
	r->p += len;
	return true;
}

/* Two strings between quotes, equal once unescaped? Both are known to be valid. */
static bool
same_string(Span a, Span b)
{
	Reader		ra = {a.start, a.end};
	Reader		rb = {b.start, b.end};

	while (ra.p < ra.end && rb.p < rb.end)
	{
		if (read_char(&ra) != read_char(&rb))
			return false;
	}
	return ra.p == ra.end && rb.p == rb.end;
}

static bool
is_string(Span s, const char *text)
{
	size_t		len = (size_t) (s.end - s.start);
	Span		t = {text, text + strlen(text)};

	if (len == (size_t) (t.end - t.start) && memcmp(s.start, text, len) == 0)
		return true;
	/* spelled otherwise, it can only be the same by an escape */
	return memchr(s.start, '\\', len) != NULL && same_string(s, t);
}

/* Reads an object; keeps its members if `into` is given. */
static bool
read_object(Reader *r, int depth, Object *into)
{
	Member		m;

	if (!take(r, '{'))
		return false;
	skip_space(r);
	if (take(r, '}'))
		return true;
	do
	{
		skip_space(r);
		if (!read_string(r, &m.name))
			return false;
		skip_space(r);
		if (!take(r, ':') || !read_value(r, depth + 1, &m))
			return false;
		if (into)
		{
			if (into->count == MAX_MEMBERS)
				return false;
			for (int i = 0; i < into->count; i++)
			{
				if (same_string(into->members[i].name, m.name))
					return false;
			}
			into->members[into->count++] = m;
		}
	} while (take(r, ','));
	return take(r, '}');
}

static bool
read_array(Reader *r, int depth)
{
	Member		item;

	if (!take(r, '['))
		return false;
	skip_space(r);
	if (take(r, ']'))
		return true;
	do
	{
		if (!read_value(r, depth + 1, &item))
			return false;
	} while (take(r, ','));
	return take(r, ']');
}

/* Reads a value and the space around it. */
static bool
read_value(Reader *r, int depth, Member *as)
{
	bool		ok;

	skip_space(r);
	if (depth > MAX_DEPTH || r->p >= r->end)
		return false;
	as->kind = *r->p;
	as->value.start = r->p;
	switch (as->kind)
	{
		case '"':
			ok = read_string(r, &as->value);
			break;
		case '{':
			ok = read_object(r, depth, NULL);
			break;
		case '[':
			ok = read_array(r, depth);
			break;
		case 't':
			ok = read_word(r, "true");
			break;
		case 'f':
			ok = read_word(r, "false");
			break;
		case 'n':
			ok = read_word(r, "null");
			break;
		default:
			ok = read_number(r);
			break;
	}
	if (as->kind != '"')
		as->value.end = r->p;
	skip_space(r);
	return ok;
}

static bool
read_outermost(const char *json, size_t len, Object *into)
{
	Reader		r = {json, json + len};

	into->count = 0;
	skip_space(&r);
	if (!read_object(&r, 0, into))
		return false;
	skip_space(&r);
	return r.p == r.end;
}

/*
 * Header and claims
 */

/* Copies a text of plain ASCII without escapes; false if it is another one or too long. */
static bool
copy_plain(Span s, char *dst, size_t size)
{
	size_t		len = (size_t) (s.end - s.start);

	if (len >= size)
		return false;
	for (size_t i = 0; i < len; i++)
	{
		if (s.start[i] == '\\' || (uint8_t) s.start[i] >= 0x7f)
			return false;
	}
	memcpy(dst, s.start, len);
	dst[len] = '\0';
	return true;
}

/*
 * A NumericDate or other count as a whole number, rounded down.  What lies
 * beyond the given limit on either side is that limit.
 */
static int64_t
read_count(Span s, int64_t limit)
{
	Reader		r = {s.start, s.end};
	bool		negative = take(&r, '-');
	double		value = 0;
	double		scale = 1;
	int			exponent = 0;
	bool		shrinking;
	int64_t		whole;

	for (; r.p < r.end && *r.p >= '0' && *r.p <= '9'; r.p++)
		value = value * 10 + (*r.p - '0');
	if (take(&r, '.'))
	{
		for (; r.p < r.end && *r.p >= '0' && *r.p <= '9'; r.p++)
		{
			scale /= 10;
			value += (*r.p - '0') * scale;
		}
	}
	if (take(&r, 'e') || take(&r, 'E'))
	{
		shrinking = take(&r, '-');
		take(&r, '+');
		for (; r.p < r.end; r.p++)
		{
			if (exponent < 1000)
				exponent = exponent * 10 + (*r.p - '0');
		}
		for (; exponent > 0 && value != 0; exponent--)
			value = shrinking ? value / 10 : value * 10;
	}
	if (negative)
		value = -value;

	/* An endless run of digits becomes infinity, never NaN. */
	if (value >= (double) limit)
		return limit;
	if (value <= (double) -limit)
		return -limit;
	whole = (int64_t) value;
	return (double) whole > value ? whole - 1 : whole;
}

bool
sc_jwt_read_header(const char *json, size_t len, JwtHeader *out)
{
	Object		object;
	char		type[16];

	memset(out, 0, sizeof(*out));
	out->algorithm = JWT_NO_ALGORITHM;
	out->is_access_token = true;
	if (!read_outermost(json, len, &object))
		return false;
	for (int i = 0; i < object.count; i++)
	{
		Member	   *m = &object.members[i];

		/* Extensions that must be understood are not: there are none here. */
		if (is_string(m->name, "crit"))
			return false;
		if (is_string(m->name, "alg"))
		{
			if (m->kind != '"')
				return false;
			out->algorithm = sc_jwt_algorithm(m->value.start,
											  (size_t) (m->value.end - m->value.start));
		}
		else if (is_string(m->name, "kid"))
		{
			if (m->kind != '"' || !copy_plain(m->value, out->kid, sizeof(out->kid)))
				return false;
		}
		else if (is_string(m->name, "typ"))
			out->is_access_token = m->kind == '"' &&
				copy_plain(m->value, type, sizeof(type)) &&
				(strcmp(type, "at+jwt") == 0 || strcmp(type, "JWT") == 0);
	}
	return true;
}

/* A user id: decimal digits without leading zero, above 0; else 0. */
static int64_t
read_id(Span s)
{
	int64_t		id = 0;

	if (s.end - s.start > 18 || (s.start < s.end && *s.start == '0'))
		return 0;
	for (const char *p = s.start; p < s.end; p++)
	{
		if (*p < '0' || *p > '9')
			return 0;
		id = id * 10 + (*p - '0');
	}
	return id;
}

/* A UUID in its usual lower-case form; leaves the claim empty otherwise. */
static void
read_uuid(Span s, JwtClaims *out)
{
	if (s.end - s.start != 36)
		return;
	for (int i = 0, digits = 0; i < 36; i++)
	{
		char		c = s.start[i];

		if (i == 8 || i == 13 || i == 18 || i == 23)
		{
			if (c != '-')
				return;
			continue;
		}
		if (hex_digit(c) < 0 || (c >= 'A' && c <= 'F'))
			return;
		if (digits % 2 == 0)
			out->jti_bytes[digits / 2] = (uint8_t) (hex_digit(c) << 4);
		else
			out->jti_bytes[digits / 2] |= (uint8_t) hex_digit(c);
		digits++;
	}
	memcpy(out->jti, s.start, 36);
	out->jti[36] = '\0';
}

/* An audience is a text or an array of texts (RFC 7519, 4.1.3). */
static bool
audience_contains(const Member *m, const char *audience)
{
	Reader		r = {m->value.start, m->value.end};
	Member		item;

	if (m->kind == '"')
		return is_string(m->value, audience);
	if (m->kind != '[' || !take(&r, '['))
		return false;
	do
	{
		if (!read_value(&r, 0, &item))
			return false;		/* an empty array */
		if (item.kind == '"' && is_string(item.value, audience))
			return true;
	} while (take(&r, ','));
	return false;
}

static bool
is_number(const Member *m)
{
	return m->kind == '-' || (m->kind >= '0' && m->kind <= '9');
}

bool
sc_jwt_read_claims(const char *json, size_t len, const char *issuer, const char *audience,
				   JwtClaims *out)
{
	Object		object;

	memset(out, 0, sizeof(*out));
	if (!read_outermost(json, len, &object))
		return false;
	for (int i = 0; i < object.count; i++)
	{
		Member	   *m = &object.members[i];
		int64_t    *number = NULL;
		int64_t		limit = MAX_SECONDS;

		if (is_string(m->name, "sub") && m->kind == '"')
			out->sub = read_id(m->value);
		else if (is_string(m->name, "jti") && m->kind == '"')
			read_uuid(m->value, out);
		else if (is_string(m->name, "role") && m->kind == '"')
		{
			if (!copy_plain(m->value, out->role, sizeof(out->role)))
				out->role[0] = '\0';
		}
		else if (is_string(m->name, "iss"))
			out->iss_matches = issuer && m->kind == '"' && is_string(m->value, issuer);
		else if (is_string(m->name, "aud"))
			out->aud_matches = audience && audience_contains(m, audience);
		else if (is_string(m->name, "exp"))
		{
			number = &out->exp;
			out->has_exp = true;
		}
		else if (is_string(m->name, "nbf"))
		{
			number = &out->nbf;
			out->has_nbf = true;
		}
		else if (is_string(m->name, "iat"))
			number = &out->iat;
		else if (is_string(m->name, "iat_ms"))
		{
			number = &out->iat_ms;
			limit = MAX_SECONDS * 1000;
		}
		if (number)
		{
			if (!is_number(m))
				return false;
			*number = read_count(m->value, limit);
		}
	}
	return true;
}

static const JwtKey *
find_key(const JwtKey *keys, int n, const char *kid)
{
	for (int i = 0; i < n; i++)
	{
		if (strcmp(keys[i].kid, kid) == 0)
			return &keys[i];
	}
	return NULL;
}

JwtStatus
sc_jwt_check(const char *token, size_t len, const JwtKey *keys, int n,
			 const char *issuer, const char *audience,
			 int64_t now, int leeway, JwtClaims *out)
{
	char		json[SC_B64URL_DECODED(SC_JWT_MAX)];
	JwtParts	parts;
	JwtHeader	header;
	JwtClaims	claims;
	const JwtKey *key;
	long		size;

	if (len > SC_JWT_MAX || !sc_jwt_split(token, len, &parts))
		return JWT_MALFORMED;
	size = sc_b64url_decode(parts.header, parts.header_len, json);
	if (size < 0 || !sc_jwt_read_header(json, (size_t) size, &header) ||
		!header.is_access_token || header.algorithm == JWT_NO_ALGORITHM || !header.kid[0])
		return JWT_MALFORMED;

	key = find_key(keys, n, header.kid);
	if (!key)
		return JWT_UNKNOWN_KEY;
	if (key->mac.algorithm != header.algorithm || !sc_jwt_signature_fits(&key->mac, &parts))
		return JWT_BAD_SIGNATURE;

	size = sc_b64url_decode(parts.payload, parts.payload_len, json);
	if (size < 0 || !sc_jwt_read_claims(json, (size_t) size, issuer, audience, &claims))
		return JWT_MALFORMED;
	if (!claims.has_exp || claims.sub == 0 || !claims.jti[0] || claims.iat_ms <= 0 ||
		!claims.iss_matches || !claims.aud_matches)
		return JWT_BAD_CLAIM;
	if (now >= claims.exp)
		return JWT_EXPIRED;
	if (claims.has_nbf && now + leeway < claims.nbf)
		return JWT_TOO_EARLY;
	*out = claims;
	return JWT_OK;
}
