"""The one writer of a process: everything that waits is committed together.

A durable commit costs a wait for the disk, however much is in it: one by one a few hundred a
second, together many thousands. So all threads hand their work to one thread, which syncs the
payloads, does all that waits in one transaction, and answers when it is durable. Other processes
have writers of their own; LMDB lets one transaction after the other in.
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

BATCH_WEIGHT = 4000
"""About as many contents as are written in one transaction (some 100 ms); one piece of work that
is heavier has a transaction to itself."""


class _Waiting(Generic[T]):
    """A piece of work and, in the end, its answer."""

    def __init__(self, work: Callable[[Writing], T], *, weight: int, needs_sync: bool) -> None:
        self.work = work
        self.weight = weight
        self.needs_sync = needs_sync
        self.answer: T | None = None
        self.failure: BaseException | None = None
        self._answered = threading.Lock()
        self._answered.acquire()

    def done(self) -> None:
        self._answered.release()

    def wait(self) -> None:
        self._answered.acquire()


class LmdbWriter:
    """Does work inside write transactions, that of many threads at once.

    before_commit  makes the payloads durable that the work refers to; raises what it raises
    commits        transactions committed so far
    """

    def __init__(self, environment: Environment, *, before_commit: Callable[[], object]) -> None:
        self.commits = 0
        self._process = os.getpid()
        self._environment = environment
        self._before_commit = before_commit
        self._queue: deque[_Waiting[Any]] = deque()
        self._arrived = threading.Condition(threading.Lock())
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="lmdb-writer", daemon=True)
        self._thread.start()

    def do(self, work: Callable[[Writing], T], *, weight: int = 1, needs_sync: bool = False) -> T:
        """What `work` returns, durable. What it raises: a StorageError before it changed
        anything, or else anything at any time, and then nothing of it remains.

        `work` may be called more than once, each time on another state. Raises OutOfSpace.
        """
        if os.getpid() != self._process:
            # Neither LMDB nor the writer's thread comes through a fork.
            raise RuntimeError("this index was opened before a fork; open it in the child")
        waiting = _Waiting(work, weight=weight, needs_sync=needs_sync)
        with self._arrived:
            if self._closed:
                raise Unavailable("the index is closed", retry_after_s=1.0)
            self._queue.append(waiting)
            self._arrived.notify()
        waiting.wait()
        if waiting.failure is not None:
            raise waiting.failure
        return waiting.answer  # type: ignore[return-value]

    def close(self) -> None:
        """Finishes what waits, and ends."""
        with self._arrived:
            self._closed = True
            self._arrived.notify()
        self._thread.join()

    def _run(self) -> None:
        while batch := self._next_batch():
            try:
                self._commit(batch)
            except BaseException as failure:
                for waiting in batch:
                    waiting.failure = failure
            for waiting in batch:
                waiting.done()
            with contextlib.suppress(Exception):
                self._environment.check_readers()

    def _next_batch(self) -> list[_Waiting[Any]]:
        with self._arrived:
            while not self._queue and not self._closed:
                self._arrived.wait()
            batch: list[_Waiting[Any]] = []
            weight = 0
            while self._queue and (not batch or weight + self._queue[0].weight <= BATCH_WEIGHT):
                waiting = self._queue.popleft()
                weight += waiting.weight
                batch.append(waiting)
            return batch

    def _commit(self, batch: Sequence[_Waiting[Any]]) -> None:
        ready = [waiting for waiting in batch if not waiting.needs_sync]
        landed = [waiting for waiting in batch if waiting.needs_sync]
        if landed:
            try:
                self._before_commit()
                ready = list(batch)
            except Exception as failure:
                for waiting in landed:
                    waiting.failure = failure
        if not ready:
            return
        try:
            self._commit_together(ready)
        except StorageError:
            raise
        except Exception:
            # Somebody's work broke off half done, and the transaction with it: each for himself.
            for waiting in ready:
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

        self._environment.write(work)
        self.commits += 1
