"""The processes under test: an instance made by the launcher, and further coachds beside it."""

import glob
import os
import pwd
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request

import psycopg2
import psycopg2.extras

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


SLOW = 4        # deadlines fit a quiet machine; one that is so many times slower passes too


def wait_until(condition, seconds=20, what=None, every=0.05):
    """Polls until the condition gives something true, and gives that; fails at the deadline."""
    seconds *= SLOW
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"waited {seconds} s in vain for {what or condition}"
        time.sleep(every)


def hold(seconds, until=lambda: False):
    """Lets a fault last for a while; others work meanwhile."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not until():
        time.sleep(0.02)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def raised_limits():
    with open(os.path.join(TOP, "test/e2e/settings.env"), encoding="utf-8") as f:
        return dict(line.strip().split("=", 1) for line in f if line.strip() and not line.startswith("#"))


class Db:
    """A superuser's connection in autocommit mode."""

    def __init__(self, host, dbname="coach", user="postgres"):
        self.dsn = {"host": host, "dbname": dbname, "user": user}
        self.conn = None

    def cursor(self):
        if self.conn is None or self.conn.closed:
            self.conn = psycopg2.connect(**self.dsn)
            self.conn.autocommit = True
        return self.conn.cursor(cursor_factory=psycopg2.extras.NamedTupleCursor)

    def all(self, sql, *args):
        """All rows, as named tuples."""
        try:
            cur = self.cursor()
            cur.execute(sql, args or None)
        except psycopg2.DatabaseError as error:
            if error.pgcode is not None and not self.conn.closed:
                raise
            self.close()                # the server was restarted: once more, with a new connection
            cur = self.cursor()
            cur.execute(sql, args or None)
        return cur.fetchall() if cur.description else []

    def row(self, sql, *args):
        rows = self.all(sql, *args)
        return rows[0] if rows else None

    def one(self, sql, *args):
        """The first column of the first row."""
        row = self.row(sql, *args)
        return row[0] if row else None

    def run(self, sql, *args):
        self.all(sql, *args)

    def close(self):
        if self.conn is not None:
            self.conn.close()
            self.conn = None


