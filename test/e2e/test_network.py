"""Other ways to be connected: Redis over TCP with passwords, and IPv6."""

import pytest

from client import Api
from instance import free_port, has_ipv6, wait_until

PASSWORD = "gizli/p@rola:%+7"       # what a URL needs escapes for
QUOTED = "gizli%2Fp%40rola%3A%25%2B7"
RULES = "~* +@read +@write +@scripting +@connection +info +time"     # of docs/operations.md


@pytest.fixture(scope="module")
def tcp_redis(redis):
    """The instance's Redis, for a while also on a port of 127.0.0.1 (and ::1), and with a password for its users.

    One and the same, since all coachds of a database share their Redis.
    """
    port = free_port()
    made = redis()
    made.config_set("bind", "127.0.0.1 -::1")
    made.config_set("port", port)
    made.execute_command("ACL", "SETUSER", "coachd", "on", ">" + PASSWORD, *RULES.split())
    made.config_set("requirepass", PASSWORD)        # who is connected stays so
    yield port
    made.config_set("requirepass", "")
    made.execute_command("ACL", "DELUSER", "coachd")
    made.config_set("port", 0)
    made.close()


def urls(prefix):
    return {f"COACH_REDIS_{name}_URL": f"{prefix}/{db}" for db, name in enumerate(("CACHE", "SESSION", "LIMIT"))}


def links_up(api):
    return next(float(line.split()[1]) for line in api.get("/metrics").text.splitlines() if line.startswith("sc_redis_links_up "))


@pytest.mark.parametrize("user", [":" + PASSWORD, ":" + QUOTED, "coachd:" + QUOTED], ids=["as it is", "quoted", "user"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_redis_over_tcp_with_a_password(instance, tcp_redis, new_user, user, host):
    if host == "[::1]" and not has_ipv6():
        pytest.skip("no IPv6 here")
    with instance.coachd(**urls(f"redis://{user}@{host}:{tcp_redis}")) as server:
        one = new_user("student").clone(address=server.address)
        wait_until(lambda: one.get("/users/me").headers.get("x-cache") == "hit", what="a hit")
        assert links_up(one) == 1
        one.patch("/users/me", {"full_name": "Yeni Ad"}).ok()
        assert one.get("/users/me").ok()["full_name"] == "Yeni Ad"
        one.post("/auth/logout", {}).ok(204)
        one.get("/users/me").problem(401, "token_revoked")
        log = server.read_log()
        assert "redis: connected to " + host.strip("[]") in log
        assert "NOPERM" not in log and PASSWORD not in log and QUOTED not in log


@pytest.mark.parametrize("user", ["", ":yanlis-parola@", "coachd:yanlis-parola@", "kimse:" + QUOTED + "@"])
def test_a_password_that_is_no_good_is_no_redis(instance, tcp_redis, new_user, user):
    with instance.coachd(**urls(f"redis://{user}127.0.0.1:{tcp_redis}")) as server:
        one = new_user("student").clone(address=server.address)
        wait_until(lambda: ("NOAUTH" if user == "" else "WRONGPASS") in server.read_log(), what="the log to say so")
        for name in ("Bir", "İki"):
            one.patch("/users/me", {"full_name": name}).ok()
            reply = one.get("/users/me")
            assert reply.ok()["full_name"] == name and reply.headers["x-cache"] == "bypass"
        assert reply.headers["ratelimit"]
        assert links_up(one) == 0
        one.post("/auth/logout", {}).ok(204)
        one.get("/users/me").problem(401)
        log = server.read_log()
        assert "yanlis" not in log and PASSWORD not in log and QUOTED not in log
        # it goes on trying, and says it once
        lines = [line for line in log.splitlines() if "WRONGPASS" in line or "NOAUTH" in line]
        assert len(lines) == 1, lines


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
@pytest.mark.parametrize("where", ["[::1]", "[::]", "localhost"])
def test_listening_on_ipv6(instance, db, new_user, where):
    server = instance.coachd(COACH_LISTEN=f"{where}:{free_port()}", COACH_LOOPS="2")
    port = server.settings["COACH_LISTEN"].rpartition(":")[2]
    hosts = {"[::1]": ["::1"], "[::]": ["::1", "127.0.0.1"], "localhost": ["localhost"]}[where]
    server.port, server.address = int(port), f"{hosts[0]}:{port}"
    with server:
        for host in hosts:
            one = Api(f"{host}:{port}").login((user := new_user("student", login=False).user).email, user.password)
            assert one.get("/auth/me").ok()["id"] == user.id
            seen = str(db.one("SELECT ip FROM sc.sessions WHERE user_id = %s ORDER BY id DESC LIMIT 1", user.id))
            assert seen.partition("/")[0] in ({"::1", "127.0.0.1"} if host == "localhost" else {host})
