"""The OpenAPI document: valid by a foreign validator, complete, and true."""

import json
import re

from client import ROOT_PATHS


def test_a_foreign_validator_accepts_it(api, node):
    reply = api.get("/openapi.json")
    assert reply.status == 200 and reply.headers["content-type"].startswith("application/json")
    done = node("openapi.mjs", reply.text)
    assert done.returncode == 0, done.stdout[:4000] + done.stderr[:2000]
    assert done.stdout.strip() == "3.1"


def test_the_validator_does_refuse(node):
    assert node("openapi.mjs", json.dumps({"openapi": "3.1.0", "info": {"title": "x"}, "paths": {}})).returncode == 1


def test_every_route_is_in_it_and_nothing_else(api, db):
    doc = api.get("/openapi.json").ok()
    base = "/api/v1" if any(p.startswith("/api/v1") for p in doc["paths"]) else ""
    described = {(method.upper(), path) for path, item in doc["paths"].items() for method in item
                 if method in ("get", "post", "put", "patch", "delete") and path not in ROOT_PATHS}
    routes = {(r.method, base + r.path) for r in db.all("SELECT method, path FROM sc.routes")}
    assert described == routes


def test_operations_are_described(api):
    doc = api.get("/openapi.json").ok()
    ids = []
    for path, item in doc["paths"].items():
        for method, op in item.items():
            if method not in ("get", "post", "put", "patch", "delete"):
                continue
            assert op.get("summary") or op.get("description"), (method, path)
            assert op["responses"], (method, path)
            ids.append(op["operationId"])
            named = {p["name"] for p in op.get("parameters", []) if p.get("in") == "path"}
            assert named == set(re.findall(r"\{(\w+)\}", path)), (method, path)
    assert len(ids) == len(set(ids))


def test_internal_parameters_do_not_leak(api, db):
    """What dispatch binds itself is no parameter of the API, unless a handler's own _body and the like is."""
    doc = api.get("/openapi.json").ok()
    reserved = {"actor", "given", "ctx", "raw"}
    own = {r[0] for r in db.all("SELECT DISTINCT ltrim(n, '_') FROM pg_proc, unnest(proargnames) AS n "
                                "WHERE pronamespace = 'sc_api'::regnamespace AND n LIKE '\\_%%'")}
    reserved |= {"body"} - own
    for path, item in doc["paths"].items():
        for method, op in item.items():
            if isinstance(op, dict):
                names = {p.get("name") for p in op.get("parameters", [])}
                body = op.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
                names |= set(body.get("properties", {}))
                assert not names & reserved, (method, path, names)
