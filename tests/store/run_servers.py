"""Runs the conformance suite of stores over real S3 servers.

    python3 run_servers.py EXECUTABLE        exit status 0: passed, 77: nothing could be started, else failed

Starts versitygw and MinIO by the scripts in ../shared/servers (or $MESETA_SHARED/servers) where they are built already,
or can be within MESETA_SERVER_INSTALL_SECONDS for both together (default 240; 0: never built here; what was compiled
by then is kept for the next run). Where neither can run, moto[server] from the Python environment stands in. What ran
and what did not is said."""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = pathlib.Path(os.environ.get("MESETA_SHARED", ROOT.parent / "shared"))
CACHE = pathlib.Path(os.environ.get("MESETA_SERVERS", pathlib.Path.home() / ".cache/meseta-servers"))
PATIENCE = float(os.environ.get("MESETA_SERVER_INSTALL_SECONDS", "240"))
BEGAN = time.monotonic()


def say(text):
    print(f"run_servers: {text}", flush=True)


def installed(script, binary):
    if not script.exists():
        say(f"{binary}: {script} is not there")
        return False
    if (CACHE / "bin" / binary).exists():
        return True
    left = PATIENCE - (time.monotonic() - BEGAN)
    if left <= 0:
        say(f"{binary}: not built (MESETA_SERVER_INSTALL_SECONDS={PATIENCE:g} leaves no time for it)")
        return False
    say(f"{binary}: building, for {left:.0f} s at most")
    build = subprocess.Popen(
        [script, "install"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        done = build.wait(timeout=left) == 0
    except subprocess.TimeoutExpired:
        done = False
        os.killpg(build.pid, signal.SIGTERM)
        build.wait()
    if not done:
        say(f"{binary}: could not be built within {PATIENCE:g} s")
    return done


def clean_environment():
    kept = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("AWS_", "S3_")) and k.lower() not in ("http_proxy", "https_proxy", "all_proxy")
    }
    return dict(kept, AWS_EC2_METADATA_DISABLED="true", HOME=tempfile.gettempdir() + "/nobody")


def run_suite(name, executable, settings):
    env = dict(clean_environment(), **settings, MESETA_TEST_STORE_URL="s3://conformance")
    say(f"over {name}")
    return subprocess.run([executable], env=env, timeout=600).returncode


def over_script(name, script, binary, executable):
    if not installed(script, binary):
        return None
    own = f"meseta-conformance-{os.getpid()}"
    with tempfile.TemporaryDirectory() as data:
        try:
            lines = subprocess.run(
                [script, "start", "--name", own, "--bucket", "conformance", "--data", data],
                check=True,
                timeout=90,
                stdout=subprocess.PIPE,
                text=True,
            ).stdout
        except (subprocess.SubprocessError, OSError) as error:
            say(f"{name}: did not start ({error})")
            return None
        try:
            settings = dict(line.split("=", 1) for line in lines.splitlines() if "=" in line)
            return run_suite(name, executable, {k: v for k, v in settings.items() if k.startswith("AWS_")})
        finally:
            subprocess.run([script, "stop", "--name", own], stdout=subprocess.DEVNULL)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def over_moto(executable):
    for python in (ROOT / ".venv/bin/python", pathlib.Path(sys.executable)):
        if (
            python.exists()
            and subprocess.run([python, "-c", "import moto.server"], stderr=subprocess.DEVNULL).returncode == 0
        ):
            break
    else:
        say("moto: moto[server] is not installed")
        return None
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    server = subprocess.Popen(
        [python, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(urllib.request.Request(url + "/conformance", method="PUT"), timeout=5).read()
                break
            except OSError:
                time.sleep(0.1)
        else:
            say("moto: did not start")
            return None
        return run_suite(
            "moto (standing in: it checks neither signatures nor checksums)",
            executable,
            {
                "AWS_ENDPOINT_URL": url,
                "AWS_ACCESS_KEY_ID": "x",
                "AWS_SECRET_ACCESS_KEY": "x",
                "AWS_REGION": "us-east-1",
                "MESETA_TEST_LAX_CLOSE": "1",
            },
        )
    finally:
        server.kill()
        server.wait()


def main():
    executable = sys.argv[1]
    results = [
        over_script("versitygw", SHARED / "servers/s3.sh", "versitygw", executable),
        over_script("MinIO", SHARED / "servers/s3-strict.sh", "minio", executable),
    ]
    if all(result is None for result in results) or "--moto" in sys.argv:
        results.append(over_moto(executable))
    ran = [result for result in results if result is not None]
    if not ran:
        say("skipped: no server could be started")
        return 77
    return max(1 if result else 0 for result in ran)


if __name__ == "__main__":
    sys.exit(main())
