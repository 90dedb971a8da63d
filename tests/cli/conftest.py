"""What the tests of the command share: where it is, and how it is run."""

from __future__ import annotations

import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Command:
    """Runs meseta as a user would, with an environment that holds nothing of the machine's own."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "MESETA_"))}
        self.env["AWS_EC2_METADATA_DISABLED"] = "true"

    def __call__(self, *args: object, data: bytes | None = None, code: int | None = 0, **env: str) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run([self.path, *map(str, args)], input=data, capture_output=True, env={**self.env, **env}, timeout=120, check=False)
        if code is not None:
            assert done.returncode == code, (args, done.returncode, done.stderr.decode(errors="replace"))
        assert done.returncode >= 0, f"ended by signal {-done.returncode}"
        return done

    def start(self, *args: object, **kwargs: object) -> subprocess.Popen[bytes]:
        return subprocess.Popen([self.path, *map(str, args)], env=self.env, **kwargs)  # type: ignore[call-overload,no-any-return]


@pytest.fixture(scope="session")
def meseta() -> Command:
    path = pathlib.Path(os.environ.get("MESETA_BIN", ROOT / "build" / "meseta"))
    if not path.exists():
        pytest.skip(f"{path} is not built: run make build")
    return Command(path)
