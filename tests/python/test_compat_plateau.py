"""Programs written for plateau run on `meseta.compat.plateau`: same names, same results, files that either reads."""

from __future__ import annotations

import datetime
import importlib
import pathlib
import pkgutil
import subprocess
import sys
from typing import Any

import pytest

pd = pytest.importorskip("pandas")
pytest.importorskip("minimalkv")
pytest.importorskip("simplejson")

import meseta.compat.plateau as ours  # noqa: E402
from meseta.compat.plateau.api.serialization import ParquetSerializer  # noqa: E402
from meseta.compat.plateau.core.factory import DatasetFactory  # noqa: E402
from meseta.compat.plateau.io import eager  # noqa: E402
from meseta.compat.plateau.io.iter import read_dataset_as_dataframes__iterator  # noqa: E402


def sales(day: str, first: int, n: int = 4) -> Any:
    return pd.DataFrame(
        {
            "day": pd.Series([datetime.date.fromisoformat(day)] * n, dtype=object),
            "customer": [f"c{(first + i) % 3}" for i in range(n)],
            "qty": range(first, first + n),
            "price": [0.5 * i for i in range(first, first + n)],
            "at": pd.date_range(day, periods=n, freq="h", unit="ns"),
        }
    )


def plain(frame: Any) -> Any:
    return frame.sort_values("qty").reset_index(drop=True)[sorted(frame.columns)]


@pytest.fixture
def url(tmp_path: pathlib.Path) -> str:
    return f"hfs://{tmp_path}"


@pytest.fixture
def stored(url: str) -> Any:
    return eager.store_dataframes_as_dataset(
        store=url,
        dataset_uuid="sales",
        dfs=[sales("2024-01-01", 0), sales("2024-01-02", 10)],
        partition_on=["day"],
        secondary_indices=["customer"],
        metadata={"owner": "me"},
    )


def test_round_trip(url: str, stored: Any) -> None:
    assert stored.uuid == "sales"
    assert stored.partition_keys == ["day"]
    assert list(stored.indices) == ["customer"]
    table = eager.read_table("sales", url)
    wanted = pd.concat([sales("2024-01-01", 0), sales("2024-01-02", 10)])
    pd.testing.assert_frame_equal(plain(table), plain(wanted), check_dtype=False)
    assert list(table.columns) == ["day", "at", "customer", "price", "qty"]


def test_predicates(url: str, stored: Any) -> None:
    day = datetime.date(2024, 1, 2)
    found = eager.read_table("sales", url, predicates=[[("day", "==", day), ("qty", ">", 11)], [("qty", "==", 0)]])
    assert sorted(found["qty"]) == [0, 12, 13]
    found = eager.read_table("sales", url, predicates=[[("customer", "in", ["c1"])]], columns=["qty", "day"])
    assert list(found.columns) == ["qty", "day"]
    assert sorted(found["qty"]) == [1, 10, 13]
    with pytest.raises(TypeError, match="Unexpected type for predicate"):
        eager.read_table("sales", url, predicates=[[("qty", "==", "1")]])


def test_update_delete_collect(url: str, stored: Any, tmp_path: pathlib.Path) -> None:
    files = set(tmp_path.rglob("*.parquet"))
    eager.update_dataset_from_dataframes(
        [sales("2024-01-03", 20)],
        store=url,
        dataset_uuid="sales",
        delete_scope=[{"day": datetime.date(2024, 1, 1)}],
        metadata={"more": 1},
    )
    table = eager.read_table("sales", url)
    assert sorted(table["qty"]) == [10, 11, 12, 13, 20, 21, 22, 23]
    factory = DatasetFactory("sales", url, load_all_indices=True)
    assert factory.metadata["owner"] == "me"
    assert factory.metadata["more"] == 1
    assert {len(labels) for labels in factory.indices["customer"].index_dct.values()} == {2}
    assert files < set(tmp_path.rglob("*.parquet"))
    eager.garbage_collect_dataset("sales", url)
    assert len(files & set(tmp_path.rglob("*.parquet"))) == 1  # of the day that stayed
    eager.delete_dataset("sales", url)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    with pytest.raises(KeyError, match="does not exist"):
        eager.read_table("sales", url)


def test_refusals(url: str, stored: Any) -> None:
    with pytest.raises(RuntimeError, match="already exists"):
        eager.store_dataframes_as_dataset(store=url, dataset_uuid="sales", dfs=[sales("2024-01-01", 0)])
    with pytest.raises(ValueError, match="illegal character"):
        eager.store_dataframes_as_dataset(store=url, dataset_uuid="sa.les", dfs=[sales("2024-01-01", 0)])
    with pytest.raises(ValueError, match="Schema violation"):
        eager.update_dataset_from_dataframes(
            [sales("2024-01-01", 0).drop(columns="at")], store=url, dataset_uuid="sales"
        )
    with pytest.raises(ValueError, match="Incompatible set of partition keys"):
        eager.update_dataset_from_dataframes(
            [sales("2024-01-01", 0)], store=url, dataset_uuid="sales", partition_on=["qty"]
        )


