"""Requests of one route that meet travel as one statement: each gets its own answer, whatever its neighbours ask."""

import re
import urllib.parse

import pytest

from client import Api
from instance import Background, wait_until

ROUTE = 99001
SLEEPS, BREAKS = 1, 2
MADE = f"""
CREATE TYPE sc_api.batch_probe AS (asked bigint, who bigint, word text);
CREATE FUNCTION sc_api.batch_probe(actor bigint, probe_id bigint, word text) RETURNS sc_api.batch_probe LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF probe_id = {SLEEPS} THEN
        PERFORM pg_sleep(0.05);
    ELSIF probe_id = {BREAKS} THEN
        RAISE query_canceled;
    END IF;
    RETURN (probe_id, actor, word);
END $$;
ALTER TYPE sc_api.batch_probe OWNER TO sc_owner;
ALTER FUNCTION sc_api.batch_probe(bigint, bigint, text) OWNER TO sc_owner;
SELECT sc.route({ROUTE}, 'GET', '/batch-probe/{{probe_id}}/{{word}}', 'sc_api.batch_probe', 'user', '{{"lane": "hot", "rate": "none"}}');
"""


@pytest.fixture
def probe(db):
    db.run(MADE)
    yield "/batch-probe"
    db.run(f"DELETE FROM sc.routes WHERE id = {ROUTE}")
    db.run("DROP TYPE sc_api.batch_probe CASCADE")


def counter(api, name):
    return int(float(re.search(rf"^{name} ([\d.e+]+)$", api.get("/metrics").text, re.M).group(1)))


@pytest.mark.parametrize("prepare", [pytest.param("on", marks=pytest.mark.direct), "off"])
def test_reads_that_meet(instance, probe, new_user, prepare):
    """While one sleeps, others wait behind it and travel together: a batch that is undone hurts nobody but who undid it."""
    users = [new_user(), new_user()]
    words = ["düz", "a\\b", 'a"b', "{}", "a,b", "NULL", "%2F", "a b", "1"]
    with instance.coachd(COACH_LOOPS="1", COACH_DB_CONNECTIONS="11", COACH_DB_PREPARE=prepare) as server:
        clients = [Api(server.address, users[n % 2].token, users[n % 2].user) for n in range(16)]
        wait_until(lambda: clients[0].get(f"{probe}/9/x").status == 200, what="the route to be known")

        def ask(n):
            word = words[n % len(words)]
            asked = SLEEPS if n < 2 else BREAKS if n == 2 else 100 + n
            reply = clients[n].get(f"{probe}/{asked}/{urllib.parse.quote(word, safe='')}")
            if asked == BREAKS:
                reply.problem(504, "timeout")
            else:
                assert reply.ok() == {"asked": asked, "who": clients[n].user.id, "word": word}
        batches, rows, again = (counter(clients[0], f"sc_pg_{name}_total") for name in ("batches", "batch_rows", "retried"))
        with Background(ask, threads=len(clients)) as load:
            other = Api(server.address)
            wait_until(lambda: load.errors or (counter(other, "sc_pg_batch_rows_total") - rows > counter(other, "sc_pg_batches_total") - batches + 20
                                               and counter(other, "sc_pg_retried_total") - again > 20), 60, "batches, and some undone")
