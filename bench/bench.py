#!/usr/bin/python3
"""Measures the running system against what the same machine can do at best, and holds the ratios to their floors.

usage: ./coach bench [--quick] [--keep]

Every figure is the median of alternating rounds (each round runs everything once), so that a noisy minute hits all
alike; only ratios within one run mean anything. The table goes to bench/RESULTS.md; --quick makes one short round
and leaves the file alone.
"""

import argparse
import base64
import datetime
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "test/e2e"))

from client import Api                                          # noqa: E402
from exam import Exam                                           # noqa: E402
from instance import Instance, free_port, wait_until            # noqa: E402
from tools import Nginx, Wrk, median, pgbench, redis_benchmark, run, wrk    # noqa: E402

CLIENTS = 64
PASSWORD = "parola-Uzun-ve-Gizli-7"


class World:
    """The instance under load: users, courses, tokens."""

    def __init__(self, instance):
        self.instance = instance
        self.db = instance.db()
        self.api = Api(instance.address)
        self.base = f"http://{instance.address}"
        self.cores = os.cpu_count()
        hashed = self.db.one("SELECT sc.password_hash(%s)", PASSWORD)
        self.users = [r.id for r in self.db.all(
            "INSERT INTO sc.users (email, full_name, password_hash, role_id, email_verified_at) "
            "SELECT format('yuk-%%s@bench.test', n), 'Yük ' || n, %s, 1, clock_timestamp() FROM generate_series(1, 256) AS n RETURNING id", hashed)]
        teacher = self.db.one("SELECT id FROM sc.users WHERE email = 'ogretmen@demo.test'")
        self.course = self.db.one("INSERT INTO sc.courses (code, title, description, teacher_id, is_published) "
                                  "VALUES ('BENCH', 'Yük altında', repeat('Uzun bir açıklama. ', 20), %s, true) RETURNING id", teacher)
        topic = self.db.one("INSERT INTO sc.topics (course_id, title, order_index) VALUES (%s, 'Konu', 1) RETURNING id", self.course)
        self.videos = [r.id for r in self.db.all(
            "INSERT INTO sc.videos (course_id, topic_id, youtube_id, title, duration, order_index) "
            "SELECT %s, %s, 'bench' || to_char(n, 'FM000000'), 'Video ' || n, 3600, n FROM generate_series(1, 20) AS n RETURNING id",
            self.course, topic)]
        self.db.run("INSERT INTO sc.enrollments (user_id, course_id) SELECT unnest(%s::bigint[]), %s", self.users, self.course)
        self.tokens = {}
        threads = [threading.Thread(target=self._login, args=(i,)) for i in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.db.run("ANALYZE sc.users, sc.courses, sc.topics, sc.videos, sc.enrollments")

    def _login(self, part):
        for n in range(part, CLIENTS, 4):
            self.tokens[n] = self.api.login(f"yuk-{n + 1}@bench.test", PASSWORD).token

    def headers(self, n=0):
        return [f"Authorization: Bearer {self.tokens[n]}"]

    def actor(self, n=0):
        return self.users[n]


def dispatch_script(world, method, path, values, per):
    """A pgbench script of `per` pipelined dispatch calls and its variables: the statement, the parameters and the ctx of the shim."""
    token = json.loads(_decode(world.tokens[0].split(".")[1]))
    variables = {
        "route": world.db.one("SELECT id FROM sc.routes WHERE method = %s AND path = %s", method, path),
        "actor": world.actor(),
        "jti": token["jti"],
        "iat": world.db.one("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint"),
        "path": "{" + ",".join(values) + "}",
        "ctx": json.dumps({"request_id": "0123456789abcdef0123456789abcdef", "ip": "127.0.0.1", "lang": "tr", "touch": "ack", "remaining_ms": 5000},
                          separators=(",", ":")),
    }
    call = ("SELECT (d).status, (d).headers, (d).body, (d).touched, (d).events FROM "
            "(SELECT sc_api.dispatch(:route, :actor, :jti, :iat, :path, NULL, NULL, :ctx) AS d OFFSET 0) AS s;\n")
    return "\\startpipeline\n" + call * per + "\\endpipeline\n", [f"-D{k}={v}" for k, v in variables.items()]


def cached_answer(user, path):
    answer = user.get(path)
    assert answer.status == 200, answer
    return answer if answer.headers.get("x-cache") == "hit" else None


def _decode(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


class Bench:
    def __init__(self, world, seconds):
        self.world = world
        self.seconds = seconds
        self.rates = {}
        self.p99 = {}
        self.notes = []

    def note(self, name, load):
        """Keeps a Load or a plain rate; a wrong answer is no answer."""
        if hasattr(load, "rate"):
            if load.errors:
                self.notes.append(f"{name}: {load.errors} errors")
            self.p99.setdefault(name, []).append(load.p99)
            load = load.rate
        self.rates.setdefault(name, []).append(load)
        print(f"    {name:<34} {load:>12,.0f} /s" + (f"   p99 {self.p99[name][-1]:.2f} ms" if name in self.p99 else ""), flush=True)

    def rate(self, name):
        return median(self.rates[name]) if name in self.rates else None

    def reads(self):
        w, s = self.world, self.seconds
        self.note("nginx, the same bytes", wrk(self.nginx.url, s, CLIENTS))
        self.note("cached read", wrk(f"{w.base}/api/v1/courses/{w.course}", s, CLIENTS, w.headers()))
        self.note("uncached read", wrk(w.base + self.uncached, s, CLIENTS, w.headers()))
        self.note("pgbench -S, prepared", max(pgbench(w.instance, s, c, dbname="pgbench", options=["-S", "-M", "prepared"]) for c in (2, 4, 8)))
        script, variables = dispatch_script(w, "GET", self.uncached_route, [str(w.videos[0])], 10)
        self.note("pgbench pipelined, same dispatch",
                  max(pgbench(w.instance, s, c, script, 10, user="sc_app", options=["-M", "prepared", *variables]) for c in (2, 4)))
        self.note("redis-benchmark GET", redis_benchmark(w.instance, s, 1))
        self.note("redis-benchmark GET, 16 pipelined", redis_benchmark(w.instance, s, 16))

    def writes(self):
        w, s = self.world, self.seconds
        some = range(CLIENTS)
        self.note("embed check", wrk(w.base, s, CLIENTS, requests=[
            (f"/api/v1/videos/{w.videos[n % 20]}/embed", w.tokens[n], "") for n in some]))
        self.note("progress write", wrk(w.base, s, CLIENTS, requests=[
            (f"/api/v1/videos/{w.videos[n % 20]}/progress", w.tokens[n], json.dumps({"watched_seconds": 30 + n, "total_seconds": 3600}))
            for n in some]))

    def logins(self):
        """A storm of log-ins against bare Argon2 at the same concurrency, and what it does to everybody else."""
        w, s = self.world, self.seconds
        hashed = w.db.one("SELECT password_hash FROM sc.users WHERE id = %s", w.actor())
        bare = f"SELECT sc.password_verify('{PASSWORD}', '{hashed}');\n"
        self.note("bare Argon2", pgbench(w.instance, s, max(1, w.cores // 2), bare))
        storm = [("/api/v1/auth/login", "", json.dumps({"email": f"yuk-{n + 1}@bench.test", "password": PASSWORD})) for n in range(256)]
        self.note("log-in storm", wrk(w.base, s, 16, requests=storm))
        background = Wrk(w.base, s + 1, 16, requests=storm)
        self.note("fast read during a log-in storm", wrk(w.base + self.uncached, s, 8, w.headers()))
        background.finish()

    def slow(self):
        """Fast calls alone, and with eight slow ones that wait in flight."""
        w, s = self.world, self.seconds
        self.note("fast read, 8 clients", wrk(w.base + self.uncached, s, 8, w.headers()))
        background = Wrk(w.base + "/api/v1/bench/wait", s + 1, 8, w.headers())
        self.note("fast read, 8 slow in flight", wrk(w.base + self.uncached, s, 8, w.headers()))
        background.finish()

    def idle(self, clients=4000):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, clients + 500), hard))

        def resident(pid):
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
                return next(int(line.split()[1]) * 1024 for line in f if line.startswith("Rss:"))
        with self.world.instance.coachd(COACH_CONNECTIONS=clients + 100, COACH_IDLE_TIMEOUT_S=120) as server:
            def talk(s):
                s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                assert s.recv(4096).startswith(b"HTTP/1.1 200")
            for _ in range(100):
                with socket.create_connection(("127.0.0.1", server.port)) as s:
                    talk(s)
            before, held = resident(server.pid), []
            for _ in range(clients):
                held.append(socket.create_connection(("127.0.0.1", server.port)))
                talk(held[-1])
            self.idle_bytes = (resident(server.pid) - before) / clients
            for s in held:
                s.close()

    def prepare(self):
        w = self.world
        self.uncached_route = "/videos/{video_id}/progress"
        self.uncached = f"/api/v1/videos/{w.videos[0]}/progress"
        user = w.api.clone(token=w.tokens[0])
        user.post(f"/videos/{w.videos[0]}/progress", {"watched_seconds": 60, "total_seconds": 3600}).ok()
        again = wait_until(lambda: cached_answer(user, f"/courses/{w.course}"), what="a hit in the cache")
        fresh = user.get(self.uncached)
        assert fresh.status == 200 and fresh.headers.get("x-cache") != "hit", fresh
        shown = {k.title(): v for k, v in again.headers.items() if k in ("etag", "cache-control", "vary", "x-request-id", "x-cache", "x-content-type-options")}
        shown = {k: v.replace('"', "") for k, v in shown.items()}
        self.nginx = Nginx(free_port(), again.body, shown, w.cores)
        root = w.instance.db("postgres")
        root.run("DROP DATABASE IF EXISTS pgbench")
        root.run("CREATE DATABASE pgbench")
        run([os.path.join(w.instance.bin, "pgbench"), "-i", "-q", "-s", "10", "-h", w.instance.run, "-U", "postgres", "pgbench"])
        # A slow endpoint of our own, made the way any user would make one.
        w.db.run("CREATE TYPE sc_api.bench_wait_result AS (waited numeric)")
        w.db.run("CREATE FUNCTION sc_api.bench_wait(actor bigint) RETURNS sc_api.bench_wait_result LANGUAGE plpgsql STABLE AS "
                 "$$ BEGIN PERFORM pg_sleep(0.5); RETURN ROW(0.5)::sc_api.bench_wait_result; END $$")
        w.db.run("ALTER TYPE sc_api.bench_wait_result OWNER TO sc_owner")
        w.db.run("ALTER FUNCTION sc_api.bench_wait(bigint) OWNER TO sc_owner")
        w.db.run("SELECT sc.route(9001, 'GET', '/bench/wait', 'sc_api.bench_wait', 'user', '{\"lane\": \"slow\", \"rate\": \"none\"}')")
        w.instance.coach("restart")
        assert w.api.clone(token=w.tokens[0]).get("/bench/wait").status == 200
        self.exam = Exam(w)


FLOORS = [
    # what, value of, against, at least (or at most)
    ("cached read / nginx", "cached read", "nginx, the same bytes", 0.28),
    ("uncached read / pgbench -S", "uncached read", "pgbench -S, prepared", 0.40),
    ("uncached read / pgbench pipelined", "uncached read", "pgbench pipelined, same dispatch", 0.35),
    ("saves of 64 clients / pgbench UPSERT", "answer saves, 64 clients", "pgbench, one UPSERT a transaction", 1.0),
    ("saves of 256 clients / pgbench UPSERT", "answer saves, 256 clients", "pgbench, one UPSERT a transaction", 1.5),
    ("log-in storm / bare Argon2", "log-in storm", "bare Argon2", 0.80),
]


def report(bench, args):
    lines = ["| what | median /s | p99 ms |", "|---|---:|---:|"]
    for name, values in bench.rates.items():
        p99 = f"{median(bench.p99[name]):.2f}" if name in bench.p99 else ""
        lines.append(f"| {name} | {median(values):,.0f} | {p99} |")
    lines += ["", "| ratio | value | floor | |", "|---|---:|---:|---|"]
    missed = 0

    def floor(name, value, limit, good, form="{:.2f}", sign="≥"):
        nonlocal missed
        missed += not good
        lines.append(f"| {name} | {form.format(value)} | {sign} {form.format(limit)} | {'ok' if good else 'MISSED'} |")
    for name, value, against, limit in FLOORS:
        if value in bench.rates and against in bench.rates:
            ratio = bench.rate(value) / bench.rate(against)
            floor(name, ratio, limit, ratio >= limit)
    if "fast read, 8 slow in flight" in bench.p99:
        ratio = median(bench.p99["fast read, 8 slow in flight"]) / median(bench.p99["fast read, 8 clients"])
        floor("p99 of fast reads with 8 slow in flight / without", ratio, 2.0, ratio <= 2.0, sign="≤")
    if hasattr(bench, "idle_bytes"):
        floor("bytes per idle connection (4,000)", bench.idle_bytes, 16384, bench.idle_bytes <= 16384, "{:,.0f}", "≤")
    if hasattr(bench, "statistics"):
        scratch, plain, page = bench.statistics
        floor("exam statistics from scratch / one plain avg pass, 10,000 x 120", scratch / plain, 3.0, scratch <= 3 * plain, sign="≤")
        floor("item statistics from the kept sums, ms", page, 50, page < 50, "{:.0f}", "≤")
    for n in bench.notes:
        lines.append(f"\nErrors seen: {n}.")
        missed += 1
    commit = run(["git", "-C", TOP, "rev-parse", "--short", "HEAD"]).strip()
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8") if line.startswith("model name")), "?")
    head = [f"Commit {commit}, {datetime.date.today()}, {os.cpu_count()} cores ({cpu}); {args.rounds} alternating rounds of {args.seconds} s, "
            f"{CLIENTS} keep-alive connections unless said otherwise; everything, the load generator too, on this machine.", ""]
    table = "\n".join(head + lines)
    print("\n" + table)
    if not args.quick:
        with open(os.path.join(TOP, "bench/RESULTS.md"), "w", encoding="utf-8") as f:
            f.write("# Figures of `./coach bench`\n\n" + table + "\n")
    print(f"\n{missed} floors missed")
    return missed


def main():
    parser = argparse.ArgumentParser(prog="./coach bench")
    parser.add_argument("--quick", action="store_true", help="one short round; RESULTS.md stays")
    parser.add_argument("--keep", action="store_true", help="leave the instance running")
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--seconds", type=int, default=0)
    args = parser.parse_args()
    args.rounds = args.rounds or (1 if args.quick else 3)
    args.seconds = args.seconds or (2 if args.quick else 5)

    folder = tempfile.mkdtemp(prefix="coach-bench.", dir="/tmp")
    os.chmod(folder, 0o755)
    instance = Instance(os.path.join(folder, "var"))
    bench = None
    try:
        instance.up()
        bench = Bench(World(instance), args.seconds)
        bench.prepare()
        for n in range(args.rounds):
            print(f"round {n + 1} of {args.rounds}", flush=True)
            bench.reads()
            bench.writes()
            bench.exam.round(bench)
            bench.logins()
            bench.slow()
        bench.idle()
        bench.statistics = bench.exam.statistics()
        missed = report(bench, args)
    finally:
        if bench is not None and hasattr(bench, "nginx"):
            bench.nginx.stop()
        if not args.keep:
            subprocess.run([os.path.join(TOP, "coach"), "down"], env={**os.environ, "COACH_VAR": instance.var}, check=False,
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
