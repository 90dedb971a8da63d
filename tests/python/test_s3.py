"""The whole way on S3: open, index, slices, pickles in workers, credentials that go nowhere else."""

from __future__ import annotations

import gzip
import json
import multiprocessing
import pickle

import package_support as support
import pytest

import meseta

pytestmark = pytest.mark.s3
pytest.importorskip("boto3", reason="boto3 (comes with moto) puts the test objects")

READS = 20_000
TEXT = support.fastq_text(READS)


@pytest.fixture(scope="module")
def url(s3: support.S3) -> str:
    print(f"S3 server: {s3.kind}")
    half = len(TEXT) // 2
    return s3.put("runs/möhre + 1/reads.fastq.gz", gzip.compress(TEXT[:half], 5) + gzip.compress(TEXT[half:], 5))


def test_with_the_environment(url: str, s3_environment: support.S3) -> None:
    source = meseta.open(url)
    assert source.format == "fastq"
    assert source.index(force=True, spacing="128Ki")["records"] == READS
    slices = source.slices(7)
    assert b"".join(s.read() for s in slices) == TEXT
    assert s3_environment.get("runs/möhre + 1/reads.fastq.gz.meseta")[:4] == b"PAR1"
    assert meseta.open(url).index()["done"] == "fresh"


def test_with_storage_options(url: str, s3: support.S3) -> None:
    source = meseta.open(url, storage_options=s3.options)
    source.index(spacing="128Ki")
    piece = source.slices(3)[1]
    assert piece.read() in TEXT
    spelled = {
        "aws_access_key_id": s3.options["key"],
        "aws_secret_access_key": s3.options["secret"],
        "aws_region": "us-east-1",
        "aws_endpoint": s3.options["client_kwargs"]["endpoint_url"],
        "allow_http": True,
    }
    assert meseta.open(url, storage_options=spelled).slices(3)[1].read() == piece.read()
    assert meseta.Slice.from_json(piece.to_json(), storage_options=s3.options).read() == piece.read()


def test_slices_hold_no_credential(url: str, s3: support.S3) -> None:
    source = meseta.open(url, storage_options=s3.options)
    source.index(spacing="128Ki")
    texts = [
        source.slices(2)[0].to_json().encode(),
        pickle.dumps(source),
        repr(source).encode(),
        json.dumps(source.show()).encode(),
    ]
    texts.append(s3.get("runs/möhre + 1/reads.fastq.gz.meseta"))
    secret = s3.options["secret"].encode()
    if s3.kind == "moto":
        return  # its keys are words that occur everywhere
    assert not [text for text in texts if secret in text or s3.options["key"].encode() in text]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_find_their_own_credentials(url: str, s3_environment: support.S3, method: str) -> None:
    source = meseta.open(url)
    source.index(spacing="128Ki")
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert sum(pool.imap(support.count_reads, source.slices(6))) == READS


def test_no_credential_goes_to_an_endpoint_that_only_a_slice_names(
    url: str, s3: support.S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker with keys, but with no word on the endpoint: the server sees no signed request."""
    source = meseta.open(url, storage_options=s3.options)
    source.index(spacing="128Ki")
    text = source.slices(2)[0].to_json()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3.options["key"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.options["secret"])
    with support.SlowServer(b"", "/") as spy:
        seen: list[str] = []
        handler = spy.RequestHandlerClass
        before = handler.parse_request  # type: ignore[attr-defined]

        def parse(self: object) -> bool:
            good: bool = before(self)
            seen.append(str(self.headers))  # type: ignore[attr-defined]
            return good

        monkeypatch.setattr(handler, "parse_request", parse)
        hostile = text.replace(s3.options["client_kwargs"]["endpoint_url"], f"http://127.0.0.1:{spy.server_port}")
        assert hostile != text
        with pytest.raises(meseta.Error):
            meseta.Slice.from_json(hostile).read()
    assert not [head for head in seen if "authorization" in head.lower() or s3.options["key"] in head]


def test_changed_object(s3_environment: support.S3) -> None:
    url = s3_environment.put("changing.txt", b"one\ntwo\nthree\n" * 1000)
    source = meseta.open(url)
    source.index()
    piece = source.slices(2)[1]
    s3_environment.put("changing.txt", b"ONE\nTWO\nTHREE\n" * 1000)
    with pytest.raises(meseta.ChangedError, match=r"changing\.txt"):
        piece.read()
    with pytest.raises(meseta.ChangedError):
        meseta.open(url).slices(2)
    with pytest.raises(meseta.ChangedError):
        list(piece.arrow())


def test_errors_name_the_object(s3_environment: support.S3, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(meseta.NotFoundError, match=r"absent\.fa") as caught:
        meseta.open(f"s3://{s3_environment.bucket}/absent.fa")
    assert caught.value.http_status == 404
    with pytest.raises(meseta.Error):
        meseta.open("s3://no-such-bucket-anywhere/x.fa")
    if s3_environment.kind == "moto":
        return  # checks no keys
    s3_environment.put("there.fa", b">a\nA\n")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(meseta.DeniedError) as denied:
        meseta.open(f"s3://{s3_environment.bucket}/there.fa")
    assert isinstance(denied.value, PermissionError)
    assert "wrong" not in str(denied.value)


def test_glob_and_joblib(s3_environment: support.S3) -> None:
    joblib = pytest.importorskip("joblib")
    joblib.externals.loky.get_reusable_executor().shutdown()  # workers of earlier tests know nothing of this server
    for name in ("b", "a"):
        s3_environment.put(f"many/{name}.fastq", support.fastq_text(3000))
    sources = meseta.glob(f"s3://{s3_environment.bucket}/many/*.fastq")
    assert [source.url.rsplit("/", 1)[1] for source in sources] == ["a.fastq", "b.fastq"]
    for source in sources:
        report = source.index(force=True, parallel={"backend": "loky", "n_jobs": 2}, chunk_size="100k", spacing="64Ki")
        assert report["records"] == 3000
    one = s3_environment.get("many/a.fastq.meseta")
    sources[0].index(force=True, spacing="64Ki")
    assert s3_environment.get("many/a.fastq.meseta") == one
    counts = joblib.Parallel(n_jobs=2)(
        joblib.delayed(support.count_reads)(s) for source in sources for s in source.slices(3)
    )
    assert sum(counts) == 6000
