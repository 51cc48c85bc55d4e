"""Importing files, folders and zip archives: the same store as everything else, many at a time.

A file that is stored already is known by its hash and costs nothing more, so an import that was
interrupted is simply run again. What is not DICOM is counted and passed over.
"""

import os
import stat
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from dicomweb_server.access.audit import Event
from dicomweb_server.access.caller import Act
from dicomweb_server.archive.archive import Archive, open_archive
from dicomweb_server.archive.processes import (
    collect_seldom,
    context_with,
    end_with_parent,
    keep_memory,
    leave_interrupts_to_parent,
)
from dicomweb_server.archive.spool import MEMORY_BYTES, Spool
from dicomweb_server.archive.store import Outcome, Received, Refusal, fits_group, refused, store
from dicomweb_server.config import Config
from dicomweb_server.dicom.source import BytesSource, FileSource, Source
from storage.model import Stored

MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"


ALONE_S = 2.0
"""Processes take a second to start: an import begins in this one, and a small one ends there."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file, or the member of a zip archive, that may be DICOM."""

    path: str
    length: int
    member: str | None = None

    @property
    def name(self) -> str:
        return self.path if self.member is None else f"{self.path}!{self.member}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one file that was not stored: its name, why, in a word and a sentence."""

    name: str
    refusal: Refusal
    comment: str


@dataclass(slots=True)
class Summary:
    """What an import came to so far. `stored` counts by `Stored`, `bytes_read` what was looked at,
    `refused` are DICOM files that were not stored."""

    files: int = 0
    bytes_read: int = 0
    seconds: float = 0.0
    stored: Counter[Stored] = field(default_factory=Counter)
    not_dicom: int = 0
    refused: list[Verdict] = field(default_factory=list)

    def add(self, other: "Summary") -> None:
        self.files += other.files
        self.bytes_read += other.bytes_read
        self.stored += other.stored
        self.not_dicom += other.not_dicom
        self.refused += other.refused


def import_files(
    archive: Archive,
    paths: Sequence[Path],
    *,
    processes: int,
    report: Callable[[Summary], None] = lambda summary: None,
) -> Summary:
    """Imports all there is at `paths`, folders with everything below them.

    processes  that store side by side; 1 stores in this process
    report     is called now and then with the summary so far

    Ends early when the disk is full; the summary then says so of the files it met. Raises
    FileNotFoundError for a path that is not there, before anything is stored, and BrokenExecutor
    when a process dies.
    """
    archive.permit(Act.STORE)
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist")
    started = time.monotonic()
    summary = Summary()
    for part in _stored_groups(archive, groups(find(paths)), processes=processes):
        summary.add(part)
        summary.seconds = time.monotonic() - started
        report(summary)
        if any(each.refusal is Refusal.OUT_OF_SPACE for each in part.refused):
            break  # nor would any other file fit
    summary.seconds = time.monotonic() - started
    detail = {outcome.value: count for outcome, count in summary.stored.items()}
    archive.note_now(Event("import", " ".join(map(str, paths)), detail=detail))
    return summary


# ---------------------------------------------------------------------------- what there is


def find(paths: Sequence[Path]) -> Iterator[Found]:
    """Every regular file at or below the paths, in order of name; zip archives by member.

    Links to files are followed, links to folders are not: they may lead in circles.
    """
    for path in paths:
        if not path.is_dir():
            yield from _file(path)
            continue
        for folder, folders, names in os.walk(path):
            folders.sort()
            for name in sorted(names):
                yield from _file(Path(folder, name))


def _file(path: Path) -> Iterator[Found]:
    try:
        status = path.stat()
    except OSError:
        yield Found(str(path), 0)  # opening it will say what is wrong with it
        return
    if not stat.S_ISREG(status.st_mode):
        return
    if path.suffix.lower() == ".zip" and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if not member.is_dir():
                    yield Found(str(path), member.file_size, member.filename)
        return
    yield Found(str(path), status.st_size)


