"""The measuring programs, each run for some seconds and read into a number."""

import os
import re
import shlex
import statistics
import subprocess
import tempfile
import time


def run(command, env=None, stdin=None, check=True, timeout=600):
    done = subprocess.run(command, env={**os.environ, **(env or {})}, input=stdin, text=True, capture_output=True, timeout=timeout, check=False,
                          stdin=None if stdin is not None else subprocess.DEVNULL)
    if check and done.returncode != 0:
        raise SystemExit(f"{shlex.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


class Load:
    """What wrk says: requests a second, p50 and p99 in ms, and how many answers were not 2xx or 3xx."""

    def __init__(self, text):
        number = {"us": 1e-3, "ms": 1, "s": 1e3, "m": 6e4}

        def latency(p):
            m = re.search(rf"^\s+{p}%\s+([\d.]+)(us|ms|s|m)\s*$", text, re.M)
            if m is None:
                raise SystemExit(f"wrk measured nothing:\n{text}")
            return float(m.group(1)) * number[m.group(2)]
        self.rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1))
        self.p50, self.p99 = latency(50), latency(99)
        self.errors = sum(int(n) for n in re.findall(r"Non-2xx or 3xx responses: (\d+)", text))
        m = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
        self.errors += sum(int(n) for n in m.groups()) if m else 0


def wrk_command(url, seconds, connections, headers=(), requests=None, method="POST"):
    """The command line and environment; requests: lines (path, token, body) sent round robin."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "10s"]
    for h in headers:
        command += ["-H", h]
    env = {}
    if requests is not None:
        handle, name = tempfile.mkstemp(prefix="coach-bench.")
        with os.fdopen(handle, "w", encoding="utf-8") as f:
            f.writelines(f"{path}\t{token}\t{body}\n" for path, token, body in requests)
        command += ["-s", os.path.join(os.path.dirname(os.path.abspath(__file__)), "post.lua")]
        env = {"BENCH_FILE": name, "BENCH_METHOD": method}
    return command + [url], env


def wrk(url, seconds, connections=64, headers=(), requests=None, method="POST"):
    command, env = wrk_command(url, seconds, connections, headers, requests, method)
    try:
        return Load(run(command, env))
    finally:
        if env:
            os.unlink(env["BENCH_FILE"])


class Wrk:
    """wrk in the background."""

    def __init__(self, *args, **kwargs):
        command, self.env = wrk_command(*args, **kwargs)
        self.process = subprocess.Popen(command, env={**os.environ, **self.env}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)

    def finish(self):
        """Waits for its end; its figures do not matter."""
        self.process.communicate(timeout=120)
        if self.env:
            os.unlink(self.env["BENCH_FILE"])


def pgbench(instance, seconds, clients, script=None, per=1, dbname="coach", user="postgres", options=()):
    """Statements a second; script: the text of a pgbench script of `per` statements."""
    command = [os.path.join(instance.bin, "pgbench"), "-h", instance.run, "-U", user, "-n", "-T", str(seconds), "-c", str(clients),
               "-j", str(min(clients, 2)), *options]
    name = None
    if script is not None:
        handle, name = tempfile.mkstemp(prefix="coach-bench.")
        os.write(handle, script.encode())
        os.close(handle)
        command += ["-f", name]
    try:
        text = run(command + [dbname])
    finally:
        if name:
            os.unlink(name)
    return float(re.search(r"tps = ([\d.]+)", text).group(1)) * per


def redis_benchmark(instance, seconds, pipeline):
    n = 100000 * seconds if pipeline > 1 else 30000 * seconds
    text = run(["redis-benchmark", "-s", os.path.join(instance.run, "redis.sock"), "-t", "get", "-n", str(n), "-c", "50", "-d", "1024",
                "-P", str(pipeline), "--csv"])
    return float(re.search(r'^"GET","([\d.]+)"', text, re.M).group(1))


class Nginx:
    """nginx with one file to serve, on a port of its own."""

    def __init__(self, port, body, headers, cores):
        self.folder = tempfile.mkdtemp(prefix="coach-nginx.")
        os.chmod(self.folder, 0o755)
        with open(os.path.join(self.folder, "body"), "wb") as f:
            f.write(body)
        lines = "".join(f'add_header {k} "{v}";\n' for k, v in headers.items())
        with open(os.path.join(self.folder, "nginx.conf"), "w", encoding="utf-8") as f:
            f.write(f"""worker_processes {cores};
daemon off;
pid {self.folder}/pid;
error_log {self.folder}/error.log;
events {{ worker_connections 2048; }}
http {{
    access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; etag off;
    open_file_cache max=100; default_type application/json;
    client_body_temp_path {self.folder}; proxy_temp_path {self.folder}; fastcgi_temp_path {self.folder};
    uwsgi_temp_path {self.folder}; scgi_temp_path {self.folder};
    server {{ listen 127.0.0.1:{port} reuseport; root {self.folder}; {lines} }}
}}
""")
        self.url = f"http://127.0.0.1:{port}/body"
        self.process = subprocess.Popen(["nginx", "-c", os.path.join(self.folder, "nginx.conf"), "-e", os.path.join(self.folder, "error.log")],
                                        stdin=subprocess.DEVNULL)
        time.sleep(0.5)

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        run(["rm", "-rf", self.folder])


def median(values):
    return statistics.median(values)
