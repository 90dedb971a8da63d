"""Client CPU of the S3 store beside obstore's, against a static server on this machine.

    python bench/stores.py [--build build] [--runs 3]

Large ranges (512 MiB in 8 MiB pieces), objects of 4 KiB, and a listing, all signed. nginx serves where it is
installed, else a server of Python's standard library: what is measured is the client process alone. Needs
bench_store_client, which ninja builds by that name.
"""

from __future__ import annotations

import argparse
import http.server
import json
import pathlib
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

BIG, PART, SMALL, MANY = 512 << 20, 8 << 20, 4000, 20000
AIMS = {"512 MiB in 8 MiB ranges": 3000, "4 KiB objects": 60, "listing, a key": 2.5}

OBSTORE = """
import asyncio, sys, time, obstore
from obstore.store import S3Store
what, endpoint, n, width = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
store = S3Store("bkt", endpoint=endpoint, region="us-east-1", access_key_id="k", secret_access_key="s",
                client_options={"allow_http": True}, virtual_hosted_style_request=False)
async def all_of(jobs, width):
    gate = asyncio.Semaphore(width)
    async def one(job):
        async with gate: return await job()
    await asyncio.gather(*[one(job) for job in jobs])
async def small(i):
    return await (await obstore.get_async(store, "small/%05d" % i)).bytes_async()
begin = time.process_time()
if what == "big":
    part = 8 << 20
    big = lambda o: obstore.get_range_async(store, "big.bin", start=o, end=o + part)
    asyncio.run(all_of([lambda o=o: big(o) for o in range(0, n, part)], width))
elif what == "small": asyncio.run(all_of([lambda i=i: small(i) for i in range(n)], width))
else: assert sum(len(page) for page in obstore.list(store, "many/", chunk_size=1000)) == n
print('{"cpu": %f}' % (time.process_time() - begin))
"""


