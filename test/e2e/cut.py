"""A wire between coachd and Redis that a test can cut."""

import os
import socket
import threading


class Cut:
    """Forwards a unix socket to another one.

    pass:    as if it was not there
    refuse:  connections are closed, new ones too
    swallow: what clients send is taken and thrown away; they learn nothing

    hold(text) keeps back whatever a client sends from that text on, until release().
    """

    def __init__(self, path, target):
        self.path, self.target = path, target
        self.mode = "pass"
        self.text = None
        self.held = threading.Event()       # something is being kept back
        self.free = threading.Event()
        self.free.set()
        self.lock = threading.Lock()
        self.pairs = set()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        os.chmod(path, 0o777)
        self.listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def set(self, mode):
        with self.lock:
            self.mode = mode
            if mode == "refuse":
                self._close_all()

    def hold(self, text):
        self.free.clear()
        self.held.clear()
        self.text = text

    def release(self):
        self.text = None
        self.free.set()

    def _close_all(self):
        for pair in self.pairs:
            for s in pair:
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        self.pairs.clear()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            try:
                with self.lock:
                    if self.mode == "refuse":
                        raise OSError("cut")
                    server.connect(self.target)
                    self.pairs.add((client, server))
            except OSError:
                client.close()
                server.close()
                continue
            for a, b, to_server in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._pump, args=(a, b, to_server), daemon=True).start()

    def _pump(self, source, sink, to_server):
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                if to_server and self.mode == "swallow":
                    continue
                if to_server and self.text is not None and self.text in data:
                    self.held.set()
                    self.free.wait()
                sink.sendall(data)
        except OSError:
            pass
        for s in (source, sink):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.release()
        self.listener.close()
        with self.lock:
            self._close_all()
        os.unlink(self.path)
