"""The index on LMDB keeps every promise of the contract."""

from pathlib import Path

from hypothesis import settings

from storage.contract import Index
from storage.lmdb_index import LmdbIndex
from storage.testing.index import IndexContract, index_machine


def open_index(directory: Path) -> LmdbIndex:
    return LmdbIndex(directory / "index", before_commit=lambda: None)


class TestLmdbIndex(IndexContract):
    def open(self, directory: Path) -> Index:
        return open_index(directory)


TestLmdbIndexMachine = index_machine(open_index, reopens=True).TestCase
TestLmdbIndexMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
