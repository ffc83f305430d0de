"""Reads from a replica: never an own write missed, never a refusal or an error because of it.

A real streaming replica, and two coachds that know it. The route of the test says which server ran it.
"""

import re
import threading

import pytest

from instance import Background, Standby, wait_until
from test_roles import SAMPLES, make_sample

READ, WRITE = 99011, 99012
NOBODY = 999999999
ASKED, FALLBACKS = 'sc_replica_requests_total{sent="replica",why=""}', "sc_replica_fallbacks_total"
MADE = f"""
CREATE TABLE sc.replica_probe (user_id bigint PRIMARY KEY, word text);
ALTER TABLE sc.replica_probe OWNER TO sc_owner;
CREATE TYPE sc_api.replica_probe AS (word text, standby boolean);
CREATE FUNCTION sc_api.replica_read(_user_id bigint, nap boolean DEFAULT false) RETURNS sc_api.replica_probe LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF nap AND pg_is_in_recovery() THEN
        PERFORM pg_sleep(600);
    END IF;
    RETURN ((SELECT p.word FROM sc.replica_probe AS p WHERE p.user_id = _user_id), pg_is_in_recovery());
END $$;
CREATE FUNCTION sc_api.replica_write(actor bigint, word text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO sc.replica_probe VALUES (actor, word) ON CONFLICT (user_id) DO UPDATE SET word = excluded.word;
END $$;
ALTER TYPE sc_api.replica_probe OWNER TO sc_owner;
ALTER FUNCTION sc_api.replica_read(bigint, boolean) OWNER TO sc_owner;
ALTER FUNCTION sc_api.replica_write(bigint, text) OWNER TO sc_owner;
SELECT sc.route({READ}, 'GET', '/replica-probe/{{user_id}}', 'sc_api.replica_read', 'user', '{{"replica": true, "lane": "slow", "rate": "none"}}');
SELECT sc.route({WRITE}, 'POST', '/replica-probe', 'sc_api.replica_write', 'user', '{{"rate": "none"}}');
"""


def metric(api, name):
    return float(re.search(rf"^{re.escape(name)} (\S+)$", api.get("/metrics").text, re.M).group(1))


@pytest.fixture(scope="module")
def standby(instance, db):
    db.run(MADE)
    with Standby(instance) as made:
        yield made
    db.run(f"DELETE FROM sc.routes WHERE id IN ({READ}, {WRITE})")
    db.run("DROP TYPE sc_api.replica_probe CASCADE; DROP FUNCTION sc_api.replica_write; DROP TABLE sc.replica_probe")


@pytest.fixture(scope="module")
def pair(instance, standby):
    """Addresses of two coachds."""
    with instance.coachd(COACH_DB_REPLICA_URL=standby.url(), COACH_LOOPS="2") as one, \
            instance.coachd(COACH_DB_REPLICA_URL=standby.url()) as other:
        yield one.address, other.address


@pytest.fixture
def delay(standby):
    """From delay() on the replica is always five seconds behind."""
    yield lambda: standby.set(recovery_min_apply_delay="5s")
    standby.set(recovery_min_apply_delay="0")


@pytest.fixture
def new_readers(pair, new_user):
    """new_readers("student", "admin") -> clients of new users, of the first coachd and the second by turns, whom the replica answers."""
    def make(*roles):
        made = [at(new_user(role), pair[n % 2]) for n, role in enumerate(roles)]
        for client in made:
            wait_until(lambda c=client: read(c, NOBODY)["standby"], 30, "an answer of the replica")
        return made
    return make


def read(api, user_id, **query):
    return api.get(f"/replica-probe/{user_id}", **query).ok()


def at(api, address):
    return api.clone(address=address)


def test_marked_reads_are_sent_to_it(db, standby, new_readers, new_course, new_user, teacher, student, enroll, serial):
    """Every route that says so, with success."""
    admin, coach = new_readers("admin", "coach")
    assert metric(admin, "sc_replica_serves") == 1 and metric(admin, "sc_replica_lag_seconds") < 8
    routes = db.all("SELECT path FROM sc.routes WHERE replica AND id < 90000 ORDER BY id")
    assert len(routes) >= 16
    replica = standby.db("coach")
    for (path,) in routes:
        sample = make_sample(db, new_course, new_user, teacher, student, enroll, serial)
        filled = re.sub(r"\{(\w+)\}", lambda m: str(sample(m.group(1))), path)
        where = db.one("SELECT pg_current_wal_lsn()")
        wait_until(lambda: replica.one("SELECT pg_last_wal_replay_lsn() >= %s", where), 10, "the samples to be there")
        client = coach if path == "/users/me/students" else admin
        before = [metric(client, name) for name in (ASKED, FALLBACKS)]
        client.get(filled, **SAMPLES.get(f"GET {path}", {})).ok()
        wait_until(lambda: metric(client, ASKED) > before[0], 10, f"{path} to be counted")
        assert metric(client, FALLBACKS) == before[1], path
    replica.close()


