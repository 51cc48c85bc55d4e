"""Events that need not be in a transaction of their act: written by a thread, many at once.

What a request notes waits in a queue of bounded length and is in the audit a moment later; when the
queue is full because the database is slow, whoever notes something waits, and what cannot be noted
does not happen (AuditUnavailable). `close` writes what is still waiting.

Views come by thousands: the first of a study in a session is an event at once, those after it are
counted, and the count is an event when SUMMARY_S have passed and when the session ends. So are
refusals of one caller for one reason. Each process counts what it has answered.
"""

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from itertools import islice

from dicomweb_server.access.audit import Event, record_all
from dicomweb_server.access.caller import Caller
from dicomweb_server.access.errors import AuditUnavailable
from dicomweb_server.records.database import Database
from dicomweb_server.records.moments import now, rfc3339

log = logging.getLogger(__name__)

QUEUE_EVENTS = 10_000
BATCH_EVENTS = 500
WAIT_S = 30.0
"""How long somebody waits for a place in the queue, and `flush` and `close` for the database."""

LINGER_S = 0.25
"""For which the writer waits for more, unless somebody waits for it: a transaction is an fsync and
a millisecond of the machine, however many events are in it."""

SUMMARY_S = 900.0
COUNTED = 50_000
"""Sessions' studies that are counted at the same time: some 20 MB."""

LOOK_S = 10.0
"""Between two looks for what is to be summarised."""

RETRY_S = 1.0


@dataclass(slots=True)
class _Count:
    caller: Caller
    outcome: str
    since: str
    begun: float
    number: int = 0


Counted = tuple[str, str]
"""Action, subject."""


