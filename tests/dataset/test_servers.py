#!/usr/bin/env python3
"""Datasets on a real server: many processes at once, and replies that are lost after the server has acted.

Run by tests/store/run_servers.py, which starts servers and names the store by MESETA_TEST_STORE_URL; MESETA_TEST_WORKER is worker.c.
"""

import os
import socket
import subprocess
import sys
import threading
import urllib.parse

import test_writers

WORKER = os.environ["MESETA_TEST_WORKER"]
STORE = os.environ["MESETA_TEST_STORE_URL"]


class LosingProxy:
    """Hands requests on to the server, and closes the connection instead of handing back the reply to the n-th PUT of a main file."""

    def __init__(self, upstream, lose_at):
        self.upstream, self.lose_at = upstream, lose_at
        self.seen, self.lost, self.guard = 0, 0, threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def due(self, data):
        line = data.split(b"\r\n", 1)[0]
        if not line.startswith(b"PUT ") or b"by-dataset-metadata" not in line or b"probe" in line:
            return False
        with self.guard:
            self.seen += 1
            return self.seen == self.lose_at

    def serve(self, client):
        server = socket.create_connection(self.upstream)
        doomed = threading.Event()

        def forth():
            try:
                while data := client.recv(1 << 16):
                    if self.due(data):
                        doomed.set()
                    server.sendall(data)
            except OSError:
                pass

        threading.Thread(target=forth, daemon=True).start()
        try:
            while data := server.recv(1 << 16):
                if doomed.is_set() and not data.startswith(b"HTTP/1.1 100"):
                    self.lost += 1
                    break
                client.sendall(data)
        except OSError:
            pass
        for s in (client, server):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()

    def close(self):
        self.listener.close()


def run(env, url, *command):
    done = subprocess.run([WORKER, url, *command], capture_output=True, text=True, timeout=120, env={**os.environ, **env})
    assert done.returncode == 0, (command, done.returncode, done.stderr)
    return done.stdout


def check_lost_replies():
    url = STORE + "/lost"
    at = urllib.parse.urlsplit(os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ["AWS_ENDPOINT_URL"])
    commands = [["create", "v"], ["append", "100", "3"], ["delete", "k in (1, 5)"], ["upsert", "100", "2"], ["metadata", '{"a": 1}']]
    for version, command in enumerate(commands, 1):
        proxy = LosingProxy((at.hostname, at.port), 1)
        endpoint = f"http://127.0.0.1:{proxy.port}"
        run({"AWS_ENDPOINT_URL": endpoint, "AWS_ENDPOINT_URL_S3": endpoint}, url, *command)
        proxy.close()
        assert proxy.lost == 1, command
        assert proxy.seen == 1, (command, "written again")
        found = run({}, url, "dump").splitlines()
        assert found[0] == f"version {version}", (command, found[0])
    keys = [int(line.split()[0]) for line in found[1:]]
    assert keys == [0, 2, 3, 4, 6, 7, 8, 100, 101, 102], keys
    run({}, url, "drop")
    print("a lost reply ends as success, once:", ", ".join(c[0] for c in commands))


def main():
    test_writers.check(WORKER, STORE + "/sales", 16, 4)
    check_lost_replies()


if __name__ == "__main__":
    sys.exit(main())
