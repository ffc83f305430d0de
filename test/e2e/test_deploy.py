"""The files in deploy/ are accepted by the programs they are for; only paths are put in place."""

import glob
import os
import shutil
import subprocess

import pytest

from instance import TOP, wait_until

DEPLOY = os.path.join(TOP, "deploy")


def program(name):
    path = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def run(*command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


def copy(name, folder, **words):
    """A copy with some words replaced."""
    with open(os.path.join(DEPLOY, name), encoding="utf-8") as f:
        text = f.read()
    for old, new in words.items():
        assert old in text, old
        text = text.replace(old, new)
    path = os.path.join(folder, os.path.basename(name))
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def test_systemd_units(tmp_path):
    analyze = program("systemd-analyze")
    units = []
    for unit in glob.glob(os.path.join(DEPLOY, "systemd/*")):
        name = os.path.relpath(unit, DEPLOY)
        units.append(copy(name, tmp_path, **({"/usr/local/bin/coachd": "/bin/true"} if name.endswith("coachd.service") else {})))
    assert len(units) >= 6
    said = run(analyze, "verify", "--man=no", *units)          # of the machine's own units too
    assert "coach" not in said, said


def test_nginx(tmp_path):
    nginx = program("nginx")
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=coach.example.test",
        "-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem"))
    site = copy("nginx.conf", tmp_path, **{"/etc/ssl/coach/fullchain.pem": str(tmp_path / "cert.pem"),
                                           "/etc/ssl/coach/privkey.pem": str(tmp_path / "key.pem")})
    whole = tmp_path / "whole.conf"
    whole.write_text(f"pid {tmp_path}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{ access_log off; include {site}; }}\n")
    assert "warn" not in run(nginx, "-t", "-c", str(whole))


@pytest.mark.parametrize("name", ["redis-cache", "redis-session"])
def test_redis(tmp_path, name):
    socket = f"/tmp/{name}.{os.getpid()}.sock"
    path = copy(name + ".conf", tmp_path, **{f"/run/{name}/redis.sock": socket})
    process = subprocess.Popen(["redis-server", path], cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: process.poll() is None and os.path.exists(socket), what="Redis to listen")
        assert run("redis-cli", "-s", socket, "config", "get", "maxmemory-policy").split()[1] in ("allkeys-lfu", "noeviction")
    finally:
        process.terminate()
        process.wait(20)


def test_pgbouncer(instance):
    folder = f"/tmp/coach-deploy.{os.getpid()}"
    os.makedirs(folder)
    os.chmod(folder, 0o777)
    users = os.path.join(folder, "users.txt")
    with open(users, "w", encoding="ascii") as f:
        f.write('"sc_app" "x"\n')
    path = copy("pgbouncer.ini", folder, **{"/run/pgbouncer": folder, "/etc/pgbouncer/userlist.txt": users})
    log = os.path.join(folder, "log")
    with open(log, "wb") as f:
        process = subprocess.Popen(instance.as_owner([program("pgbouncer"), path]), cwd="/", stdin=subprocess.DEVNULL, stdout=f, stderr=f)
    try:
        wait_until(lambda: process.poll() is None and os.path.exists(os.path.join(folder, ".s.PGSQL.6432")), what="PgBouncer to listen")
        with open(log, encoding="utf-8") as f:
            said = f.read()
        assert "WARN" not in said and "ERROR" not in said, said
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder)


def test_settings_of_coachd(instance):
    with open(os.path.join(DEPLOY, "coachd.env"), encoding="utf-8") as f:
        settings = dict(line.strip().split("=", 1) for line in f if line.strip() and not line.startswith("#"))
    done = subprocess.run([os.path.join(instance.var, "bin/coachd"), "--check"], text=True, timeout=20, check=False, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, env={"PATH": os.environ["PATH"], "COACH_DB_URL": "dbname=coach user=sc_app", **settings})
    assert done.returncode == 0, done.stdout
