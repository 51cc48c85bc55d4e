"""URL -> engine: the only file that names engines.

    /a/directory or lmdb:///a/directory     packs and an LMDB index in one directory
    memory:                                 everything in this process, gone when it ends

A directory is an archive when it holds a file FORMAT; see LAYOUT.md. An engine is imported when it
is opened: nobody needs the libraries of those he does not use.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from storage.contract import BlobStore, Index
from storage.errors import Conflict, Corrupt, FormatVersion

FORMAT_VERSION = 1
PROGRAM = "dicomweb-server"


@dataclass(frozen=True, slots=True)
class Storage:
    """An opened archive's storage.

    incoming  directory for files that are being received, on the disk of the archive
    close     ends the use of all three; `incoming` of a memory archive is removed
    """

    blobs: BlobStore
    index: Index
    incoming: Path
    close: Callable[[], None]


def open_storage(url: str) -> Storage:
    """Opens the storage at `url` and creates it when there is nothing yet.

    Raises FormatVersion for another format's directory, Conflict for a directory of something
    else, Corrupt when its FORMAT file cannot be read, ValueError for an unknown scheme.
    """
    scheme, colon, rest = url.partition(":")
    if not colon or "/" in scheme:
        return _open_directory(url)
    if scheme not in ENGINES:
        raise ValueError(f"{url}: no storage engine is called {scheme}, only {', '.join(ENGINES)}")
    return ENGINES[scheme](rest)


def _open_directory(location: str) -> Storage:
    from storage.lmdb_index import LmdbIndex
    from storage.packs import PackStore

    directory = Path(location.removeprefix("//"))
    directory.mkdir(parents=True, exist_ok=True)
    require_format(directory)
    incoming = directory / "incoming"
    incoming.mkdir(exist_ok=True)
    blobs = PackStore(directory)
    try:
        index = LmdbIndex(directory / "index", before_commit=blobs.sync)
    except BaseException:
        blobs.close()
        raise

    def close() -> None:
        index.close()
        blobs.close()

    return Storage(blobs, index, incoming, close)


def _open_memory(_: str) -> Storage:
    from storage.memory import MemoryBlobStore, MemoryIndex

    incoming = Path(tempfile.mkdtemp(prefix="incoming-"))
    return Storage(
        MemoryBlobStore(),
        MemoryIndex(),
        incoming,
        close=lambda: shutil.rmtree(incoming, ignore_errors=True),
    )


ENGINES: dict[str, Callable[[str], Storage]] = {"lmdb": _open_directory, "memory": _open_memory}


def require_format(directory: Path) -> None:
    """Makes an empty directory an archive of this format; refuses every other kind."""
    file = directory / "FORMAT"
    if not file.exists():
        # A new file system has lost+found; a process that died here leaves its unfinished file.
        strangers = sorted(
            entry.name
            for entry in directory.iterdir()
            if entry.name != "lost+found" and not entry.name.startswith("FORMAT")
        )
        if strangers and not file.exists():
            raise Conflict(
                str(directory),
                f"is not empty ({strangers[0]} ...) and has no FORMAT file, so it is no archive",
            )
        _write_format(file)
    try:
        text = json.loads(file.read_text())
        found, program = int(text["format"]), str(text["program"])
    except (ValueError, KeyError, TypeError) as error:
        raise Corrupt(str(file), f"not the JSON object it must be ({error})") from None
    if program != PROGRAM:
        raise Conflict(str(directory), f"is an archive of {program}, not of {PROGRAM}")
    if found != FORMAT_VERSION:
        raise FormatVersion(str(directory), found=found, expected=FORMAT_VERSION)


def _write_format(file: Path) -> None:
    unfinished = file.with_name(f"FORMAT.{os.getpid()}")
    try:
        with unfinished.open("w") as stream:
            json.dump({"format": FORMAT_VERSION, "program": PROGRAM}, stream)
            stream.write("\n")
            stream.flush()
            os.fsync(stream.fileno())
        unfinished.rename(file)
    finally:
        with suppress(FileNotFoundError):
            unfinished.unlink()
    descriptor = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