def test_key_values_that_plateau_misreads(url: str) -> None:
    """Booleans read as what they are."""
    frame = pd.DataFrame({"ok": [True, False], "n": [1, 2]})
    eager.store_dataframes_as_dataset(store=url, dataset_uuid="flags", dfs=[frame], partition_on=["ok"])
    table = eager.read_table("flags", url).sort_values("n")
    assert table["ok"].tolist() == [True, False]


def test_iterator_and_dispatch(url: str, stored: Any) -> None:
    groups = list(read_dataset_as_dataframes__iterator("sales", url, dispatch_by=["customer"]))
    assert [set(group["customer"]) for group in groups] == [{"c0"}, {"c1"}, {"c2"}]
    assert sum(len(group) for group in groups) == 8


def test_delayed(url: str, stored: Any) -> None:
    dask = pytest.importorskip("dask")
    from meseta.compat.plateau.io.dask.delayed import read_dataset_as_delayed, update_dataset_from_delayed

    update = update_dataset_from_delayed([dask.delayed(sales)("2024-01-05", 50)], store=url, dataset_uuid="sales")
    with dask.config.set(scheduler="synchronous"):
        update.compute()
        frames = dask.compute(*read_dataset_as_delayed("sales", url))
    assert sum(len(frame) for frame in frames) == 12


def test_dask_frame(url: str) -> None:
    dask = pytest.importorskip("dask")
    dd = pytest.importorskip("dask.dataframe")
    from meseta.compat.plateau.io.dask.dataframe import read_dataset_as_ddf, store_dataset_from_ddf

    frame = pd.DataFrame({"k": [1, 2, 1, 2, 1, 2], "v": range(6)})
    with dask.config.set(scheduler="synchronous"):
        store_dataset_from_ddf(
            dd.from_pandas(frame, npartitions=3), url, "ddf", partition_on=["k"], shuffle=True, num_buckets=1
        ).compute()
        assert len(eager.read_dataset_as_metapartitions("ddf", url)) == 2  # not one for each of the three
        found = read_dataset_as_ddf("ddf", url).compute()
    assert sorted(found["v"]) == list(range(6))


def test_every_module_is_there() -> None:
    plateau = pytest.importorskip("plateau")
    internal = {"cli", "testing", "_deprecation", "_io_buffer", "compression", "_shuffle"}
    for module in pkgutil.walk_packages(plateau.__path__, "plateau."):
        if internal.isdisjoint(module.name.split(".")):
            importlib.import_module("meseta.compat." + module.name)


def test_public_names() -> None:
    pytest.importorskip("plateau")
    for name in ("api.dataset", "api.serialization", "io.eager", "io.iter", "io.dask.bag", "io.dask.delayed"):
        theirs = importlib.import_module("plateau." + name)
        own = importlib.import_module("meseta.compat.plateau." + name)
        missing = {n for n in getattr(theirs, "__all__", dir(theirs)) if not n.startswith("_")} - set(dir(own))
        assert not {n for n in missing if callable(getattr(theirs, n)) and "plateau" in str(theirs.__dict__[n])}


@pytest.mark.parametrize("writer", ["plateau", "meseta.compat.plateau"])
def test_either_reads_the_other(tmp_path: pathlib.Path, writer: str) -> None:
    pytest.importorskip("plateau")
    reader = {"plateau": "meseta.compat.plateau", "meseta.compat.plateau": "plateau"}[writer]
    write, read = (importlib.import_module(name + ".io.eager") for name in (writer, reader))
    url = f"hfs://{tmp_path}"
    write.store_dataframes_as_dataset(
        store=url,
        dataset_uuid="shared",
        dfs=[sales("2024-01-01", 0), sales("2024-01-02", 10)],
        partition_on=["day"],
        secondary_indices=["customer"],
    )
    read.update_dataset_from_dataframes(
        [sales("2024-01-03", 20)], store=url, dataset_uuid="shared", delete_scope=[{"customer": "c7"}]
    )
    both = [plain(module.read_table("shared", url)) for module in (write, read)]
    pd.testing.assert_frame_equal(*both)
    assert len(both[0]) == 12
    filtered = [
        plain(module.read_table("shared", url, predicates=[[("customer", "==", "c1"), ("qty", ">=", 10)]]))
        for module in (write, read)
    ]
    pd.testing.assert_frame_equal(*filtered)
    read.garbage_collect_dataset("shared", url)
    write.build_dataset_indices(url, "shared", columns=["qty"])
    assert len(read.read_table("shared", url, predicates=[[("qty", "==", 21)]])) == 1


def test_serializer_keeps_types() -> None:
    from meseta.compat.plateau.serialization.testing import get_dataframe_not_nested

    class Store(dict):  # type: ignore[type-arg]
        def put(self, key: str, value: bytes) -> None:
            self[key] = value

        def open(self, key: str) -> Any:
            import io

            return io.BytesIO(self[key])

    store: Any = Store()
    frame = get_dataframe_not_nested(10)
    key = ParquetSerializer(chunk_size=3).store(store, "x", frame)
    pd.testing.assert_frame_equal(
        ParquetSerializer().restore_dataframe(store, key, date_as_object=True), frame, check_dtype=False
    )


def test_import_loads_nothing() -> None:
    program = "import sys, meseta.compat.plateau; print({'pandas', 'pyarrow', 'dask'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "set()"
    assert ours.__version__
