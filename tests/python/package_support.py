"""What tests share and other processes must be able to import: workers' functions, servers, small files."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import hashlib
import http.server
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request
import zlib
from collections.abc import Iterator
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = pathlib.Path(os.environ.get("MESETA_SHARED", ROOT.parent / "shared"))
CUTS = (1, 2, 3, 7, 50)


def clean_environment(monkeypatch: Any) -> None:
    for name in list(os.environ):
        if (name.startswith(("AWS_", "MESETA_")) and name != "MESETA_SHARED") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)


# ---- files -----------------------------------------------------------------------------------------------------------


def fastq_text(reads: int, seed: int = 1) -> bytes:
    """Reads of varying length whose qualities hold '@' and '+', from a small generator of our own."""
    state, out = seed, []
    for i in range(reads):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        n = 40 + (state >> 33) % 60
        bases = "".join("ACGT"[(state >> s) & 3] for s in range(0, 60, 2)) * 4
        quality = "".join(chr(33 + (state >> s) % 40) for s in range(0, 50, 2)) * 4
        out.append(f"@read{i} lane={i % 7}\n{bases[:n]}\n+\n{quality[:n]}\n")
    return "".join(out).encode()


def write_fastq(path: pathlib.Path, reads: int) -> bytes:
    text = fastq_text(reads)
    half = len(text) // 2
    path.write_bytes(gzip.compress(text[:half], 5) + gzip.compress(text[half:], 5))
    return text


# ---- what workers do -------------------------------------------------------------------------------------------------


def bgzf(data: bytes, block: int = 60_000) -> bytes:
    """Blocks of BGZF, with the end block."""
    out = []
    for part in [data[i : i + block] for i in range(0, len(data), block)] + [b""]:
        packer = zlib.compressobj(6, zlib.DEFLATED, -15)
        packed = packer.compress(part) + packer.flush()
        head = struct.pack("<4BI2BH2BHH", 31, 139, 8, 4, 0, 0, 255, 6, 66, 67, 2, len(packed) + 25)
        out.append(head + packed + struct.pack("<II", zlib.crc32(part), len(part)))
    return b"".join(out)


def read(piece: Any) -> bytes:
    data: bytes = piece.read()
    return data


def digest(piece: Any) -> tuple[int, str]:
    """The process that read it, and a digest of what it read."""
    return os.getpid(), hashlib.sha256(piece.read()).hexdigest()


def count_reads(piece: Any) -> int:
    """FASTQ reads, by a parser that knows nothing of slices."""
    lines = piece.read().split(b"\n")
    assert lines.pop() == b""
    assert len(lines) % 4 == 0
    for i in range(0, len(lines), 4):
        assert lines[i][:1] == b"@"
        assert lines[i + 2][:1] == b"+"
        assert len(lines[i + 1]) == len(lines[i + 3])
    return len(lines) // 4


def describe_error(error: BaseException) -> dict[str, Any]:
    return {"type": type(error).__name__, "text": str(error), **error.__dict__}


# ---- a web server that is slow on purpose ----------------------------------------------------------------------------


class _SlowHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: SlowServer

    def log_message(self, *args: Any) -> None:
        pass

    def _head(self) -> tuple[int, int]:
        size, wanted = len(self.server.data), self.headers.get("Range")
        begin, end = 0, size
        if wanted:
            match = re.fullmatch(r"bytes=(\d*)-(\d*)", wanted)
            assert match
            if match[1]:
                begin, end = int(match[1]), min(size, int(match[2]) + 1 if match[2] else size)
            else:
                begin = max(0, size - int(match[2]))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{size}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(end - begin))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", '"fixed"')
        self.end_headers()
        return begin, end

    def do_HEAD(self) -> None:
        if self._known():
            self._head()

    def _known(self) -> bool:
        if self.path.split("?")[0] == self.server.path and not self.server.stopped.is_set():
            return True
        self.close_connection = self.server.stopped.is_set()
        if not self.close_connection:
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
        return False

    def do_GET(self) -> None:
        if not self._known():
            return
        begin, end = self._head()
        at = begin
        try:
            while at < end and not self.server.stopped.is_set():
                n = min(self.server.chunk, end - at)
                self.wfile.write(self.server.data[at : at + n])
                self.wfile.flush()
                self.server.sent += n
                at += n
                if at > self.server.fast:
                    self.server.stopped.wait(self.server.pause)
        except OSError:
            self.close_connection = True
        if at < end:
            self.close_connection = True


class SlowServer(http.server.ThreadingHTTPServer):
    """Serves one object: its first `fast` bytes at once, the rest in chunks with a pause behind each."""

    daemon_threads = True

    def __init__(self, data: bytes, path: str, fast: int = 0, chunk: int = 4096, pause: float = 0.05) -> None:
        super().__init__(("127.0.0.1", 0), _SlowHandler)
        self.data, self.path, self.fast, self.chunk, self.pause = data, path, fast, chunk, pause
        self.sent = 0
        self.stopped = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}{self.path}"

    def __enter__(self) -> SlowServer:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stopped.set()
        self.shutdown()
        self.server_close()


# ---- an S3 server ----------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class S3:
    kind: str
    bucket: str
    environment: dict[str, str]

    @property
    def options(self) -> dict[str, Any]:
        """The same as storage options, in fsspec's spelling."""
        return {
            "key": self.environment["AWS_ACCESS_KEY_ID"],
            "secret": self.environment["AWS_SECRET_ACCESS_KEY"],
            "client_kwargs": {"endpoint_url": self.environment["AWS_ENDPOINT_URL_S3"], "region_name": "us-east-1"},
        }

    def put(self, key: str, data: bytes) -> str:
        """Puts an object by a client that is not ours; its URL."""
        import boto3  # comes with moto

        client = boto3.client(
            "s3",
            endpoint_url=self.environment["AWS_ENDPOINT_URL_S3"],
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
            region_name="us-east-1",
        )
        client.put_object(Bucket=self.bucket, Key=key, Body=data)
        return f"s3://{self.bucket}/{key}"

    def get(self, key: str) -> bytes:
        import boto3

        client = boto3.client(
            "s3",
            endpoint_url=self.environment["AWS_ENDPOINT_URL_S3"],
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
            region_name="us-east-1",
        )
        data: bytes = client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return data


