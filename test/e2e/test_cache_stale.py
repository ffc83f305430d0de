"""Once a write is acknowledged, no read that begins later gives the older version: by any coachd, whatever becomes of Redis.

Two coachds share the instance's Redis, each through a wire of its own that can be cut. Writers put a growing number into
their name and readers, over both coachds, compare what they read with what had been acknowledged when they asked.
"""

import http.client
import itertools
import os
import shutil
import tempfile
import threading

import pytest

from cut import Cut
from instance import SLOW, hold, wait_until

USERS = 3


class Checker:
    """Writers and readers; `violations` must stay empty."""

    def __init__(self, clients, coachds):
        self.coachds = coachds
        self.clients = clients
        self.acknowledged = [0] * len(clients)
        self.counter = itertools.count(1)
        self.violations = []
        self.hits = 0
        self.writes = 0
        self.reads = 0
        self.errors = []
        self.stopping = threading.Event()
        self.threads = []
        for user in range(len(clients)):
            self.threads.append(threading.Thread(target=self._guard, args=(self._write, user), daemon=True))
            for coachd in coachds:
                self.threads.append(threading.Thread(target=self._guard, args=(self._read, user, coachd), daemon=True))

    def _guard(self, work, *args):
        try:
            work(*args)
        except Exception as error:      # reported in __exit__
            self.errors.append(error)

    def _write(self, user):
        clients = [self.clients[user].clone(address=c.address) for c in self.coachds]
        for n in itertools.count(1):
            if self.stopping.is_set():
                return
            client = clients[n % len(clients)]
            try:
                reply = client.request("PATCH", "/users/me", {"full_name": f"Sayı {n}"}, timeout=15)
            except (http.client.HTTPException, OSError):
                client.close()
                continue
            if reply.status == 200:
                self.acknowledged[user] = n
                self.writes += 1
            else:
                assert reply.status in (503, 504), reply
            # Leave time for hits between two writes.
            self.stopping.wait(0.03)

    def _read(self, user, coachd):
        client = self.clients[user].clone(address=coachd.address)
        while not self.stopping.is_set():
            floor = self.acknowledged[user]
            try:
                reply = client.get("/users/me")
            except (http.client.HTTPException, OSError):
                client.close()
                continue
            if reply.status != 200:
                assert reply.status in (503, 504), reply
                continue
            self.reads += 1
            self.hits += reply.headers.get("x-cache") == "hit"
            seen = int(reply.json["full_name"].partition(" ")[2])
            if seen < floor:
                self.violations.append((coachd.port, reply.headers.get("x-cache"), f"read {seen} after {floor} was acknowledged"))

    def __enter__(self):
        for n, client in enumerate(self.clients):
            client.patch("/users/me", {"full_name": "Sayı 0"}).ok()
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, kind, *exc):
        self.stopping.set()
        for t in self.threads:
            t.join(60 * SLOW)
        if kind is None:
            assert not self.errors, self.errors[0]
            assert not self.violations, self.violations[:5]

    def wait_hits(self, what):
        """The cache answers, and writes go on."""
        hits, writes = self.hits, self.writes
        wait_until(lambda: self.hits > hits + 50 and self.writes > writes + 20, 30, what)

    def wait_writes(self, what):
        """Writes are acknowledged, whether the cache answers or not."""
        writes = self.writes
        wait_until(lambda: self.writes > writes + 20, 30, what)


@pytest.fixture
def pair(faults):
    """(coachds, wires): two coachds, each with its own wire to Redis."""
    folder = tempfile.mkdtemp(prefix="coach-cut.", dir="/tmp")
    os.chmod(folder, 0o755)
    wires = [Cut(os.path.join(folder, f"{n}.sock"), os.path.join(faults.run, "redis.sock")) for n in range(2)]
    coachds = [faults.coachd(COACH_LOOPS="2", **{f"COACH_REDIS_{name}_URL": f"unix:{wire.path}?db={db}"
                                                  for db, name in enumerate(("CACHE", "SESSION", "LIMIT"))})
               for wire in wires]
    try:
        for c in coachds:
            c.start()
        yield coachds, wires
        for c in coachds:
            assert c.stop() == 0
    finally:
        for c in coachds:
            c.kill()
        for wire in wires:
            wire.close()
        shutil.rmtree(folder)


@pytest.fixture
def checker(pair, new_user):
    return Checker([new_user("student") for _ in range(USERS)], pair[0])


def test_all_is_well(checker):
    with checker as c:
        c.wait_hits("hits")
        c.wait_hits("more hits")


