"""The write transactions of a process: everything that waits is committed together (leading.py).

A durable commit costs two waits for the disk, however much is in it: one by one a few hundred a
second, together many thousands. So who leads does all that waits in one transaction, and answers
when it is durable. Payloads are synced before the work joins the line, so those of the next
transaction go to the disk while one is committed; those of somebody alone go to the disk while his
transaction is written, and it is committed after them.

Other processes have writers of their own; LMDB lets one transaction after the other in.
"""

import contextlib
import os
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from storage.errors import StorageError
from storage.leading import Line, Waiting
from storage.lmdb_environment import Environment
from storage.lmdb_transaction import Writing

T = TypeVar("T")

LIGHT_WEIGHT = 8
"""As many contents at most are synced with the transaction open: other processes wait for it."""

BATCH_WEIGHT = 4000
"""About as many contents as are written in one transaction (some 100 ms); one piece of work that
is heavier has a transaction to itself."""


class _Work(Waiting, Generic[T]):
    """A piece of work and, in the end, its answer.

    syncs  its payloads are still to be synced, before it is committed
    """

    def __init__(self, work: Callable[[Writing], T], *, weight: int) -> None:
        super().__init__()
        self.work = work
        self.weight = weight
        self.syncs = False
        self.answer: T | None = None


def _fits(batch: Sequence[_Work[Any]], more: _Work[Any]) -> bool:
    # Were the disk to refuse the sync, those beside it would fail without a reason.
    limit = 0 if batch[0].syncs else BATCH_WEIGHT
    return sum(each.weight for each in batch) + more.weight <= limit


class LmdbWriter:
    """Does work inside write transactions, that of many threads at once.

    before_commit  makes the payloads durable that the work refers to; raises what it raises; many
                   threads may be in it at once
    commits        transactions committed so far
    """

    def __init__(self, environment: Environment, *, before_commit: Callable[[], object]) -> None:
        self.commits = 0
        self._process = os.getpid()
        self._environment = environment
        self._before_commit = before_commit
        self._line: Line[_Work[Any]] = Line("the index", self._commit, fits=_fits)

    def do(self, work: Callable[[Writing], T], *, weight: int = 1, needs_sync: bool = False) -> T:
        """What `work` returns, durable. What it raises: a StorageError before it changed
        anything, or else anything at any time, and then nothing of it remains.

        `work` may be called more than once, each time on another state, and in another thread.
        Raises OutOfSpace.
        """
        if os.getpid() != self._process:
            # LMDB does not come through a fork.
            raise RuntimeError("this index was opened before a fork; open it in the child")
        waiting = _Work(work, weight=weight)
        waiting.syncs = needs_sync and weight <= LIGHT_WEIGHT
        leads = waiting.syncs and self._line.join(waiting, only_to_lead=True)
        if not leads:
            if needs_sync:
                self._before_commit()
            waiting.syncs = False
            leads = self._line.join(waiting)
        if self._line.finish(waiting, leads=leads):
            with contextlib.suppress(Exception):
                self._environment.check_readers()
        if waiting.failure is not None:
            raise waiting.failure
        return waiting.answer  # type: ignore[return-value]

    def close(self) -> None:
        """Returns when what waits is done."""
        self._line.close()

    def _commit(self, batch: Sequence[_Work[Any]]) -> None:
        try:
            self._commit_together(batch)
        except StorageError:
            raise
        except Exception:
            # Somebody's work broke off half done, and the transaction with it: each for himself.
            for waiting in batch:
                try:
                    self._commit_together([waiting])
                except Exception as failure:
                    waiting.failure = failure

    def _commit_together(self, batch: Sequence[_Work[Any]]) -> None:
        def work(transaction: Any) -> None:
            writing = Writing(transaction, self._environment.tables)
            for waiting in batch:
                waiting.failure = None
                try:
                    waiting.answer = waiting.work(writing)
                except StorageError as failure:
                    waiting.failure = failure
            writing.finish()
            if any(waiting.syncs for waiting in batch):
                self._before_commit()

        self._environment.write(work)
        self.commits += 1