class Coachd:
    """A coachd of its own on a free port, on the databases of the instance. Settings override the instance's."""

    def __init__(self, instance, **settings):
        self.instance = instance
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.settings = {"COACH_LISTEN": self.address, "COACH_LOOPS": "1", "COACH_INSTANCE": f"test-{self.port}", **settings}
        self.process = None
        self.log = os.path.join(instance.logs, f"coachd-{self.port}.log")

    def start(self, ready=True):
        environment = {**self.instance.coachd_environment(), **self.settings}
        environment = {k: str(v) for k, v in environment.items() if v is not None}
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.instance.as_owner([os.path.join(self.instance.var, "bin/coachd")]),
                env={**{k: v for k, v in os.environ.items() if not k.startswith("COACH_")}, **environment},
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd="/")
        if ready:
            self.wait_ready()
        return self

    @property
    def pid(self):
        return self.process.pid

    def ready(self):
        try:
            with urllib.request.urlopen(f"http://{self.address}/readyz", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def wait_ready(self, seconds=20):
        def check():
            assert self.process.poll() is None, f"coachd ended with {self.process.returncode}: {self.read_log()[-3000:]}"
            return self.ready()
        wait_until(check, seconds, f"coachd on {self.address}")

    def read_log(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def signal(self, sig):
        self.process.send_signal(sig)

    def stop(self, seconds=40):
        """Ends it politely (drain) and gives its exit status."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(SLOW * seconds)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"coachd did not drain within {SLOW * seconds} s") from None
        return self.process.returncode if self.process else None

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        try:
            self.stop()
        finally:
            self.kill()


class Instance:
    """What ./coach up makes in one folder."""

    def __init__(self, var):
        self.var = os.path.realpath(var)
        self.top = TOP
        self.environment = {**os.environ, "COACH_VAR": self.var, **raised_limits()}      # of the launcher
        self.logs = os.path.join(self.var, "log")
        self.run = self.shell('echo "$RUN"').strip()
        self.owner = self.shell('echo "$OWNER"').strip()
        self.bin = self.shell('echo "$PGBIN"').strip()

    def coach(self, *args, env=None, stdin=None, check=True, timeout=600 * SLOW):
        """Runs ./coach and gives its output."""
        done = subprocess.run([os.path.join(TOP, "coach"), *args], env={**self.environment, **(env or {})},
                              input=stdin, stdin=None if stdin is not None else subprocess.DEVNULL, text=True, timeout=timeout,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        assert not check or done.returncode == 0, f"./coach {' '.join(args)}: {done.stdout}"
        return done.stdout

    def shell(self, script):
        """Runs a line of shell among the launcher's own functions."""
        done = subprocess.run(["bash", "-euc", f'TOP={shlex.quote(TOP)}; . "$TOP/dev/packages.sh"; . "$TOP/dev/instance.sh"; instance_paths; ' + script],
                              env=self.environment, stdin=subprocess.DEVNULL, text=True, timeout=120 * SLOW,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def as_owner(self, command):
        """The command line that runs a command as the owner of the instance."""
        if pwd.getpwuid(os.getuid()).pw_name == self.owner:
            return command
        return ["setpriv", f"--reuid={self.owner}", f"--regid={self.owner}", "--init-groups", "--", *command]

    def up(self):
        self.coach("up", env={"COACH_LISTEN": f"127.0.0.1:{free_port()}"})

    def down(self):
        self.coach("down")

    @property
    def address(self):
        with open(os.path.join(self.run, "address"), encoding="ascii") as f:
            return f.read().strip()

    def coachd_environment(self):
        """The settings the launcher gave its coachd."""
        words = {}
        with open(os.path.join(self.run, "coachd.run"), encoding="utf-8") as f:
            for line in f:
                if line.startswith("export "):
                    name, _, value = shlex.split(line, posix=True)[1].partition("=")
                    words[name] = value
        return words

    def pid(self, name):
        """Pid of coachd, coachd.keeper, upkeep, upkeep.keeper, redis or postgresql; None if it does not run."""
        text = self.shell(f"running_pid {name} || true").strip()
        return int(text) if text else None

    def coachd(self, **settings):
        """A further coachd: with instance.coachd(COACH_DB_PREPARE="off") as other: ..."""
        return Coachd(self, **settings)

    def db(self, dbname="coach", user="postgres"):
        return Db(self.run, dbname, user)

    def ready(self):
        try:
            with urllib.request.urlopen(f"http://{self.address}/readyz", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def wait_ready(self, seconds=30):
        wait_until(self.ready, seconds, "the instance to be ready")

    # Faults. Each leaves the instance as it found it when the opposite is called.

    def kill_coachd(self):
        """kill -9; the keeper starts a new one."""
        old = self.pid("coachd")
        os.kill(old, signal.SIGKILL)
        wait_until(lambda: self.pid("coachd") not in (None, old), 20, "a new coachd")

    def stop_redis(self):
        self.shell("redis_stop")

    def kill_redis(self):
        pid = self.pid("redis")
        os.kill(pid, signal.SIGKILL)
        # as the launcher sees it: who is dead and not yet reaped would count as running in start_redis()
        wait_until(lambda: self.pid("redis") is None, 10, "the end of Redis")

    def start_redis(self):
        # What was just killed may still look alive, and then nothing is started.
        wait_until(lambda: self.shell("redis_start") == "" and self.redis_answers(), 10, "Redis")

    def redis_answers(self):
        with socket.socket(socket.AF_UNIX) as s:
            try:
                s.connect(os.path.join(self.run, "redis.sock"))
            except OSError:
                return False
        return True

    def pause_redis(self):
        os.kill(self.pid("redis"), signal.SIGSTOP)

    def continue_redis(self):
        os.kill(self.pid("redis"), signal.SIGCONT)

    def stop_postgres(self):
        self.shell("postgres_stop")

    def start_postgres(self):
        self.shell("postgres_start")

    def crash_postgres(self):
        """Immediate shutdown: no checkpoint, as after a power cut."""
        self.shell('as_owner "$PGBIN/pg_ctl" -D "$VAR/data" -m immediate -w stop >/dev/null')

    def repair(self):
        """Everything runs again."""
        pid = self.pid("redis")
        if pid:
            os.kill(pid, signal.SIGCONT)
        self.start_postgres()
        self.start_redis()
        self.wait_ready(60)


class Bouncer:
    """PgBouncer in transaction mode before the instance's PostgreSQL."""

    def __init__(self, instance, folder):
        self.instance = instance
        self.folder = folder
        self.process = None

    def __enter__(self):
        os.makedirs(self.folder, mode=0o755, exist_ok=True)
        users = os.path.join(self.folder, "users.txt")
        config = os.path.join(self.folder, "pgbouncer.ini")
        with open(users, "w", encoding="ascii") as f:
            f.write('"sc_app" ""\n"sc_app_slow" ""\n"postgres" ""\n')
        with open(config, "w", encoding="ascii") as f:
            f.write("[databases]\n"
                    f"coach = host={self.instance.run} dbname=coach\n"
                    "[pgbouncer]\n"
                    f"unix_socket_dir = {self.folder}\nlisten_port = 6432\nlisten_addr =\n"
                    f"auth_type = trust\nauth_file = {users}\npool_mode = transaction\n"
                    "default_pool_size = 20\nmax_client_conn = 400\nserver_login_retry = 1\nlog_connections = 0\nlog_disconnections = 0\n")
        if os.getuid() == 0:
            owner = pwd.getpwnam(self.instance.owner)
            for path in (self.folder, users, config):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        self.process = subprocess.Popen(self.instance.as_owner(["pgbouncer", "-q", config]), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
        wait_until(lambda: os.path.exists(os.path.join(self.folder, ".s.PGSQL.6432")), 10, "PgBouncer")
        return self

    def url(self, user="sc_app"):
        return f"host={self.folder} port=6432 dbname=coach user={user}"

    def settings(self):
        """Those of a coachd behind it: what needs a session goes past it."""
        return {"COACH_DB_URL": self.url(), "COACH_DB_SLOW_URL": self.url("sc_app_slow"), "COACH_DB_PREPARE": "off",
                "COACH_DB_DIRECT_URL": f"host={self.instance.run} dbname=coach user=sc_app"}

    def __exit__(self, *exc):
        self.process.terminate()
        self.process.wait(10 * SLOW)


class Cluster:
    """A further PostgreSQL, empty, of the instance's build, whose clock may stand elsewhere: with Cluster(instance, days=62) as c: ..."""

    def __init__(self, instance, days=0):
        self.instance = instance
        self.days = days
        self.folder = None

    @property
    def run(self):
        return self.folder

    def command(self, name, *args):
        """A program of PostgreSQL under the cluster's clock. The monotonic clock, by which it waits, stays true."""
        clock = []
        if self.days:
            library = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
            assert library, "package libfaketime is not installed"
            # set last: what libfaketime shares between processes belongs to who comes first
            clock = ["env", f"LD_PRELOAD={library[0]}", f"FAKETIME={self.days:+d}d", "FAKETIME_DONT_FAKE_MONOTONIC=1"]
        return self.instance.as_owner([*clock, os.path.join(self.instance.bin, name), *args])

    def tool(self, name, *args):
        done = subprocess.run(self.command(name, *args), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=300, check=False, cwd="/")
        assert done.returncode == 0, done.stdout
        return done.stdout

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="coach-cluster.", dir="/tmp")
        if os.getuid() == 0:
            owner = pwd.getpwnam(self.instance.owner)
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        data = os.path.join(self.folder, "data")
        self.tool("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        self.tool("pg_ctl", "-D", data, "-l", os.path.join(self.folder, "log"), "-w", "-o",
                  f"-c listen_addresses= -c unix_socket_directories={self.folder} -c fsync=off -c jit=off -c timezone=UTC", "start")
        return self

    def db(self, dbname="postgres", user="postgres"):
        return Db(self.folder, dbname, user)

    def __exit__(self, *exc):
        self.tool("pg_ctl", "-D", os.path.join(self.folder, "data"), "-m", "immediate", "-w", "stop")
        shutil.rmtree(self.folder)


class Standby(Cluster):
    """A streaming replica of the instance's PostgreSQL: with Standby(instance) as s: s.set(recovery_min_apply_delay="5s")"""

    process = None

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="coach-standby.", dir="/tmp")
        if os.getuid() == 0:
            owner = pwd.getpwnam(self.instance.owner)
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        self.tool("pg_basebackup", "-h", self.instance.run, "-U", "postgres", "-D", os.path.join(self.folder, "data"),
                  "-R", "-X", "stream", "-c", "fast", "--no-sync")
        self.start()
        return self

    def start(self):
        """As a child of ours, which can be killed and reaped."""
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen(
                self.command("postgres", "-D", os.path.join(self.folder, "data"), "-c", "listen_addresses=",
                             "-c", f"unix_socket_directories={self.folder}", "-c", "fsync=off"),
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd="/")
        wait_until(self.answers, 30, "the replica")

    def read_log(self):
        with open(os.path.join(self.folder, "log"), encoding="utf-8", errors="replace") as f:
            return f.read()

    def answers(self):
        assert self.process.poll() is None, self.read_log()[-3000:]
        try:
            psycopg2.connect(host=self.folder, dbname="coach", user="postgres").close()
        except psycopg2.OperationalError:
            return False
        return True

    def children(self):
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as f:
            return [int(pid) for pid in f.read().split()]

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)
        for pid in self.children():
            os.kill(pid, signal.SIGSTOP)

    def thaw(self):
        for pid in self.children():
            os.kill(pid, signal.SIGCONT)
        self.process.send_signal(signal.SIGCONT)

    def kill(self, sig=signal.SIGKILL):
        """Its other processes find out by themselves."""
        children = self.children()
        self.process.send_signal(sig)
        self.process.wait(10 * SLOW)
        wait_until(lambda: not any(alive(pid) for pid in children), 10, "the end of the replica")

    def __exit__(self, *exc):
        self.kill(signal.SIGQUIT)
        shutil.rmtree(self.folder)

    def url(self):
        return f"host={self.folder} dbname=coach user=sc_app_slow"

    def set(self, **settings):
        """Changes settings of the replica alone."""
        db = self.db("coach")
        for name, value in settings.items():
            db.run(f"ALTER SYSTEM SET {name} = '{value}'")
        db.run("SELECT pg_reload_conf()")
        for name, value in settings.items():
            wait_until(lambda n=name, v=value: db.one("SELECT current_setting(%s)", n) == v, 10, name)
        db.close()


class Background:
    """Runs a function again and again in threads until stopped; what it raises fails the test.

        with Background(lambda n: api.clone().get("/courses"), threads=4) as load:
            instance.kill_coachd()
        assert load.results
    """

    def __init__(self, work, threads=1):
        self.work = work
        self.results = []
        self.errors = []
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(n,), daemon=True) for n in range(threads)]

    def _run(self, n):
        while not self.stopping.is_set():
            try:
                self.results.append(self.work(n))
            except Exception as error:      # reported in __exit__
                self.errors.append(error)

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, kind, *exc):
        self.stopping.set()
        for t in self.threads:
            t.join(60 * SLOW)
            assert not t.is_alive(), "a background thread hangs"
        if kind is None and self.errors:
            raise self.errors[0]
