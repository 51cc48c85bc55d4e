"""What another process does to an index in tests; apart, so that it starts quickly."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

from storage.lmdb_index import LmdbIndex
from storage.model import ConflictPolicy, SeriesKey, Stored
from storage.testing.facts import landed

PROCESSES = multiprocessing.get_context("spawn")


def open_index(
    directory: Path,
    *,
    before_commit: Callable[[], object] = lambda: None,
    map_bytes: int = 1 << 30,
) -> LmdbIndex:
    return LmdbIndex(directory / "index", before_commit=before_commit, map_bytes=map_bytes)


def write(directory: Path, worker: int, count: int, map_bytes: int, answers: Path) -> None:
    """Stores instances one by one, notes each that was acknowledged, and compacts now and then."""
    index = open_index(directory, map_bytes=map_bytes)
    with answers.open("ab", buffering=0) as noted:
        for n in range(count):
            uid = f"1.{worker}.{n}"
            one = landed(uid, series=f"1.{worker}", number=n, frames=("shared", uid))
            if index.apply([one], conflict=ConflictPolicy.REFUSE)[0].outcome is Stored.NEW:
                noted.write(f"{uid}\n".encode())
            if n % 50 == 49:
                index.compact(SeriesKey("1.2", f"1.{worker}"))
    index.close()


def start(target: Callable[..., None], *arguments: object) -> BaseProcess:
    process = PROCESSES.Process(target=target, args=arguments)
    process.start()
    return process
