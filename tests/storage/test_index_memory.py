"""The index in memory keeps every promise of the contract."""

from pathlib import Path

from hypothesis import settings

from storage.contract import Index
from storage.memory import MemoryIndex
from storage.testing.index import IndexContract, index_machine


class TestMemoryIndex(IndexContract):
    def open(self, directory: Path) -> Index:
        return MemoryIndex()


TestMemoryIndexMachine = index_machine(lambda _: MemoryIndex(), reopens=False).TestCase
TestMemoryIndexMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