def make_files(folder: pathlib.Path) -> None:
    """Objects below bkt/, and pages of listings as S3 writes them."""
    dice = random.Random(3)
    (folder / "bkt/small").mkdir(parents=True)
    (folder / "lists").mkdir()
    block = dice.randbytes(1 << 20)
    with (folder / "bkt/big.bin").open("wb") as big:
        for _ in range(BIG >> 20):
            big.write(block)
    for i in range(SMALL):
        (folder / f"bkt/small/{i:05d}").write_bytes(dice.randbytes(4096))
    for page in range(MANY // 1000):
        more = page + 1 < MANY // 1000
        text = (
            '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        )
        text += "<Name>bkt</Name><Prefix>many/</Prefix><KeyCount>1000</KeyCount><MaxKeys>1000</MaxKeys>"
        text += f"<IsTruncated>{str(more).lower()}</IsTruncated>"
        if more:
            text += f"<NextContinuationToken>p{page + 1}</NextContinuationToken>"
        for i in range(page * 1000, page * 1000 + 1000):
            text += f"<Contents><Key>many/{i:05d}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            text += f"<ETag>&quot;{i * 7919 + 1:032x}&quot;</ETag><Size>16</Size>"
            text += "<StorageClass>STANDARD</StorageClass></Contents>"
        (folder / f"lists/{page}.xml").write_text(text + "</ListBucketResult>")


NGINX = """worker_processes 1; pid {d}/pid; error_log {d}/error.log; daemon off;
events {{ worker_connections 256; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 10000000; keepalive_timeout 600s;
  default_type application/octet-stream;
  client_body_temp_path {d}/t; proxy_temp_path {d}/t; fastcgi_temp_path {d}/t;
  uwsgi_temp_path {d}/t; scgi_temp_path {d}/t;
  map $args $page {{ default 0; "~continuation-token=p(?<token>[0-9]+)" $token; }}
  server {{ listen 127.0.0.1:{port}; root {d};
    location = /bkt {{ default_type application/xml; root {d}/lists; try_files /$page.xml =404; types {{ }} }}
    location = /bkt/ {{ default_type application/xml; root {d}/lists; try_files /$page.xml =404; types {{ }} }} }}
}}
"""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder = pathlib.Path()

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if path in ("/bkt", "/bkt/"):
            token = urllib.parse.parse_qs(query).get("continuation-token", ["p0"])[0]
            file = self.folder / f"lists/{token[1:]}.xml"
        else:
            file = self.folder / path[1:]
        size = file.stat().st_size
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        first, last = (int(wanted[1]), min(int(wanted[2]), size - 1)) if wanted else (0, size - 1)
        self.send_response(206 if wanted else 200)
        self.send_header("ETag", f'"{size:x}"')
        self.send_header("Content-Length", str(last - first + 1))
        if wanted:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.end_headers()
        with file.open("rb") as body:
            self.wfile.flush()
            self.connection.sendfile(body, first, last - first + 1)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def serve(folder: pathlib.Path) -> tuple[int, subprocess.Popen[bytes] | None]:
    nginx = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if nginx is None:
        Handler.folder = folder
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server.server_port, None
    port = free_port()
    folder.chmod(0o755)
    (folder / "nginx.conf").write_text(NGINX.format(d=folder, port=port))
    process = subprocess.Popen([nginx, "-c", str(folder / "nginx.conf")], stderr=subprocess.DEVNULL)
    for _ in range(100):
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    return port, process


def cpu_of(command: list[str], endpoint: str) -> float | None:
    env = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "k",
        "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "HOME": "/nonexistent",
        "PATH": "/usr/bin:/bin",
    }
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(f"stores: {pathlib.Path(command[0]).name} {command[-3:]}: {done.stderr[-300:]}", file=sys.stderr)
        return None
    return float(json.loads(done.stdout)["cpu"])


def results(build: str, runs: int) -> list[dict[str, object]]:
    """One entry a case, in the form that bench/run.py prints."""
    client = pathlib.Path(build).resolve() / "tests/store/bench_store_client"
    subprocess.run(["ninja", "-C", build, "tests/store/bench_store_client"], stdout=subprocess.DEVNULL, check=False)
    if not client.exists():
        print(
            "stores: bench_store_client is not built (ninja -C BUILD tests/store/bench_store_client)", file=sys.stderr
        )
        return []
    big, small = "512 MiB in 8 MiB ranges", "4 KiB objects"
    get, head = (
        [str(client), "big", "s3://bkt/big.bin", str(BIG), str(PART)],
        [str(client), "small", "s3://bkt/small/", str(SMALL)],
    )
    cases = [
        (f"{big}, one by one", [*get, "0"], ["big", str(BIG), "1"], BIG, 1, AIMS[big]),
        (f"{big}, 8 at once", [*get, "8"], ["big", str(BIG), "8"], BIG, 1, AIMS[big]),
        (f"{small}, one by one", [*head, "0"], ["small", str(SMALL), "1"], 0, SMALL, AIMS[small]),
        (f"{small}, 32 at once", [*head, "32"], ["small", str(SMALL), "32"], 0, SMALL, AIMS[small]),
        (
            "listing, a key",
            [str(client), "list", "s3://bkt/many/"],
            ["list", str(MANY), "1"],
            0,
            MANY,
            AIMS["listing, a key"],
        ),
    ]
    table: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as name:
        make_files(pathlib.Path(name))
        port, process = serve(pathlib.Path(name))
        endpoint = f"http://127.0.0.1:{port}"
        try:
            for case, command, peer, basis, times, aim in cases:
                least: dict[str, float] = {}
                other = [sys.executable, "-c", OBSTORE, peer[0], endpoint, *peer[1:]]
                for _ in range(runs):
                    for who, line in (("meseta", command), ("obstore", other)):
                        if (seconds := cpu_of(line, endpoint)) is not None:
                            least[who] = min(least.get(who, 1e9), seconds)
                if "meseta" in least:
                    # Figures of single operations are ms in that table.
                    table.append(
                        {
                            "case": f"S3, signed: {case}",
                            "cpu_s": least,
                            "basis": basis,
                            "times": times,
                            "aim": aim if basis else aim / 1000,
                            "peers": ["obstore"],
                            "bounds": [],
                        }
                    )
        finally:
            if process is not None:
                process.terminate()
                process.wait()
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    for line in results(args.build, args.runs):
        times, basis, n = line["cpu_s"], int(str(line["basis"])), int(str(line["times"]))
        assert isinstance(times, dict)
        shown = ", ".join(
            f"{who} {basis / s / 1e6:.0f} MB/s" if basis else f"{who} {s * 1e6 / n:.2f} µs" for who, s in times.items()
        )
        print(f"{line['case']}: {shown}")


if __name__ == "__main__":
    main()
