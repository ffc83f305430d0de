/*
 * jwt.c
 *		Tokens: published vectors, then everything a stranger may send.
 */
#include "common/jwt.h"

#include <stdio.h>
#include <string.h>

#include "common/b64url.h"
#include "common/consteq.h"

#define NOW INT64_C(1800000000)
#define SUB "\"sub\":\"42\""
#define JTI "\"jti\":\"0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9\""
#define REST "\"iss\":\"me\",\"aud\":\"you\",\"exp\":1800000900,\"iat\":1800000000,\"iat_ms\":1800000000123"
#define CLAIMS "{" SUB "," JTI "," REST ",\"role\":\"student\"}"

static int	failures;

static void
check(bool ok, const char *what)
{
	if (!ok)
	{
		printf("failed: %s\n", what);
		failures++;
	}
}

static void
hex(const uint8_t *p, size_t n, char *out)
{
	for (size_t i = 0; i < n; i++)
		sprintf(out + 2 * i, "%02x", p[i]);
}

/* RFC 4231, cases 2 and 6 (a key longer than any block). */
static void
test_mac(void)
{
	static const struct
	{
		JwtAlgorithm algorithm;
		const char *key;
		const char *data;
		const char *mac;
	}			cases[] = {
		{JWT_HS256, "Jefe", "what do ya want for nothing?",
		"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
		{JWT_HS384, "Jefe", "what do ya want for nothing?",
			"af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47"
		"e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649"},
		{JWT_HS512, "Jefe", "what do ya want for nothing?",
			"164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
		"9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
		{JWT_HS256, NULL, "Test Using Larger Than Block-Size Key - Hash Key First",
		"60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
		{JWT_HS384, NULL, "Test Using Larger Than Block-Size Key - Hash Key First",
			"4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f"
		"3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952"},
		{JWT_HS512, NULL, "Test Using Larger Than Block-Size Key - Hash Key First",
			"80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
		"6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598"},
	};
	char		long_key[131];

	memset(long_key, 0xaa, sizeof(long_key));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		JwtMac		mac;
		uint8_t		out[SC_JWT_MAC_MAX];
		char		text[2 * SC_JWT_MAC_MAX + 1];

		sc_jwt_mac_init(&mac, cases[i].algorithm,
						cases[i].key ? cases[i].key : long_key,
						cases[i].key ? strlen(cases[i].key) : sizeof(long_key));
		/* twice: a key must not wear out */
		sc_jwt_mac(&mac, cases[i].data, strlen(cases[i].data), out);
		hex(out, sc_jwt_mac(&mac, cases[i].data, strlen(cases[i].data), out), text);
		check(strcmp(text, cases[i].mac) == 0, cases[i].mac);
	}
}

/* RFC 4648 section 10, and what is not canonical. */
static void
test_b64url(void)
{
	static const char *const pairs[][2] = {
		{"", ""}, {"f", "Zg"}, {"fo", "Zm8"}, {"foo", "Zm9v"},
		{"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"},
		{"\xfb\xff\xbf", "-_-_"},
	};
	static const char *const bad[] = {
		"Z", "Zg==", "Zm8=", "Zh", "Zm9", "Z g", "Zm9v\n", "+/+/", "Zm9vY",
	};
	char		buf[64];

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
	{
		size_t		n = strlen(pairs[i][0]);
		size_t		len = sc_b64url_encode(pairs[i][0], n, buf);

		check(len == SC_B64URL_ENCODED(n) && len == strlen(pairs[i][1]) &&
			  memcmp(buf, pairs[i][1], len) == 0, pairs[i][1]);
		check(sc_b64url_decode(pairs[i][1], len, buf) == (long) n &&
			  SC_B64URL_DECODED(len) == n && memcmp(buf, pairs[i][0], n) == 0, pairs[i][0]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		check(sc_b64url_decode(bad[i], strlen(bad[i]), buf) == -1, bad[i]);
}

/* RFC 7515, appendix A.1. */
static void
test_rfc7515(void)
{
	static const char token[] =
	"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
	".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
	".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
	static const char key[] =
	"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
	static const char header[] = "{\"typ\":\"JWT\",\r\n \"alg\":\"HS256\"}";
	static const char payload[] =
	"{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}";
	char		secret[64];
	char		out[512];
	JwtMac		mac;
	JwtParts	parts;
	JwtHeader	h;
	JwtClaims	c;
	size_t		len;

	check(sc_b64url_decode(key, strlen(key), secret) == 64, "RFC 7515 key");
	sc_jwt_mac_init(&mac, JWT_HS256, secret, 64);
	len = sc_jwt_make(&mac, header, strlen(header), payload, strlen(payload), out);
	check(len == strlen(token) && memcmp(out, token, len) == 0 &&
		  len == sc_jwt_size(JWT_HS256, strlen(header), strlen(payload)), "RFC 7515 A.1 signed");
	check(sc_jwt_split(token, strlen(token), &parts) && sc_jwt_signature_fits(&mac, &parts),
		  "RFC 7515 A.1 verified");
	check(sc_jwt_read_header(header, strlen(header), &h) && h.algorithm == JWT_HS256 &&
		  h.kid[0] == '\0' && h.is_access_token, "RFC 7515 A.1 header");
	check(sc_jwt_read_claims(payload, strlen(payload), "joe", NULL, &c) && c.has_exp &&
		  c.exp == 1300819380 && c.iss_matches && !c.aud_matches && !c.has_nbf, "RFC 7515 A.1 claims");
}

static JwtKey keys[2];

static void
make_keys(void)
{
	strcpy(keys[0].kid, "k1");
	sc_jwt_mac_init(&keys[0].mac, JWT_HS256, "0123456789abcdef0123456789abcdef", 32);
	strcpy(keys[1].kid, "k2");
	sc_jwt_mac_init(&keys[1].mac, JWT_HS512, "fedcba9876543210fedcba9876543210", 32);
}

/* Signs header and payload with the given key and verifies what comes out. */
static JwtStatus
round_trip(const JwtKey *with, const char *header, const char *payload, JwtClaims *claims)
{
	char		token[2 * SC_JWT_MAX];
	size_t		len = sc_jwt_make(&with->mac, header, strlen(header), payload, strlen(payload), token);

	return sc_jwt_check(token, len, keys, 2, "me", "you", NOW, 5, claims);
}

static void
test_verify(void)
{
	static const char good[] = "{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"k1\"}";
	static const struct
	{
		const char *header;
		const char *payload;
		JwtStatus	expected;
	}			cases[] = {
		/* headers */
		{good, CLAIMS, JWT_OK},
		{"{\"kid\":\"k1\",\"alg\":\"HS256\"}", CLAIMS, JWT_OK},
		{" { \"k\\u0069d\" : \"k1\" , \"alg\" : \"HS256\" } ", CLAIMS, JWT_OK},
		{"{\"alg\":\"none\",\"kid\":\"k1\"}", CLAIMS, JWT_MALFORMED},
		{"{\"alg\":\"hs256\",\"kid\":\"k1\"}", CLAIMS, JWT_MALFORMED},
		{"{\"alg\":\"RS256\",\"kid\":\"k1\"}", CLAIMS, JWT_MALFORMED},
		{"{\"alg\":null,\"kid\":\"k1\"}", CLAIMS, JWT_MALFORMED},
		{"{\"alg\":[\"HS256\"],\"kid\":\"k1\"}", CLAIMS, JWT_MALFORMED},
		{"{\"kid\":\"k1\"}", CLAIMS, JWT_MALFORMED},
		{"{\"alg\":\"HS256\"}", CLAIMS, JWT_MALFORMED},
		{"{\"alg\":\"HS256\",\"kid\":\"\"}", CLAIMS, JWT_MALFORMED},
		{"{\"alg\":\"HS256\",\"kid\":7}", CLAIMS, JWT_MALFORMED},
		{"{\"alg\":\"HS256\",\"kid\":\"k9\"}", CLAIMS, JWT_UNKNOWN_KEY},
		{"{\"alg\":\"HS512\",\"kid\":\"k1\"}", CLAIMS, JWT_BAD_SIGNATURE},
		{"{\"alg\":\"HS512\",\"kid\":\"k2\"}", CLAIMS, JWT_BAD_SIGNATURE},
		{"{\"alg\":\"HS256\",\"kid\":\"k1\",\"typ\":\"secevent+jwt\"}", CLAIMS, JWT_MALFORMED},
		{"{\"alg\":\"HS256\",\"kid\":\"k1\",\"crit\":[\"exp\"]}", CLAIMS, JWT_MALFORMED},
		{"{\"alg\":\"HS256\",\"kid\":\"k1\",\"alg\":\"HS256\"}", CLAIMS, JWT_MALFORMED},
		{"{\"alg\":\"HS256\",\"kid\":\"k1\",\"\\u0061lg\":\"none\"}", CLAIMS, JWT_MALFORMED},
		{"{\"alg\":\"HS256\",\"kid\":\"k1\"}x", CLAIMS, JWT_MALFORMED},
		{"[\"HS256\"]", CLAIMS, JWT_MALFORMED},
		/* claims */
		{good, "{}", JWT_BAD_CLAIM},
		{good, "", JWT_MALFORMED},
		{good, "null", JWT_MALFORMED},
		{good, "{" SUB "," JTI "," REST "," SUB "}", JWT_MALFORMED},
		{good, "{" SUB "," JTI "," REST ",\"s\\u0075b\":\"1\"}", JWT_MALFORMED},
		{good, "{" SUB "," JTI "," REST ",}", JWT_MALFORMED},
		{good, "{" SUB "," JTI "," REST ",\"x\":01}", JWT_MALFORMED},
		{good, "{" SUB "," JTI "," REST ",\"x\":\"\\ud800\"}", JWT_MALFORMED},
		{good, "{" SUB "," JTI "," REST ",\"x\":\"\\u0000\"}", JWT_MALFORMED},
		{good, "{" SUB "," JTI "," REST ",\"x\":\"\xc0\x80\"}", JWT_MALFORMED},
		{good, "{" SUB "," JTI "," REST ",\"x\":\"\xed\xa0\x80\"}", JWT_MALFORMED},
		{good, "{" SUB "," JTI "," REST ",\"x\":\"\n\"}", JWT_MALFORMED},
		{good, "{" SUB "," JTI "," REST ",\"x\":tru}", JWT_MALFORMED},
		{good, "{" SUB "," JTI "," REST ",\"x\":{\"y\":[1,-2.5e+3,{\"z\":null}],\"\xc5\x9f\":\"\\ud83d\\ude00\"}}", JWT_OK},
		{good, "{" SUB "," JTI "," REST ",\"x\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}", JWT_MALFORMED},
		{good, "{\"sub\":42," JTI "," REST "}", JWT_BAD_CLAIM},
		{good, "{\"sub\":\"042\"," JTI "," REST "}", JWT_BAD_CLAIM},
		{good, "{\"sub\":\"0\"," JTI "," REST "}", JWT_BAD_CLAIM},
		{good, "{\"sub\":\"-1\"," JTI "," REST "}", JWT_BAD_CLAIM},
		{good, "{\"sub\":\"9999999999999999999\"," JTI "," REST "}", JWT_BAD_CLAIM},
		{good, "{\"sub\":\"\"," JTI "," REST "}", JWT_BAD_CLAIM},
		{good, "{" SUB ",\"jti\":\"0A1B2C3D-4e5f-6071-8293-a4b5c6d7e8f9\"," REST "}", JWT_BAD_CLAIM},
		{good, "{" SUB ",\"jti\":\"0a1b2c3d4e5f60718293a4b5c6d7e8f9\"," REST "}", JWT_BAD_CLAIM},
		{good, "{" SUB "," REST "}", JWT_BAD_CLAIM},
		{good, "{" SUB "," JTI ",\"iss\":\"me\",\"aud\":\"you\",\"iat_ms\":1}", JWT_BAD_CLAIM},
		{good, "{" SUB "," JTI ",\"iss\":\"me\",\"aud\":\"you\",\"exp\":1900000000}", JWT_BAD_CLAIM},
		{good, "{" SUB "," JTI ",\"iss\":\"he\",\"aud\":\"you\",\"exp\":1900000000,\"iat_ms\":1}", JWT_BAD_CLAIM},
		{good, "{" SUB "," JTI ",\"iss\":\"me\",\"aud\":\"yo\",\"exp\":1900000000,\"iat_ms\":1}", JWT_BAD_CLAIM},
		{good, "{" SUB "," JTI ",\"iss\":\"me\",\"aud\":[],\"exp\":1900000000,\"iat_ms\":1}", JWT_BAD_CLAIM},
		{good, "{" SUB "," JTI ",\"iss\":\"me\",\"aud\":[\"x\", \"you\"],\"exp\":1900000000,\"iat_ms\":1}", JWT_OK},
		/* times: exp is the first instant at which the token is void */
		{good, "{" SUB "," JTI ",\"iss\":\"me\",\"aud\":\"you\",\"exp\":1800000000,\"iat_ms\":1}", JWT_EXPIRED},
		{good, "{" SUB "," JTI ",\"iss\":\"me\",\"aud\":\"you\",\"exp\":1800000001,\"iat_ms\":1}", JWT_OK},
		{good, "{" SUB "," JTI ",\"iss\":\"me\",\"aud\":\"you\",\"exp\":1.8000000015e9,\"iat_ms\":1}", JWT_OK},
		{good, "{" SUB "," JTI ",\"iss\":\"me\",\"aud\":\"you\",\"exp\":18000000009e-1,\"iat_ms\":1}", JWT_EXPIRED},
		{good, "{" SUB "," JTI ",\"iss\":\"me\",\"aud\":\"you\",\"exp\":1e999999999,\"iat_ms\":1}", JWT_OK},
		{good, "{" SUB "," JTI ",\"iss\":\"me\",\"aud\":\"you\",\"exp\":-1e99,\"iat_ms\":1}", JWT_EXPIRED},
		{good, "{" SUB "," JTI ",\"iss\":\"me\",\"aud\":\"you\",\"exp\":\"1900000000\",\"iat_ms\":1}", JWT_MALFORMED},
		{good, "{" SUB "," JTI ",\"iss\":\"me\",\"aud\":\"you\",\"exp\":null,\"iat_ms\":1}", JWT_MALFORMED},
		{good, "{" SUB "," JTI "," REST ",\"nbf\":1800000006}", JWT_TOO_EARLY},
		{good, "{" SUB "," JTI "," REST ",\"nbf\":1800000005}", JWT_OK},
	};
	JwtClaims	claims;
	char		what[64];

	make_keys();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		JwtStatus	got = round_trip(&keys[0], cases[i].header, cases[i].payload, &claims);

		snprintf(what, sizeof(what), "case %zu gives %d, expected %d", i, got, cases[i].expected);
		check(got == cases[i].expected, what);
	}

	check(round_trip(&keys[0], good, CLAIMS, &claims) == JWT_OK && claims.sub == 42 &&
		  strcmp(claims.jti, "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9") == 0 &&
		  memcmp(claims.jti_bytes, "\x0a\x1b\x2c\x3d\x4e\x5f\x60\x71\x82\x93\xa4\xb5\xc6\xd7\xe8\xf9", 16) == 0 &&
		  strcmp(claims.role, "student") == 0 && claims.iat == NOW && claims.exp == NOW + 900 &&
		  claims.iat_ms == NOW * 1000 + 123, "claims out");
	check(round_trip(&keys[1], "{\"alg\":\"HS512\",\"kid\":\"k2\"}", CLAIMS, &claims) == JWT_OK,
		  "second key, HS512");
}

/* Every single changed, missing or added character spoils a token. */
static void
test_tampering(void)
{
	static const char header[] = "{\"alg\":\"HS256\",\"kid\":\"k1\"}";
	char		token[1024];
	char		other[1024];
	JwtClaims	claims;
	size_t		len = sc_jwt_make(&keys[0].mac, header, strlen(header), CLAIMS, strlen(CLAIMS), token);

	for (size_t i = 0; i < len; i++)
	{
		for (int c = 0; c < 256; c++)
		{
			memcpy(other, token, len);
			other[i] = (char) c;
			if (other[i] != token[i])
				check(sc_jwt_check(other, len, keys, 2, "me", "you", NOW, 0, &claims) != JWT_OK,
					  "one character changed");
		}
		check(sc_jwt_check(token, i, keys, 2, "me", "you", NOW, 0, &claims) != JWT_OK, "cut short");
	}
	memcpy(other, token, len);
	other[len] = '=';
	check(sc_jwt_check(other, len + 1, keys, 2, "me", "you", NOW, 0, &claims) != JWT_OK, "padded");
	other[len] = '.';
	check(sc_jwt_check(other, len + 1, keys, 2, "me", "you", NOW, 0, &claims) == JWT_MALFORMED,
		  "four parts");
	check(sc_jwt_check("", 0, keys, 2, "me", "you", NOW, 0, &claims) == JWT_MALFORMED, "empty");
	check(sc_jwt_check("..", 2, keys, 2, "me", "you", NOW, 0, &claims) == JWT_MALFORMED, "dots");
	check(sc_jwt_check(token, len, keys, 0, "me", "you", NOW, 0, &claims) == JWT_UNKNOWN_KEY,
		  "no keys");
	check(sc_jwt_check(token, len, keys, 2, NULL, NULL, NOW, 0, &claims) == JWT_BAD_CLAIM,
		  "no issuer configured");
}

static void
test_length(void)
{
	static const char header[] = "{\"alg\":\"HS256\",\"kid\":\"k1\"}";
	char		payload[SC_JWT_MAX];
	JwtClaims	claims;

	snprintf(payload, sizeof(payload), "{%s,%s,%s,\"pad\":\"%*s\"}", SUB, JTI, REST, 1240, "");
	check(round_trip(&keys[0], header, payload, &claims) == JWT_OK, "nearly too long");
	snprintf(payload, sizeof(payload), "{%s,%s,%s,\"pad\":\"%*s\"}", SUB, JTI, REST, 1400, "");
	check(round_trip(&keys[0], header, payload, &claims) == JWT_MALFORMED, "too long");
}

int
main(void)
{
	test_mac();
	test_b64url();
	test_rfc7515();
	test_verify();
	test_tampering();
	test_length();
	check(sc_consteq("abc", "abc", 3) && !sc_consteq("abc", "abd", 3) && sc_consteq("a", "b", 0),
		  "consteq");
	return failures != 0;
}
