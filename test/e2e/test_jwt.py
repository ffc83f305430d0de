"""sc.jwt_sign and sc.jwt_verify against two implementations from npm, and the classic attacks on verifiers."""

import base64
import hashlib
import hmac
import json
import time
import uuid

import pytest

SECRET = "çok gizli bir anahtar: en az otuz iki bayt olmalı, hatta HS512 için altmış dört bayt 0123456789"
ALGORITHMS = ("HS256", "HS384", "HS512")


def b64(data):
    return base64.urlsafe_b64encode(data if isinstance(data, bytes) else json.dumps(data).encode()).rstrip(b"=").decode()


def payloads():
    now = int(time.time())
    return [
        {"sub": "42", "iat": now, "exp": now + 900},
        {"sub": "ışıl", "name": "İstanbul ☃ 😀 \"quoted\" \\ /", "n": 1.5, "deep": {"a": [1, None, True, {"b": "ç"}]}},
        {},
    ]


def test_foreigners_accept_what_we_sign(db, node):
    tasks = [{"do": "verify", "by": by, "alg": alg, "secret": SECRET,
              "token": db.one("SELECT sc.jwt_sign(%s::json, %s, %s)", json.dumps(p), SECRET, alg)}
             for by in ("jose", "jsonwebtoken") for alg in ALGORITHMS for p in payloads()]
    answers = json.loads(node("jwt.mjs", json.dumps(tasks)).stdout)
    expected = [p for _ in range(2) for _ in ALGORITHMS for p in payloads()]
    assert len(answers) == len(expected)
    for answer, payload in zip(answers, expected):
        assert {k: v for k, v in answer["payload"].items() if k not in ("iat", "exp")} == \
               {k: v for k, v in payload.items() if k not in ("iat", "exp")}


def test_we_accept_what_foreigners_sign(db, node):
    tasks = [{"do": "sign", "by": by, "alg": alg, "secret": SECRET, "payload": p}
             for by in ("jose", "jsonwebtoken") for alg in ALGORITHMS for p in payloads()]
    answers = json.loads(node("jwt.mjs", json.dumps(tasks)).stdout)
    for task, answer in zip(tasks, answers):
        row = db.row("SELECT * FROM sc.jwt_verify(%s, %s, %s)", answer["token"], SECRET, task["alg"])
        assert row.valid and row.header["alg"] == task["alg"]
        assert {**row.payload, "iat": None} == {**task["payload"], "iat": None}     # jsonwebtoken drops or adds it


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_every_flipped_bit_is_noticed(db, alg):
    token = db.one("SELECT sc.jwt_sign('{\"sub\":\"1\"}', %s, %s)", SECRET, alg)
    head, body, signature = token.split(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    for i in range(len(raw)):
        bad = bytes(b ^ (1 if i == j else 0) for j, b in enumerate(raw))
        assert db.row("SELECT * FROM sc.jwt_verify(%s, %s, %s)", f"{head}.{body}.{b64(bad)}", SECRET, alg).valid is False
    assert db.row("SELECT * FROM sc.jwt_verify(%s, %s, %s)", token, SECRET, alg).valid is True


def attacks(token):
    head, body, signature = token.split(".")
    yield "none", f"{b64({'alg': 'none', 'typ': 'JWT'})}.{body}."
    yield "None", f"{b64({'alg': 'None'})}.{body}."
    yield "none with the signature", f"{b64({'alg': 'none'})}.{body}.{signature}"
    yield "no algorithm", f"{b64({'typ': 'JWT'})}.{body}.{signature}"
    yield "an asymmetric name", f"{b64({'alg': 'RS256'})}.{body}.{signature}"
    yield "a wider one of the family", f"{b64({'alg': 'HS512'})}.{body}.{signature}"
    yield "lower case", f"{b64({'alg': 'hs256'})}.{body}.{signature}"
    yield "an array", f"{b64({'alg': ['HS256']})}.{body}.{signature}"
    yield "signature cut off", f"{head}.{body}."
    yield "half a signature", f"{head}.{body}.{signature[:20]}"
    yield "two parts", f"{head}.{body}"
    yield "four parts", f"{token}.x"
    yield "padding", f"{head}.{body}.{signature}="
    yield "space", f" {token}"
    yield "newline", f"{token}\n"
    yield "standard alphabet", f"{head}.{body}.{signature.replace('-', '+').replace('_', '/')}+"
    yield "other body", f"{head}.{b64({'sub': '1', 'role': 'admin'})}.{signature}"
    yield "header is not JSON", f"{b64(b'x')}.{body}.{signature}"
    yield "empty", ""
    yield "dots", ".."


def test_attacks_on_the_function(db):
    token = db.one("SELECT sc.jwt_sign('{\"sub\":\"1\"}', %s)", SECRET)
    for name, forged in attacks(token):
        assert db.row("SELECT * FROM sc.jwt_verify(%s, %s)", forged, SECRET).valid is False, name
    for other in ("", SECRET + "x", SECRET[:-1]):
        assert db.row("SELECT * FROM sc.jwt_verify(%s, %s)", token, other).valid is False


def test_expiry_is_held_to(db):
    now = int(time.time())
    for claims, valid in (({"exp": now - 5}, False), ({"exp": now + 60}, True), ({"nbf": now + 3600}, False),
                          ({"nbf": now - 60}, True)):
        token = db.one("SELECT sc.jwt_sign(%s::json, %s)", json.dumps(claims), SECRET)
        assert db.row("SELECT * FROM sc.jwt_verify(%s, %s)", token, SECRET).valid is valid, claims


def test_attacks_on_the_server(api, student):
    for name, forged in attacks(student.token):
        if forged and forged.strip() == forged:
            reply = api.clone(token=forged).get("/auth/me")
            reply.problem(401)
            assert reply.headers["www-authenticate"].startswith("Bearer"), name
    assert student.get("/auth/me").status == 200


def claims_of(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def test_a_token_signed_by_an_unknown_key_is_refused(db, api, student):
    claims = {**claims_of(student.token), "jti": str(uuid.uuid4())}
    forged = db.one("SELECT sc.jwt_sign(%s::json, %s)", json.dumps(claims), "not the key of this house, but long enough")
    api.clone(token=forged).get("/auth/me").problem(401)


def test_the_role_claim_opens_nothing(db, api, student):
    """Signed by the true key, but with a role that the user does not hold: permissions come from the tables."""
    key = db.row("SELECT kid, secret, algorithm FROM sc.signing_keys WHERE state = 'active'")
    head, body = b64({"alg": key.algorithm, "typ": "JWT", "kid": key.kid}), b64({**claims_of(student.token), "role": "admin"})
    digest = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}[key.algorithm]
    forged = f"{head}.{body}.{b64(hmac.new(bytes(key.secret), f'{head}.{body}'.encode(), digest).digest())}"
    assert api.clone(token=forged).get("/auth/me").status == 200
    api.clone(token=forged).get("/users").problem(403, "forbidden")
