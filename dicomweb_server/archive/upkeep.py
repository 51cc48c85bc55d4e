"""Upkeep: what has landed is compressed, what was deleted is given back, and all is verified; the
index is in memory when searches come.

The work is storage's (settle, compaction, verify); here it gets the codecs of DICOM, its settings,
and a loop that runs beside a server.
"""

import logging
import time
from collections.abc import Callable

from dicomweb_server.access.caller import Act
from dicomweb_server.archive.archive import Archive
from dicomweb_server.dicom.codecs import decode_payload, encode_content
from storage.compaction import CompactionReport, compact_packs, never
from storage.rewriting import remove_dead_packs
from storage.settle import SettleReport
from storage.settle import settle as settle_storage
from storage.verify import VerifyReport, nowhere
from storage.verify import verify as verify_storage

logger = logging.getLogger(__name__)

IDLE_S = 1.0
"""Between two looks for something to settle."""

AFTER_FAILURE_S = 60.0
"""Before the next try."""

COMPACT_EVERY_S = 600.0
"""Between two looks for packs that are mostly dead."""


def settle(
    archive: Archive, *, quiet_s: float = 0.0, stop: Callable[[], bool] = never
) -> SettleReport:
    """Compresses every series that has been quiet for `quiet_s` seconds, until `stop` says so."""
    archive.permit(Act.OPERATE)
    return settle_storage(
        archive.storage,
        encode_content,
        decode_payload,
        quiet_s=quiet_s,
        stop=stop,
        threads=archive.config.settle_threads,
    )


def compact(archive: Archive, *, stop: Callable[[], bool] = never) -> CompactionReport:
    """Gives back the space of what was deleted."""
    archive.permit(Act.OPERATE)
    return compact_packs(archive.storage, stop=stop)


def verify(
    archive: Archive,
    *,
    full: bool,
    sweep: bool,
    report: Callable[[str], None],
    progress: Callable[[int, int], None] = nowhere,
) -> VerifyReport:
    """Checks every invariant of storage/LAYOUT.md.

    full      also hashes every content and rebuilds every file's SHA-256
    sweep     removes what a crash left behind
    report    is told each fault as a sentence
    progress  is told how many instances of how many are done, while `full`
    """
    archive.permit(Act.OPERATE)
    return verify_storage(
        archive.storage,
        full=full,
        sweep=sweep,
        decode=decode_payload,
        report=report,
        progress=progress,
    )


def warm(archive: Archive, *, stop: Callable[[], bool]) -> None:
    """Reads the index into memory beside a server that has just started: without it the first
    searches among a million studies take tenths of a second."""
    archive.permit(Act.OPERATE)
    began = time.monotonic()
    try:
        read = archive.storage.index.warm(stop)
    except OSError:
        # Searches find out themselves what they cannot read.
        logger.exception("the index was not read into memory")
        return
    taken = time.monotonic() - began
    logger.info("%.1f MB of the index read into memory in %.1f s", read / 1e6, taken)


def give_back(archive: Archive) -> None:
    """Lets go of this process's landing pack when nothing in it is needed any more.

    Another process settles what this one received, but only the one that writes a pack can end
    it: every process that stores calls this now and then.
    """
    archive.permit(Act.OPERATE)
    remove_dead_packs(archive.storage, idle_s=0)


def keep_up(archive: Archive, *, stop: Callable[[], bool]) -> None:
    """Settles and compacts beside a server until `stop` says so; outlives every failure."""
    archive.permit(Act.OPERATE)
    compact_at = time.monotonic() + COMPACT_EVERY_S
    while not stop():
        try:
            settle(archive, quiet_s=archive.config.settle_after_s, stop=stop)
            if time.monotonic() >= compact_at and not stop():
                compact(archive, stop=stop)
                compact_at = time.monotonic() + COMPACT_EVERY_S
        except Exception:
            # Whatever it was (a full disk, a damaged pack), what is stored is served all the
            # same, and the next round may succeed.
            logger.exception("settling failed; it goes on in a minute")
            _wait(AFTER_FAILURE_S, stop)
        _wait(IDLE_S, stop)


def _wait(seconds: float, stop: Callable[[], bool]) -> None:
    end = time.monotonic() + seconds
    while not stop() and (left := end - time.monotonic()) > 0:
        time.sleep(min(left, 0.2))
