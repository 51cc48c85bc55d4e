"""The write transactions of a process: everything that waits is committed together.

A durable commit costs two waits for the disk, however much is in it: one by one a few hundred a
second, together many thousands. So one thread at a time leads: it does all that waits in one
transaction, and answers when it is durable. What comes meanwhile waits, and the first of those
leads next. Who comes alone commits at once, in his own thread: a thread of the writer's own would
cost him two changes of thread, milliseconds on a busy machine. Payloads are synced before the work
joins the queue, so those of the next transaction go to the disk while one is committed; those of
somebody alone go to the disk while his transaction is written, and it is committed after them.

Other processes have writers of their own; LMDB lets one transaction after the other in.
"""

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from storage.errors import StorageError, Unavailable
from storage.lmdb_environment import Environment
from storage.lmdb_transaction import Writing

T = TypeVar("T")

LIGHT_WEIGHT = 8
"""As many contents at most are synced with the transaction open: other processes wait for it."""

BATCH_WEIGHT = 4000
"""About as many contents as are written in one transaction (some 100 ms); one piece of work that
is heavier has a transaction to itself."""


class _Waiting(Generic[T]):
    """A piece of work and, in the end, its answer; or the request to lead.

    syncs  its payloads are still to be synced, before it is committed
    """

    def __init__(self, work: Callable[[Writing], T], *, weight: int) -> None:
        self.work = work
        self.weight = weight
        self.syncs = False
        self.answer: T | None = None
        self.failure: BaseException | None = None
        self.answered = False
        self._woken = threading.Lock()
        self._woken.acquire()

    def wake(self) -> None:
        self._woken.release()

    def wait(self) -> None:
        self._woken.acquire()


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
        self._queue: deque[_Waiting[Any]] = deque()
        self._led = False
        self._idle = threading.Condition(threading.Lock())
        self._closed = False

    def do(self, work: Callable[[Writing], T], *, weight: int = 1, needs_sync: bool = False) -> T:
        """What `work` returns, durable. What it raises: a StorageError before it changed
        anything, or else anything at any time, and then nothing of it remains.

        `work` may be called more than once, each time on another state, and in another thread.
        Raises OutOfSpace.
        """
        if os.getpid() != self._process:
            # LMDB does not come through a fork.
            raise RuntimeError("this index was opened before a fork; open it in the child")
        waiting = _Waiting(work, weight=weight)
        waiting.syncs = needs_sync and weight <= LIGHT_WEIGHT
        leads = waiting.syncs and self._joins(waiting, only_to_lead=True)
        if not leads:
            if needs_sync:
                self._before_commit()
            waiting.syncs = False
            leads = self._joins(waiting)
        if not leads:
            waiting.wait()
        if not waiting.answered:
            self._lead()
        if waiting.failure is not None:
            raise waiting.failure
        return waiting.answer  # type: ignore[return-value]

    def _joins(self, waiting: _Waiting[Any], *, only_to_lead: bool = False) -> bool:
        """Whether it is the one to lead; else it is in the queue, or not even there when it came
        only to lead."""
        with self._idle:
            if self._closed:
                raise Unavailable("the index is closed", retry_after_s=1.0)
            leads = not self._led
            if leads or not only_to_lead:
                self._queue.append(waiting)
                self._led = True
            return leads

    def close(self) -> None:
        """Returns when what waits is done."""
        with self._idle:
            self._closed = True
            self._idle.wait_for(lambda: not self._led)

    def _lead(self) -> None:
        """Commits the first that wait, the leader's own work among them, and passes the lead on."""
        batch = self._next_batch()
        try:
            self._commit(batch)
        except BaseException as failure:
            for waiting in batch:
                waiting.failure = failure
        finally:
            for waiting in batch:
                waiting.answered = True
            with self._idle:
                following = self._queue[0] if self._queue else None
                self._led = following is not None
                self._idle.notify_all()
            if following is not None:
                following.wake()
            for waiting in batch[1:]:
                waiting.wake()
        with contextlib.suppress(Exception):
            self._environment.check_readers()

    def _next_batch(self) -> list[_Waiting[Any]]:
        with self._idle:
            batch = [self._queue.popleft()]
            weight = batch[0].weight
            # Were the disk to refuse the sync, those beside it would fail without a reason.
            limit = 0 if batch[0].syncs else BATCH_WEIGHT
            while self._queue and weight + self._queue[0].weight <= limit:
                batch.append(self._queue.popleft())
                weight += batch[-1].weight
            return batch

    def _commit(self, batch: Sequence[_Waiting[Any]]) -> None:
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

    def _commit_together(self, batch: Sequence[_Waiting[Any]]) -> None:
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
