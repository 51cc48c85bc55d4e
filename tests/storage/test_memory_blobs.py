"""The blob store in memory keeps every promise of the contract."""

from pathlib import Path

from storage.contract import BlobStore
from storage.memory import MemoryBlobStore
from storage.testing.blobs import BlobStoreContract


class TestMemoryBlobStore(BlobStoreContract):
    def open(self, directory: Path) -> BlobStore:
        return MemoryBlobStore()
