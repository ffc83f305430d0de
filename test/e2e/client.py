"""A small HTTP client that says no more than a test needs.

    reply = api.get("/courses", page=2)          # -> /api/v1/courses?page=2
    assert reply.status == 200 and reply.json["items"]
    api.post("/courses", {"title": "Fizik"}).problem(403, "forbidden")
"""

import http.client
import json
import urllib.parse

ROOT_PATHS = ("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs")


class Reply:
    """Status, headers (names in lower case) and body of an answer."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = {}
        for name, value in headers:
            name = name.lower()
            self.headers[name] = self.headers[name] + ", " + value if name in self.headers else value
        self.body = body

    def __repr__(self):
        return f"<{self.status} {self.body[:600]!r}>"

    @property
    def text(self):
        return self.body.decode("utf-8")

    @property
    def json(self):
        return json.loads(self.body)

    def ok(self, status=200):
        """Demands success and gives the parsed body (None if there is none)."""
        assert self.status == status, f"expected {status}: {self!r}"
        return self.json if self.body else None

    def problem(self, status, code=None):
        """Demands a well-formed problem document and gives it."""
        assert self.status == status, f"expected {status} {code or ''}: {self!r}"
        assert self.headers.get("content-type", "").startswith("application/problem+json"), self.headers
        doc = self.json
        assert doc["status"] == status and doc["title"] and doc["type"] and doc["code"], doc
        assert doc["request_id"] == self.headers["x-request-id"], doc
        if code is not None:
            assert doc["code"] == code, doc
        return doc

    def field_errors(self):
        """The refused fields of a 422: {field: code}."""
        return {e["field"]: e["code"] for e in self.problem(422)["errors"]}


class Api:
    """One client: an address, a token, one kept connection. Not shared between threads: clone() it."""

    def __init__(self, address, token=None, user=None, headers=None):
        self.address = address
        self.token = token
        self.user = user                # id, e-mail and password, where known
        self.headers = dict(headers or {})
        self.conn = None

    def clone(self, token=None, headers=None, address=None):
        return Api(address or self.address, token or self.token, self.user, {**self.headers, **(headers or {})})

    def anonymous(self):
        return Api(self.address, headers=self.headers)

    def close(self):
        if self.conn is not None:
            self.conn.close()
            self.conn = None

    def url(self, path, query=None):
        if not path.startswith("/api/") and not path.startswith(ROOT_PATHS):
            path = "/api/v1" + path
        query = {k: str(v).lower() if isinstance(v, bool) else v for k, v in (query or {}).items() if v is not None}
        return path + ("?" + urllib.parse.urlencode(query, doseq=True) if query else "")

    def request(self, method, path, body=None, headers=None, timeout=30, query=None):
        """Sends one request. A dict or list as body becomes JSON; str and bytes go as they are."""
        send = dict(self.headers)
        if self.token:
            send["Authorization"] = "Bearer " + self.token
        if isinstance(body, (dict, list)):
            body = json.dumps(body, ensure_ascii=False)
            send["Content-Type"] = "application/json"
        if isinstance(body, str):
            body = body.encode("utf-8")
        send.update(headers or {})
        send = {k: v for k, v in send.items() if v is not None}
        fresh = self.conn is None
        for attempt in (1, 2):
            if self.conn is None:
                self.conn = http.client.HTTPConnection(*self.address.rsplit(":", 1), timeout=timeout)
                fresh = True
            self.conn.timeout = timeout
            if self.conn.sock is not None:
                self.conn.sock.settimeout(timeout)
            try:
                self.conn.request(method, self.url(path, query), body=body, headers=send)
                answer = self.conn.getresponse()
                reply = Reply(answer.status, answer.getheaders(), answer.read())
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                # A kept connection may have been closed while it was idle.
                self.close()
                if fresh or attempt == 2:
                    raise
                continue
            except Exception:
                self.close()
                raise
            if answer.will_close:
                self.close()
            return reply

    def get(self, path, headers=None, **query):
        return self.request("GET", path, headers=headers, query=query)

    def head(self, path, headers=None, **query):
        return self.request("HEAD", path, headers=headers, query=query)

    def post(self, path, body=None, headers=None, **query):
        return self.request("POST", path, {} if body is None else body, headers=headers, query=query)

    def put(self, path, body=None, headers=None, **query):
        return self.request("PUT", path, {} if body is None else body, headers=headers, query=query)

    def patch(self, path, body=None, headers=None, **query):
        return self.request("PATCH", path, {} if body is None else body, headers=headers, query=query)

    def delete(self, path, headers=None, **query):
        return self.request("DELETE", path, headers=headers, query=query)

    def pages(self, path, per_page=100, **query):
        """All items of a paged list."""
        page, items = 1, []
        while True:
            doc = self.get(path, page=page, per_page=per_page, **query).ok()
            items += doc["items"]
            if not doc["items"] or len(items) >= doc["total"]:
                return items
            page += 1

    def login(self, email, password):
        """A client logged in by e-mail or student number."""
        name = "email" if "@" in email else "student_no"
        doc = self.anonymous().post("/auth/login", {name: email, "password": password}).ok()
        return Api(self.address, doc["access_token"], headers=self.headers)
