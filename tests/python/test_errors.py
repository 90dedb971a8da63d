"""Exceptions: their classes, their attributes, and that they travel between processes."""

from __future__ import annotations

import builtins
import copy
import errno
import pathlib
import pickle

import package_support as support
import pytest

import meseta

BUILT_IN = {
    "ArgumentError": (ValueError,),
    "CancelledError": (),
    "ChangedError": (),
    "ConflictError": (),
    "CorruptError": (ValueError,),
    "DeniedError": (PermissionError,),
    "ExistsError": (FileExistsError,),
    "InternalError": (),
    "LimitError": (MemoryError,),
    "NotFoundError": (FileNotFoundError, KeyError),
    "TimeoutError": (builtins.TimeoutError,),
    "TransportError": (OSError,),
    "UnsupportedError": (NotImplementedError,),
}


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_classes_and_pickles(name: str) -> None:
    kind = getattr(meseta, name)
    assert issubclass(kind, meseta.Error)
    assert all(issubclass(kind, base) for base in BUILT_IN[name])
    assert kind.__module__.startswith("meseta")
    error = kind("what happened to s3://bucket/key")
    error.key, error.offset, error.request_id, error.retryable = "s3://bucket/key", 12, "R1", True
    for again in (
        pickle.loads(pickle.dumps(error)),
        copy.copy(error),
        *(pickle.loads(pickle.dumps(error, p)) for p in range(6)),
    ):
        assert type(again) is kind
        assert support.describe_error(again) == support.describe_error(error)
        assert str(again) == "what happened to s3://bucket/key"


def test_every_status_has_a_class() -> None:
    from meseta import _meseta, errors

    for row in _meseta.describe("errors"):
        if row["status"] != 0:
            assert errors._BY_STATUS[row["status"]].__module__ == "meseta.errors"
    assert set(BUILT_IN) | {"Error"} == set(errors.__all__)


def test_attributes_of_a_real_error(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "absent.fa"
    with pytest.raises(FileNotFoundError) as caught:
        meseta.open(path)
    error = caught.value
    assert isinstance(error, meseta.NotFoundError)
    assert error.errno == errno.ENOENT
    assert error.key is not None
    assert error.key.endswith("absent.fa")
    assert not error.retryable
    again = pickle.loads(pickle.dumps(error))
    assert again.errno == errno.ENOENT
    assert support.describe_error(again) == support.describe_error(error)


def test_offset_of_damage(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.fastq"
    text = support.fastq_text(100)
    path.write_bytes(text + b"@bad\nACGT\n+\nII\n")
    with pytest.raises(meseta.CorruptError) as caught:
        meseta.open(path).index()
    assert caught.value.offset is not None
    assert abs(caught.value.offset - len(text)) < 20
    assert "x.fastq" in str(caught.value)


def test_http_errors(tmp_path: pathlib.Path) -> None:
    with support.SlowServer(b"a\n", "/x.txt") as server:
        with pytest.raises(meseta.NotFoundError) as caught:
            meseta.open(server.url.replace("x.txt", "y.txt"))
        assert caught.value.http_status == 404
        url = server.url
    with pytest.raises(meseta.TransportError):
        meseta.open(url, storage_options={"max_attempts": 1})