@pytest.mark.parametrize("mode", ["refuse", "swallow"])
def test_one_link_cut(checker, pair, mode):
    """The invalidations of one coachd are lost; the other one's link is fine."""
    _, wires = pair
    with checker as c:
        c.wait_hits("hits before")
        for seconds in (0.1, 1, 4):
            wires[0].set(mode)
            hold(seconds)
            wires[0].set("pass")
            c.wait_writes("writes after a cut")
        wires[0].set(mode)
        c.wait_writes("writes while the link is cut")
        wires[0].set("pass")
        c.wait_hits("hits after")


def test_both_links_flap(checker, pair):
    _, wires = pair
    with checker as c:
        c.wait_hits("hits before")
        for n in range(12):
            wires[n % 2].set("swallow" if n % 3 else "refuse")
            hold(0.15 * (n % 4))
            wires[n % 2].set("pass")
            hold(0.1 * (n % 3))
        c.wait_hits("hits after")


def test_redis_killed_and_empty(checker, faults):
    with checker as c:
        c.wait_hits("hits before")
        faults.kill_redis()
        c.wait_writes("writes without Redis")
        faults.start_redis()
        c.wait_hits("hits after")


def test_redis_restarted_with_an_old_dump(checker, faults, redis):
    """What was cached long ago comes back with all its marks."""
    dump = os.path.join(redis().config_get("dir")["dir"], redis().config_get("dbfilename")["dbfilename"])
    with checker as c:
        c.wait_hits("hits before")
        redis().set("e2e:dump", 1)
        # the readers' entries come and go: there before and after, they are in it
        wait_until(lambda: redis().keys("sc:user:*:profile") and redis().save() and redis().keys("sc:user:*:profile"), what="a dump with entries")
        c.wait_hits("hits and writes after the dump")
        faults.kill_redis()
        try:
            faults.start_redis()
            assert redis().delete("e2e:dump") == 1, "the dump was not loaded"
            c.wait_hits("hits after")
        finally:
            os.unlink(dump)


def test_redis_frozen(checker, faults):
    with checker as c:
        c.wait_hits("hits before")
        faults.pause_redis()
        c.wait_writes("writes while Redis hangs")
        faults.continue_redis()
        c.wait_hits("hits after")


def test_coachd_killed(checker, pair, db):
    """kill -9 between commit and invalidation: the survivor begins a new epoch."""
    coachds, _ = pair
    with checker as c:
        c.wait_hits("hits before")
        epoch = db.one("SELECT epoch FROM sc.cache_epoch")
        coachds[0].kill()
        wait_until(lambda: db.one("SELECT epoch FROM sc.cache_epoch") > epoch, 20, "a new epoch")
        coachds[0].start()
        c.wait_hits("hits after")


def test_fill_overtaken_by_a_write(pair, new_user):
    """What was read before a write does not enter the cache after it."""
    coachds, wires = pair
    client = new_user("student", full_name="Eski")
    one, two = (client.clone(address=c.address) for c in coachds)
    wait_until(lambda: one.get("/users/me").headers.get("x-cache") == "hit", 20, "a hit")
    two.patch("/users/me", {"full_name": "Eski"}).ok()
    wires[0].hold(b"SC1 ")
    # a link that was late for once passes the cache by, and fills nothing
    wait_until(lambda: one.get("/users/me").headers["x-cache"] == "miss", what="a miss")
    assert wires[0].held.wait(10 * SLOW), "nothing was filled"
    two.patch("/users/me", {"full_name": "Yeni"}).ok()
    wires[0].release()
    for c in (one, two, one, two):
        assert c.get("/users/me").ok()["full_name"] == "Yeni"


def test_logged_out_while_redis_was_away(pair, new_user):
    """A token revoked while Redis could not be told is refused ever after, though an older one stays good."""
    coachds, wires = pair
    older = new_user("student")
    newer = older.anonymous().login(older.user.email, older.user.password)
    one = newer.clone(address=coachds[0].address)
    wait_until(lambda: one.get("/users/me").headers.get("x-cache") == "hit", 20, "a hit")
    wires[0].set("refuse")
    one.post("/auth/logout", {}).ok(204)
    wires[0].set("pass")
    for coachd in coachds:
        revoked, good = newer.clone(address=coachd.address), older.clone(address=coachd.address)
        wait_until(lambda: good.get("/users/me").headers.get("x-cache") == "hit", 20, "a hit of the older token")
        for _ in range(5):
            revoked.get("/users/me").problem(401, "token_revoked")
