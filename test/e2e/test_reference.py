"""/docs: a rendered API reference that needs nothing from elsewhere."""

import os
import re

import pytest

from instance import TOP


@pytest.fixture
def reference(api):
    if not os.path.exists(os.path.join(TOP, "build/docs/index.html")):
        pytest.skip("npm could not be reached when this was built")
    reply = api.get("/docs")
    assert reply.status == 200, reply
    return reply


def test_page_and_its_files(api, reference):
    assert reference.status == 200
    assert reference.headers["content-type"].startswith("text/html")
    files = re.findall(r'(?:src|href)="(/docs/[^"]+)"', reference.text)
    assert len(files) == 4
    for name in files:
        reply = api.get(name)
        assert reply.status == 200 and reply.body, name
        assert api.get(name, headers={"If-None-Match": reply.headers["etag"]}).status == 304


def test_nothing_comes_from_elsewhere(api, reference):
    for path in ("/docs", "/docs/reference.js", "/docs/reference.css"):
        assert not re.search(r"(https?:)?//[a-z0-9]", api.get(path).text.replace("// ", "")), path
    assert "@import" not in api.get("/docs/swagger-ui.css").text


@pytest.mark.parametrize("path", ["/docs/../openapi.json", "/docs/%2e%2e/coachd", "/docs/none.js", "/docs//etc/passwd"])
def test_no_other_file(api, reference, path):
    assert api.get(path).status == 404
