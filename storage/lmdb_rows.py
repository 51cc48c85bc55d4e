"""Rows of studies that were made before: a worklist shows the same studies over and over, and
taking a study's records apart costs four times what seeing costs that they have not changed."""

import threading
from dataclasses import dataclass

from storage.lmdb_environment import Tables, Transaction
from storage.model import StudyRow

KEPT_BYTES = 16 << 20
"""Of documents and what comes with them: some 10,000 studies."""

_ENTRY_BYTES = 800
"""About what a row weighs without its document."""


@dataclass(slots=True)
class _Kept:
    """key and record are the study's in the table of studies; `revisions` there were by then.

    moment  the last at which the row was seen to be right
    """

    key: bytes
    record: bytes
    revisions: int
    row: StudyRow
    moment: int


class StudyRows:
    """Of one process; any thread may call. A row is right while the record of the study's state is
    what it was, to the byte, and nothing was revised: what is stored or deleted gives a study a
    version no study ever had, but reindexing changes what it says and no version with it."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._rows: dict[bytes, _Kept] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, transaction: Transaction, rank: bytes, *, revisions: int) -> StudyRow | None:
        """The row of the study of that rank, as of the transaction, which knows of so many
        revisions; None when it has to be made."""
        kept = self._rows.get(rank)
        if kept is None:
            return None
        moment = transaction.id()
        if kept.moment != moment:
            if kept.revisions != revisions:
                return None
            if transaction.get(kept.key, db=self._tables.studies) != kept.record:
                return None
            kept.moment = moment
        return kept.row

    def keep(
        self,
        transaction: Transaction,
        rank: bytes,
        key: bytes,
        record: bytes,
        row: StudyRow,
        *,
        revisions: int,
    ) -> None:
        with self._lock:
            if self._bytes > KEPT_BYTES:
                self._rows = {}
                self._bytes = 0
            self._bytes += _ENTRY_BYTES + len(row.document)
            self._rows[rank] = _Kept(key, record, revisions, row, transaction.id())
