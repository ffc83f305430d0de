/*
 * token.c
 *		JSON Web Tokens in SQL: the glue around common/jwt.c.
 *
 * jwt_sign() and jwt_verify() have the shape that users of pgjwt know, yet
 * jwt_verify() never raises an error on a token, whatever it is: a stranger
 * chose it.  jwt_sign() refuses a payload that jwt_verify() could not read.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "common/b64url.h"
#include "common/jwt.h"
#include "extension/student_coach.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

static JwtAlgorithm
algorithm_arg(text *name)
{
	JwtAlgorithm algorithm = sc_jwt_algorithm(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));

	if (algorithm == JWT_NO_ALGORITHM)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown signing algorithm \"%s\"", text_to_cstring(name)),
				 errhint("Use HS256, HS384 or HS512.")));
	return algorithm;
}

/* Signs; gives a text datum. */
static text *
sign(const JwtMac *mac, const char *header, size_t header_len, text *payload)
{
	size_t		payload_len = VARSIZE_ANY_EXHDR(payload);
	size_t		size = sc_jwt_size(mac->algorithm, header_len, payload_len);
	text	   *token;
	JwtClaims	claims;

	if (!sc_jwt_read_claims(VARDATA_ANY(payload), payload_len, NULL, NULL, &claims))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("payload is not a usable set of claims"),
				 errdetail("It must be a JSON object without duplicate members, and exp, nbf and iat must be numbers.")));
	token = palloc(VARHDRSZ + size);
	SET_VARSIZE(token, VARHDRSZ + size);
	sc_jwt_make(mac, header, header_len, VARDATA_ANY(payload), payload_len, VARDATA(token));
	return token;
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_jwt_sign);
Datum
sc_jwt_sign(PG_FUNCTION_ARGS)
{
	text	   *payload = PG_GETARG_TEXT_PP(0);
	text	   *secret = PG_GETARG_TEXT_PP(1);
	JwtAlgorithm algorithm = algorithm_arg(PG_GETARG_TEXT_PP(2));
	char	   *header = psprintf("{\"alg\":\"%s\",\"typ\":\"JWT\"}", sc_jwt_algorithm_name(algorithm));
	JwtMac		mac;

	sc_jwt_mac_init(&mac, algorithm, VARDATA_ANY(secret), VARSIZE_ANY_EXHDR(secret));
	PG_RETURN_TEXT_P(sign(&mac, header, strlen(header), payload));
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_access_token);
Datum
sc_access_token(PG_FUNCTION_ARGS)
{
	text	   *payload = PG_GETARG_TEXT_PP(0);
	bytea	   *secret = PG_GETARG_BYTEA_PP(1);
	JwtAlgorithm algorithm = algorithm_arg(PG_GETARG_TEXT_PP(2));
	char	   *kid = text_to_cstring(PG_GETARG_TEXT_PP(3));
	char	   *header;
	JwtMac		mac;

	if (strlen(kid) > SC_JWT_KID_MAX ||
		strspn(kid, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != strlen(kid))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("name of signing key is malformed")));
	header = psprintf("{\"alg\":\"%s\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}",
					  sc_jwt_algorithm_name(algorithm), kid);
	sc_jwt_mac_init(&mac, algorithm, VARDATA_ANY(secret), VARSIZE_ANY_EXHDR(secret));
	PG_RETURN_TEXT_P(sign(&mac, header, strlen(header), payload));
}

/* Decodes a part of a token; NULL if it is not canonical. */
static char *
decode(const char *part, size_t len, size_t *size)
{
	char	   *out = palloc(SC_B64URL_DECODED(len) + 1);
	long		n = sc_b64url_decode(part, len, out);

	*size = n < 0 ? 0 : (size_t) n;
	return n < 0 ? NULL : out;
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_jwt_verify);
Datum
sc_jwt_verify(PG_FUNCTION_ARGS)
{
	text	   *token = PG_GETARG_TEXT_PP(0);
	text	   *secret = PG_GETARG_TEXT_PP(1);
	text	   *name = PG_GETARG_TEXT_PP(2);
	JwtAlgorithm algorithm = sc_jwt_algorithm(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	int64		now = timestamptz_to_time_t(GetCurrentStatementStartTimestamp());
	JwtParts	parts;
	JwtHeader	header;
	JwtClaims	claims;
	JwtMac		mac;
	char	   *json[2] = {NULL, NULL};
	size_t		size[2];
	bool		valid = false;
	TupleDesc	desc;
	Datum		values[3] = {0};
	bool		nulls[3] = {true, true, false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");

	if (sc_jwt_split(VARDATA_ANY(token), VARSIZE_ANY_EXHDR(token), &parts) &&
		(json[0] = decode(parts.header, parts.header_len, &size[0])) != NULL &&
		(json[1] = decode(parts.payload, parts.payload_len, &size[1])) != NULL &&
		sc_jwt_read_header(json[0], size[0], &header) &&
		sc_jwt_read_claims(json[1], size[1], NULL, NULL, &claims))
	{
		for (int i = 0; i < 2; i++)
		{
			values[i] = PointerGetDatum(cstring_to_text_with_len(json[i], size[i]));
			nulls[i] = false;
		}
		if (algorithm != JWT_NO_ALGORITHM && header.algorithm == algorithm)
		{
			sc_jwt_mac_init(&mac, algorithm, VARDATA_ANY(secret), VARSIZE_ANY_EXHDR(secret));
			valid = sc_jwt_signature_fits(&mac, &parts) &&
				(!claims.has_exp || now < claims.exp) &&
				(!claims.has_nbf || now >= claims.nbf);
		}
	}
	values[2] = BoolGetDatum(valid);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* Random bytes or nothing: a weak token is worse than an error. */
static void
strong_random(void *buf, size_t len)
{
	if (!pg_strong_random(buf, len))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not make random bytes")));
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_random_token);
Datum
sc_random_token(PG_FUNCTION_ARGS)
{
	uint8		bytes[32];
	char		out[SC_B64URL_ENCODED(sizeof(bytes))];

	strong_random(bytes, sizeof(bytes));
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out, sc_b64url_encode(bytes, sizeof(bytes), out)));
}

/*
 * A code that people type from paper: twelve characters of five bits, none of
 * which is mistaken for another.
 */
PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_random_code);
Datum
sc_random_code(PG_FUNCTION_ARGS)
{
	static const char alphabet[] = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
	uint8		bytes[12];
	char		out[14];
	int			n = 0;

	strong_random(bytes, sizeof(bytes));
	for (int i = 0; i < 12; i++)
	{
		if (i > 0 && i % 4 == 0)
			out[n++] = '-';
		out[n++] = alphabet[bytes[i] & 31];
	}
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out, n));
}

PGDLLEXPORT PG_FUNCTION_INFO_V1(sc_derive_token);
Datum
sc_derive_token(PG_FUNCTION_ARGS)
{
	bytea	   *secret = PG_GETARG_BYTEA_PP(0);
	text	   *token = PG_GETARG_TEXT_PP(1);
	uint8		bytes[SC_JWT_MAC_MAX];
	char		out[SC_B64URL_ENCODED(SC_JWT_MAC_MAX)];
	JwtMac		mac;
	size_t		size;

	sc_jwt_mac_init(&mac, JWT_HS256, VARDATA_ANY(secret), VARSIZE_ANY_EXHDR(secret));
	size = sc_jwt_mac(&mac, VARDATA_ANY(token), VARSIZE_ANY_EXHDR(token), bytes);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out, sc_b64url_encode(bytes, size, out)));
}
