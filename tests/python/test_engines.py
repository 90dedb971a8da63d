"""Slices work as they are in the engines that people use."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import pathlib

import package_support as support
import pytest

import meseta

READS = 10_000


@pytest.fixture
def slices(fastq: pathlib.Path) -> list[meseta.Slice]:
    source = meseta.open(fastq)
    source.index(spacing="64Ki")
    return source.slices(8)


def test_multiprocessing(slices: list[meseta.Slice]) -> None:
    with multiprocessing.Pool(2) as pool:
        assert sum(pool.imap(support.count_reads, slices)) == READS


def test_process_pool(slices: list[meseta.Slice]) -> None:
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert sum(pool.map(support.count_reads, slices)) == READS


def test_thread_pool(slices: list[meseta.Slice]) -> None:
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(support.count_reads, slices)) == READS


@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
def test_joblib(slices: list[meseta.Slice], backend: str) -> None:
    joblib = pytest.importorskip("joblib")
    counts = joblib.Parallel(n_jobs=2, backend=backend)(joblib.delayed(support.count_reads)(s) for s in slices)
    assert sum(counts) == READS


@pytest.mark.slow
@pytest.mark.parametrize("scheduler", ["threads", "processes", "synchronous"])
def test_dask_bag(slices: list[meseta.Slice], scheduler: str) -> None:
    bag = pytest.importorskip("dask.bag")
    counts = bag.from_sequence(slices, npartitions=4).map(support.count_reads)
    assert sum(counts.compute(scheduler=scheduler, num_workers=2)) == READS


@pytest.mark.slow
def test_dask_distributed(slices: list[meseta.Slice]) -> None:
    bag = pytest.importorskip("dask.bag")
    distributed = pytest.importorskip("distributed")
    with distributed.Client(n_workers=2, threads_per_worker=2, processes=True, dashboard_address=None) as client:
        counts = bag.from_sequence(slices, npartitions=4).map(support.count_reads)
        assert counts.sum().compute() == READS
        assert sum(client.gather(client.map(support.count_reads, slices))) == READS