class Journal:
    """Of one process; any thread may call."""

    def __init__(
        self, records: Database, *, queue_events: int = QUEUE_EVENTS, summary_s: float = SUMMARY_S
    ) -> None:
        self._records = records
        self._queue_events = queue_events
        self._summary_s = summary_s
        self._changed = threading.Condition()
        self._waiting: deque[tuple[Caller, Event]] = deque()
        self._noted = self._written = self._wanted = 0
        self._counts: dict[str, dict[Counted, _Count]] = {}
        self._counted = 0
        self._closing = False
        self._thread: threading.Thread | None = None

    def note(self, caller: Caller, event: Event) -> int:
        """Has an event written soon; returns its place in the queue. Raises AuditUnavailable."""
        timed = event if event.at else replace(event, at=rfc3339(now()))
        with self._changed:
            if not self._changed.wait_for(self._has_room, WAIT_S):
                raise AuditUnavailable(f"{len(self._waiting)} events could not be written")
            self._waiting.append((caller, timed))
            self._noted += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._write, name="audit", daemon=True)
                self._thread.start()
            # The writer is not woken for each event while it lingers.
            if len(self._waiting) == 1 or self._is_hurried():
                self._changed.notify_all()
            return self._noted

    def noted(self, caller: Caller, event: Event) -> bool:
        """Has an event written soon, without waiting: False when there is no room for it."""
        with self._changed:
            if not self._has_room():
                return False
            # Still under the lock, so that the room is not another's by then.
            self.note(caller, event)
            return True

    @property
    def is_at_ease(self) -> bool:
        """Whether half the queue is free: more than is noted until somebody looks again."""
        return 2 * len(self._waiting) < self._queue_events

    def note_now(self, caller: Caller, event: Event) -> None:
        """The same, and the event is written when this returns. Raises AuditUnavailable."""
        self._wait_for(self.note(caller, event))

    def flush(self) -> None:
        """Returns when what has been noted is written. Raises AuditUnavailable."""
        with self._changed:
            noted = self._noted
        self._wait_for(noted)

    def count(self, caller: Caller, action: str, subject: str, outcome: str = "success") -> None:
        """One more of the kind: an event when it is the first, else counted."""
        if self.counted(caller, action, subject):
            return
        with self._changed:
            session = self._counts.setdefault(caller.session_id, {})
            begun = session.get((action, subject))
            if begun is None:
                session[action, subject] = _Count(caller, outcome, rfc3339(now()), time.monotonic())
                self._counted += 1
            else:
                begun.number += 1
        if begun is None:
            self._begin(caller, Event(action, subject, outcome))

    def counted(self, caller: Caller, action: str, subject: str) -> bool:
        """Counts one more without waiting; False when it is the first and has to be noted."""
        with self._changed:
            found = self._counts.get(caller.session_id, _NONE).get((action, subject))
            if found is None:
                return False
            found.number += 1
            return True

    def ended(self, session_id: str) -> None:
        """A session, request or association has ended: what was counted of it is noted. Raises
        AuditUnavailable."""
        with self._changed:
            keys = list(self._counts.get(session_id, _NONE))
        self._summarise(session_id, keys, ending=True)

    def ended_ready(self, session_id: str) -> bool:
        """The same without a wait: False when there is something to note."""
        with self._changed:
            session = self._counts.get(session_id, _NONE)
            if any(found.number for found in session.values()):
                return False
            for key in list(session):
                self._forget(session_id, key)
            return True

    def close(self) -> None:
        """Writes what was counted and what waits; logs what the database does not take in time."""
        with self._changed:
            sessions = list(self._counts)
        try:
            for session_id in sessions:
                self.ended(session_id)
            self.flush()
        except AuditUnavailable as error:
            with self._changed:
                lost = list(self._waiting)
            log.critical("the audit could not be written: %s", error)
            for caller, event in lost:
                log.critical("not in the audit: %s %s", caller, event)
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(WAIT_S)

    # ------------------------------------------------------------------------ counting

    def _begin(self, caller: Caller, event: Event) -> None:
        try:
            self.note(caller, event)
        except AuditUnavailable:
            with self._changed:
                self._forget(caller.session_id, (event.action, event.subject))
            raise
        with self._changed:
            oldest = next(iter(self._counts)) if self._counted > COUNTED else None
        if oldest is not None:
            self.ended(oldest)

    def _summarise(self, session_id: str, keys: list[Counted], *, ending: bool) -> None:
        """Notes the counts of those keys; they are counted on unless they end or are idle."""
        moment = rfc3339(now())
        for key in keys:
            with self._changed:
                found = self._counts.get(session_id, _NONE).get(key)
                if found is None:
                    continue
                number, since = found.number, found.since
                if ending or not number:
                    self._forget(session_id, key)
                found.number, found.since, found.begun = 0, moment, time.monotonic()
            if number:
                detail = {"more": number, "since": since}
                self.note(found.caller, Event(*key, found.outcome, detail))

    def _forget(self, session_id: str, key: Counted) -> None:
        session = self._counts.get(session_id, {})
        if session.pop(key, None) is not None:
            self._counted -= 1
        if not session:
            self._counts.pop(session_id, None)

    # ------------------------------------------------------------------------ the thread

    def _write(self) -> None:
        looked = time.monotonic()
        while True:
            with self._changed:
                self._changed.wait_for(self._has_work, min(self._summary_s / 2, LOOK_S))
                closing, waiting = self._closing, bool(self._waiting)
            if closing and not waiting:
                return
            if waiting and not closing:
                self._linger()
            if time.monotonic() - looked >= min(self._summary_s / 2, LOOK_S):
                looked = time.monotonic()
                self._summarise_due()
            with self._changed:
                batch = list(islice(self._waiting, BATCH_EVENTS))
            if batch and self._has_written(batch):
                with self._changed:
                    for _ in batch:
                        self._waiting.popleft()
                    self._written += len(batch)
                    self._changed.notify_all()

    def _linger(self) -> None:
        with self._changed:
            self._changed.wait_for(self._is_hurried, LINGER_S)

    def _is_hurried(self) -> bool:
        return (
            self._closing
            or self._wanted > self._written
            or len(self._waiting) >= min(BATCH_EVENTS, self._queue_events)
        )

    def _has_work(self) -> bool:
        return bool(self._waiting) or self._closing

    def _has_written(self, batch: list[tuple[Caller, Event]]) -> bool:
        try:
            with self._records.write() as session:
                record_all(session, batch)
        except Exception:
            log.exception("%d events of the audit could not be written; again soon", len(batch))
            with self._changed:
                self._changed.wait_for(lambda: self._closing, RETRY_S)
                return self._closing
        return True

    def _summarise_due(self) -> None:
        due = time.monotonic() - self._summary_s
        with self._changed:
            room = self._queue_events // 2 - len(self._waiting)
            keys = [
                (session_id, key)
                for session_id, session in self._counts.items()
                for key, count in session.items()
                if count.begun <= due
            ]
        # This thread must not wait for itself: what has no room is due a little later.
        for session_id, key in keys[: max(0, room)]:
            self._summarise(session_id, [key], ending=False)

    def _has_room(self) -> bool:
        return len(self._waiting) < self._queue_events

    def _wait_for(self, number: int) -> None:
        with self._changed:
            self._wanted = max(self._wanted, number)
            self._changed.notify_all()
            if not self._changed.wait_for(lambda: self._written >= number, WAIT_S):
                raise AuditUnavailable(f"{len(self._waiting)} events could not be written")


_NONE: dict[Counted, _Count] = {}

REFUSED = "access.refused"
"""Action of an event for what somebody may not do."""
