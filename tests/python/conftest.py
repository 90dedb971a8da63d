"""What the tests of the Python package share: small files, a slow web server, an S3 server, the environment."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import package_support as support
import pytest


@pytest.fixture(autouse=True)
def _quiet_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the machine's own settings."""
    support.clean_environment(monkeypatch)


@pytest.fixture
def fastq(tmp_path: pathlib.Path) -> pathlib.Path:
    """Ten thousand reads, in a .gz of several members."""
    path = tmp_path / "reads.fastq.gz"
    support.write_fastq(path, 10_000)
    return path


@pytest.fixture(scope="session")
def s3() -> Iterator[support.S3]:
    """An S3 server with an empty bucket."""
    with support.s3_server() as server:
        yield server


@pytest.fixture
def s3_environment(s3: support.S3, monkeypatch: pytest.MonkeyPatch) -> support.S3:
    """The server's address and keys in the environment, as a worker has them."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    return s3