def test_own_writes_are_seen(delay, pair, new_readers):
    """At once through the other coachd, and later from the replica; others may see what was five seconds ago."""
    writer, other = new_readers("student", "student")
    elsewhere = at(writer, pair[1])
    behind = 0
    delay()
    for word in ("bir", "iki", "üç"):
        writer.post("/replica-probe", {"word": word}).ok(204)
        assert read(elsewhere, writer.user.id) == {"word": word, "standby": False}
        seen = read(other, writer.user.id)
        behind += seen["standby"] and seen["word"] != word
    assert behind > 0

    def later():
        seen = read(elsewhere, writer.user.id)
        assert seen["word"] == "üç"
        return seen["standby"]
    wait_until(later, 30, "the writer's reads to go to the replica again")
    assert read(other, writer.user.id)["word"] == "üç"
    assert metric(elsewhere, 'sc_replica_requests_total{sent="primary",why="wrote"}') > 0


def test_writers_and_readers(delay, pair, new_readers):
    """Whatever the order of writes and reads, each user sees the own last one."""
    users = new_readers(*["student"] * 4)
    clients = [[at(u, address) for address in pair] for u in users]
    last = [0] * len(users)
    delay()

    def step(n):
        last[n] += 1
        clients[n][last[n] % 2].post("/replica-probe", {"word": str(last[n])}).ok(204)
        seen = read(clients[n][last[n] // 2 % 2], users[n].user.id)
        assert seen["word"] == str(last[n]), seen
    with Background(step, threads=len(users)) as load:
        wait_until(lambda: load.errors or len(load.results) > 400, 60, "400 writes and reads")


def test_redis_forgets(delay, faults, pair, new_readers):
    """Who wrote before or while Redis was away is not sent to the replica before her writes are there; nor does she wait twice."""
    writer, _ = new_readers("student", "student")
    delay()
    writer.post("/replica-probe", {"word": "unutma"}).ok(204)
    undelivered = "sc_cache_undelivered_total"
    before = metric(writer, undelivered)
    faults.kill_redis()
    assert read(writer, writer.user.id) == {"word": "unutma", "standby": False}
    writer.post("/replica-probe", {"word": "unutma"}).ok(204)
    wait_until(lambda: metric(writer, "sc_cache_lost") == 1 and metric(writer, undelivered) > before, 10, "nobody to trust Redis")
    before, retries = metric(writer, undelivered), metric(writer, "sc_cache_delivery_retries_total")
    writer.post("/replica-probe", {"word": "unutma"}).ok(204)
    wait_until(lambda: metric(writer, undelivered) > before, 10, "the second write to be counted")
    assert metric(writer, "sc_cache_delivery_retries_total") == retries
    faults.start_redis()

    def later():
        seen = read(at(writer, pair[1]), writer.user.id)
        assert seen["word"] == "unutma"
        return seen["standby"]
    wait_until(later, 60, "the replica to be used again")


def test_one_that_stands_still(standby, new_readers):
    """is passed by when it has not replayed what the primary had eight seconds ago."""
    reader, writer = new_readers("student", "student")
    replica = standby.db("coach")
    replica.run("SELECT pg_wal_replay_pause()")
    try:
        wait_until(lambda: replica.one("SELECT pg_get_wal_replay_pause_state()") == "paused", 10, "the pause")
        writer.post("/replica-probe", {"word": "yeni"}).ok(204)
        wait_until(lambda: read(reader, writer.user.id) == {"word": "yeni", "standby": False}, 30, "the primary's answer")
        assert metric(reader, "sc_replica_serves") == 0 and metric(reader, "sc_replica_lag_bytes") > 0
        assert metric(reader, 'sc_replica_requests_total{sent="primary",why="behind"}') > 0
    finally:
        replica.run("SELECT pg_wal_replay_resume()")
        replica.close()
    wait_until(lambda: read(reader, writer.user.id)["standby"], 30, "the replica to be read again")
    assert read(reader, writer.user.id)["word"] == "yeni"


def test_a_conflict_with_the_recovery(standby, db, new_readers):
    """A read that the recovery cancels is answered by the primary; the connection to the replica lives on."""
    (reader,) = new_readers("student")
    standby.set(max_standby_streaming_delay="0")
    replica = standby.db("coach")
    sleeping = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'coachd replica' AND wait_event = 'PgSleep'"
    lost = metric(reader, 'sc_pg_lost_total{lane="replica"}')
    seen = []
    thread = threading.Thread(target=lambda: seen.append(reader.clone().get(f"/replica-probe/{NOBODY}", nap=True)), daemon=True)
    try:
        thread.start()
        wait_until(lambda: replica.one(sleeping) > 0, 20, "the read to run on the replica")
        db.run("INSERT INTO sc.replica_probe VALUES (-1, 'x')")
        db.run("DELETE FROM sc.replica_probe WHERE user_id = -1")

        def cancelled():
            db.run("VACUUM sc.replica_probe")
            return not thread.is_alive()
        wait_until(cancelled, 30, "the conflict", every=0.5)
        assert seen[0].ok()["standby"] is False
        assert "canceling statement due to conflict with recovery" in standby.read_log()
        assert metric(reader, 'sc_pg_lost_total{lane="replica"}') == lost
        wait_until(lambda: metric(reader, FALLBACKS) > 0, 10, "the second question to be counted")
    finally:
        replica.close()
        standby.set(max_standby_streaming_delay="30s")


def test_log_outs_count_at_once(delay, pair, new_readers, admin):
    """though the replica does not know of them yet."""
    left, everywhere, shut_out = new_readers(*["student"] * 3)
    delay()
    at(left, pair[1]).post("/auth/logout").ok(204)
    left.get(f"/replica-probe/{NOBODY}").problem(401, "token_revoked")
    at(everywhere, pair[1]).post("/auth/logout-all").ok(204)
    everywhere.get(f"/replica-probe/{NOBODY}").problem(401, "token_revoked")
    assert at(admin, pair[1]).post(f"/users/{shut_out.user.id}/deactivate").status < 300
    assert shut_out.get(f"/replica-probe/{NOBODY}").status == 401


def test_refusals_are_the_primarys(delay, pair, new_readers, new_course, new_user):
    """What the replica does not know yet is no 404."""
    (reader,) = new_readers("admin")
    delay()
    course, newcomer = new_course(), at(new_user(), pair[0])
    assert reader.get(f"/courses/{course.id}/enrollments").ok()["items"] == []
    reader.get("/courses/999999999/enrollments").problem(404)
    asked = metric(newcomer, ASKED)
    wait_until(lambda: read(newcomer, NOBODY) and metric(newcomer, ASKED) > asked, 10, "the replica to be asked about her")


def test_one_that_dies(standby, new_readers):
    """Nobody notices, but for the metrics; and it is used again when it is back."""
    readers = new_readers(*["student"] * 4)
    with Background(lambda n: read(readers[n], NOBODY)["standby"], threads=len(readers)) as load:
        wait_until(lambda: load.errors or len(load.results) > 100, 20, "reads before")
        standby.kill()
        count = len(load.results)
        wait_until(lambda: load.errors or len(load.results) > count + 200, 30, "reads after")
        standby.start()
        wait_until(lambda: load.errors or load.results[-1], 60, "reads of the replica")
    assert False in load.results


def test_one_that_freezes(standby, new_readers):
    """is passed by without waiting for it."""
    (reader,) = new_readers("student")
    standby.freeze()
    try:
        wait_until(lambda: metric(reader, "sc_replica_serves") == 0, 20, "its silence to be noticed")
        assert read(reader, NOBODY)["standby"] is False
    finally:
        standby.thaw()
    wait_until(lambda: read(reader, NOBODY)["standby"], 60, "the replica to be read again")


def test_one_that_is_none(instance, standby, new_user):
    """The primary itself is never taken for a replica."""
    url = f"host={instance.run} dbname=coach user=sc_app"
    with instance.coachd(COACH_DB_REPLICA_URL=url) as server:
        reader = at(new_user(), server.address)
        wait_until(lambda: metric(reader, "sc_replica_lag_seconds") > 11, 20, "the time to pass in which it could have been used")
        assert read(reader, NOBODY)["standby"] is False and metric(reader, "sc_replica_serves") == 0
        assert metric(reader, 'sc_pg_jobs_total{lane="replica"}') == 0


def test_one_that_becomes_a_primary(standby, new_readers):
    """is another school from then on. The last test, since nothing follows it any more."""
    writer, reader = new_readers("student", "student")
    promoted = standby.db("coach")
    assert promoted.one("SELECT pg_promote()")
    promoted.close()
    wait_until(lambda: metric(reader, "sc_replica_serves") == 0, 20, "the promotion to be noticed")
    writer.post("/replica-probe", {"word": "burada"}).ok(204)
    asked = metric(reader, ASKED)
    assert read(reader, writer.user.id)["word"] == "burada"
    wait_until(lambda: metric(reader, 'sc_replica_requests_total{sent="primary",why="behind"}') > 0, 10, "the read to be counted")
    assert metric(reader, ASKED) == asked