def groups(found: Iterator[Found]) -> Iterator[list[Found]]:
    """Files in batches that are stored together."""
    group: list[Found] = []
    size = 0
    for each in found:
        if group and not fits_group(len(group) + 1, size + each.length):
            yield group
            group, size = [], 0
        group.append(each)
        size += each.length
    if group:
        yield group


# ---------------------------------------------------------------------------- storing it


def _stored_groups(
    archive: Archive, waiting: Iterator[list[Found]], *, processes: int
) -> Iterator[Summary]:
    began = time.monotonic()
    for group in waiting:
        yield store_group(archive, group)
        if processes > 1 and time.monotonic() - began >= ALONE_S:
            break
    else:
        return
    pool = ProcessPoolExecutor(
        processes, mp_context=context_with(__name__), initializer=_open, initargs=(archive.config,)
    )
    try:
        running: set[Future[Summary]] = set()
        for group in waiting:
            running.add(pool.submit(_store_group_here, group))
            # Some ahead of what is being stored, and no more: the folder may have millions.
            if len(running) > 2 * processes:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (each.result() for each in done)
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            yield from (each.result() for each in done)
    finally:
        # Left early, what has not begun is not begun.
        pool.shutdown(cancel_futures=True)


_archive_of_process: list[Archive] = []
"""The archive of a process of the pool: an executor has no other place for what it opened."""


def _open(config: Config) -> None:
    leave_interrupts_to_parent()
    end_with_parent()
    _archive_of_process.append(open_archive(config))
    collect_seldom()
    keep_memory()


def _store_group_here(group: Sequence[Found]) -> Summary:
    return store_group(_archive_of_process[0], group)


def store_group(archive: Archive, group: Sequence[Found]) -> Summary:
    """Stores a batch of files; what cannot be read is refused and hinders no other."""
    archive.permit(Act.STORE)
    summary = Summary()
    with ExitStack() as opened:
        readable: list[Found] = []
        zips: dict[str, zipfile.ZipFile] = {}
        parts: list[Received] = []
        for found in group:
            summary.files += 1
            try:
                parts.append(Received(_source(archive, found, opened, zips), found.name))
                readable.append(found)
            except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
                # RuntimeError: an encrypted member; NotImplementedError: a compression unknown.
                comment = f"cannot be read: {error}"
                summary.refused.append(Verdict(found.name, Refusal.FAILED, comment))
            except Exception as error:
                outcome = refused(error)
                assert outcome.refusal is not None
                summary.refused.append(Verdict(found.name, outcome.refusal, outcome.comment))
        outcomes = store(archive, parts)
        for found, part, outcome in zip(readable, parts, outcomes, strict=True):
            summary.bytes_read += part.source.length
            _count(summary, found, part.source, outcome)
    return summary


def _count(summary: Summary, found: Found, source: Source, outcome: Outcome) -> None:
    if outcome.stored is not None:
        summary.stored[outcome.stored] += 1
    elif outcome.refusal is Refusal.NOT_DICOM or _is_dicomdir(source):
        summary.not_dicom += 1
    else:
        assert outcome.refusal is not None
        summary.refused.append(Verdict(found.name, outcome.refusal, outcome.comment))


def _is_dicomdir(source: Source) -> bool:
    """A DICOMDIR is a Part 10 file but no instance of any study (PS3.10 §8.6)."""
    return MEDIA_STORAGE_DIRECTORY.encode() in source.read_at(0, 512)


def _source(
    archive: Archive, found: Found, opened: ExitStack, zips: dict[str, zipfile.ZipFile]
) -> Source:
    """What a file holds, readable while `opened` is; small ones come into memory at once."""
    if found.member is None:
        file = opened.enter_context(FileSource(Path(found.path)))
        return BytesSource(file.read_at(0, file.length)) if file.length <= MEMORY_BYTES else file
    if found.path not in zips:
        zips[found.path] = opened.enter_context(zipfile.ZipFile(found.path))
    limit = archive.config.max_part_bytes
    spool = opened.enter_context(Spool(archive.storage.incoming, limit_bytes=limit))
    with zips[found.path].open(found.member) as stream:
        while piece := stream.read(2**20):
            spool.write(piece)
    return spool.finish()