def _versitygw() -> bool:
    cache = pathlib.Path(os.environ.get("MESETA_SERVERS", pathlib.Path.home() / ".cache/meseta-servers"))
    return (cache / "bin" / "versitygw").exists() and (SHARED / "servers" / "s3.sh").exists()


@contextlib.contextmanager
def s3_server() -> Iterator[S3]:
    """versitygw where it is installed, else moto, which says so."""
    if _versitygw():
        script, name = SHARED / "servers" / "s3.sh", f"python-{os.getpid()}"
        done = subprocess.run(
            [script, "start", "--name", name, "--bucket", "python"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode == 0:
            said = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
            try:
                yield S3(
                    "versitygw",
                    "python",
                    _s3_environment(said["S3_ENDPOINT"], said["AWS_ACCESS_KEY_ID"], said["AWS_SECRET_ACCESS_KEY"]),
                )
            finally:
                subprocess.run([script, "stop", "--name", name], capture_output=True, timeout=60, check=False)
            return
        print(f"versitygw did not start: {done.stderr.strip()}", file=sys.stderr)
    with _moto() as server:
        yield server


def _s3_environment(endpoint: str, key: str, secret: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL_S3": endpoint,
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_REGION": "us-east-1",
    }


@contextlib.contextmanager
def _moto() -> Iterator[S3]:
    print(
        "S3 tests run against moto, a stand-in that checks no signatures: versitygw is not installed", file=sys.stderr
    )
    command = shutil.which("moto_server") or pathlib.Path(sys.executable).parent / "moto_server"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [command, "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    endpoint = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(endpoint, timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        urllib.request.urlopen(urllib.request.Request(f"{endpoint}/python", method="PUT"), timeout=10).close()
        yield S3("moto", "python", _s3_environment(endpoint, "testing", "testing"))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)
