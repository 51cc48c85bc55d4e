"""`LmdbIndex.check` names whatever is not as it should be."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storage.lmdb_environment import Tables, Transaction
from storage.lmdb_index import LmdbIndex
from storage.lmdb_records import lookup_key
from storage.model import ConflictPolicy
from storage.testing.facts import MODALITIES, NAME, STUDY_DATE, digest_of, landed
from storage.testing.index import KEY, apply, differences
from tests.storage.index_worker import open_index


@pytest.fixture
def index(tmp_path: Path) -> Iterator[LmdbIndex]:
    """A manifest with something gone from it, a row, an earlier version, two studies."""
    index = open_index(tmp_path)
    said = {NAME: "zhang^wei", STUDY_DATE: "20200101"}
    apply(
        index,
        *(landed(f"1.2.3.{n}", number=n, study_terms=said) for n in range(3)),
        landed("7.1", study="7", series="7.0", rollup={MODALITIES: ("CT",)}),
    )
    index.compact(KEY)
    apply(index, landed("1.2.3.1", dataset="other"), conflict=ConflictPolicy.KEEP_BOTH)
    assert differences(index) == []
    yield index
    index.close()


def drop_first(table: str) -> Callable[[Transaction, Tables], object]:
    def drop(transaction: Transaction, tables: Tables) -> None:
        with transaction.cursor(db=getattr(tables, table)) as cursor:
            assert cursor.first()
            cursor.delete()

    return drop


@pytest.mark.parametrize(
    "table",
    [
        "studies",
        "ranks",
        "study_documents",
        "names",
        "name_numbers",
        "series",
        "series_documents",
        "instances",
        "rows",
        "manifests",
        "levels",
        "metadata",
        "gone",
        "versions",
        "contents",
        "packs",
        "unsettled",
        "postings",
        "grams",
        "changes",
    ],
)
def test_a_record_that_is_lost_is_noticed(index: LmdbIndex, table: str) -> None:
    drop = drop_first(table)
    index._environment.write(lambda transaction: drop(transaction, index._tables))
    assert differences(index)


def put(table: str, key: bytes, record: bytes) -> Callable[[Transaction, Tables], object]:
    return lambda transaction, tables: transaction.put(key, record, db=getattr(tables, table))


@pytest.mark.parametrize(
    "stray",
    [
        put("instances", lookup_key("9.9"), b"\0" * 6),
        put("rows", b"\0" * 6 + lookup_key("9.9"), b""),
        put("manifests", b"\0" * 6, b""),
        put("gone", b"\0" * 6, b""),
        put("versions", lookup_key("9.9") + b"\0" * 9, b""),
        put("postings", b"Iother", b"\0" * 16),
        put("postings", b"Nother", b"\0" * 16),
        put("grams", b"abc", b"\0" * 4),
        put("about", b"instances", b"99"),
        put("about", b"form 1", b"1"),
        put("unsettled", b"\0" * 22, b'["1","1"]'),
        put("packs", b"\0" * 8, b"\0" * 17),
    ],
)
def test_a_record_that_belongs_to_nothing_is_noticed(
    index: LmdbIndex, stray: Callable[[Transaction, Tables], object]
) -> None:
    index._environment.write(lambda transaction: stray(transaction, index._tables))
    assert differences(index)


def test_a_wrong_count_of_references_is_named(index: LmdbIndex) -> None:
    digest = digest_of("frame")

    def raise_count(transaction: Transaction) -> None:
        record = transaction.get(digest, db=index._tables.contents)
        assert record
        transaction.put(digest, b"\0\0\0\x09" + record[4:], db=index._tables.contents)

    index._environment.write(raise_count)
    assert differences(index) == [f"content {digest.hex()}: references is 9 on record, 5 in fact"]
