"""Four thousand idle clients cost little memory."""

import os
import resource
import socket

import pytest

CLIENTS = 4000
LIMIT = 16 * 1024


def resident(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("Rss:"))


def test_idle_connections_are_cheap(instance):
    if os.environ.get("SANITIZE"):
        pytest.skip("sanitizers keep shadow memory")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2 * CLIENTS + 500:
        pytest.skip(f"only {hard} open files allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, CLIENTS + 500), hard))
    clients = []
    try:
        with instance.coachd(COACH_CONNECTIONS=CLIENTS + 200, COACH_IDLE_TIMEOUT_S=120) as server:
            def talk(s):
                s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                assert s.recv(4096).startswith(b"HTTP/1.1 200")
            for _ in range(100):        # warm: what is allocated once is not counted
                with socket.create_connection(("127.0.0.1", server.port)) as s:
                    talk(s)
            before = resident(server.pid)
            for _ in range(CLIENTS):
                clients.append(socket.create_connection(("127.0.0.1", server.port)))
                talk(clients[-1])
            used = (resident(server.pid) - before) / CLIENTS
            for s in clients[::500]:    # still served
                talk(s)
            assert used <= LIMIT, f"{used:.0f} bytes a connection"
            for s in clients:
                s.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
