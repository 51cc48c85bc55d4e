"""What the bridge does by itself: forwarding by rule, completing exams that have gone quiet,
telling peers what is available, fetching what was asked for, reporting storage commitment.

The change feed drives it: however an instance arrived, its change is read once, and where reading
has come to is kept in the transaction that queues what follows from it. So a process that dies
between any two steps does nothing twice that matters and forgets nothing.
"""

import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

from dicomweb_server.archive import changes as feed
from dicomweb_server.archive import commitments, orders, transfers
from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.desk import Desk, set_mark
from dicomweb_server.archive.search import accession_of, search
from dicomweb_server.archive.transfers import Transfer, Turns
from dicomweb_server.dicom.errors import DicomError
from dicomweb_server.dicom.matching import ParsedQuery
from dicomweb_server.dimse import availability, commands, commitment, outgoing, pull, status
from dicomweb_server.dimse.errors import DimseError, NotFetched, PeerAway
from dicomweb_server.dimse.find import text_of
from dicomweb_server.dimse.peers import Peer
from dicomweb_server.dimse.requestor import associate
from dicomweb_server.dimse.session import Bridge
from storage.errors import NotFound, StorageError
from storage.model import Change, ChangeKind, Instance, Query, QueryLevel

logger = logging.getLogger(__name__)

EVERY_S = 0.5
"""How often the change feed and the queue are looked at."""

MARK = "jobs"
PAUSE_S = 5.0
"""How long a peer that cannot be reached is left alone, at first; doubled up to LONGEST_PAUSE_S."""
LONGEST_PAUSE_S = 300.0
ASKED_AGAIN_S = 3600.0
"""A peer that was asked for storage commitment and has not answered is asked again."""


class Jobs:
    """Threads of one process: one reads the feed, one for each peer with something to do."""

    def __init__(self, bridge: Bridge, stop: threading.Event) -> None:
        self._archive: Archive = bridge.archive
        self._desk: Desk = bridge.desk
        self._peers = bridge.terms.peers
        self._stop = stop
        self._workers: dict[str, threading.Thread] = {}

    def run(self) -> None:
        """Until `stop` is set. An error of one round is logged; the next one tries again."""
        self._begin_at_end()
        forgotten = time.monotonic()
        while True:
            for job in (self.read_changes, self.complete, self.start_workers):
                try:
                    job()
                except Exception:
                    logger.exception("%s failed; it is tried again", job.__name__)
            if time.monotonic() - forgotten > 3600:
                transfers.forget_old(self._desk)
                forgotten = time.monotonic()
            if self._stop.wait(EVERY_S):
                break
        for worker in self._workers.values():
            worker.join(timeout=5)

    def _begin_at_end(self) -> None:
        """What was stored before there was a desk is not forwarded: rules are for what arrives."""
        if self._desk.read("SELECT 1 FROM marks WHERE name = ?", MARK):
            return
        after = 0
        while page := feed.changes(self._archive, after=after):
            after = page[-1].sequence
        with self._desk.write() as connection:
            set_mark(connection, MARK, after)

    # ------------------------------------------------------------------------ what has arrived

    def read_changes(self) -> None:
        """Reads on in the change feed, to its end as it is now: what comes meanwhile is for the
        next round, or each instance of a series that arrives would be a transaction of the desk."""
        while page := feed.changes(self._archive, after=self._desk.mark(MARK)):
            self._take(page)
            if len(page) < feed.MOST:
                return

    def _take(self, page: Sequence[Change]) -> None:
        now = time.time_ns() // 1000
        arrived = [
            change for change in page if change.kind in (ChangeKind.STORED, ChangeKind.REPLACED)
        ]
        # None of a series that was deleted since.
        facts = {
            series: facts
            for series in {(change.study_uid, change.series_uid) for change in arrived}
            if (facts := self._facts(*series)) is not None
        }
        arrived = [change for change in arrived if (change.study_uid, change.series_uid) in facts]
        # Who sent it is asked for only where it matters: instances come by the hundred a second.
        callers = self._callers(arrived) if self._peers.rules else {}
        with self._desk.write() as connection:
            urgent: dict[str, bool] = {}
            for study_uid in {change.study_uid for change in arrived}:
                accession = next(f.accession for (s, _), f in facts.items() if s == study_uid)
                order = orders.begin(connection, study_uid=study_uid, accession=accession)
                urgent[study_uid] = order is not None and order.wish["priority"] in (
                    "stat",
                    "urgent",
                )
                connection.execute(
                    "INSERT INTO arrivals VALUES (?, ?, ?, 0) ON CONFLICT (study_uid) "
                    "DO UPDATE SET last_us = excluded.last_us, done = 0",
                    (study_uid, now, now),
                )
            for change in arrived:
                calling = callers.get(change.sequence)
                if calling is None:
                    continue
                series = facts[change.study_uid, change.series_uid]
                for rule in self._peers.rules:
                    if rule.to != calling and rule.applies(
                        calling=calling, modality=series.modality, body_part=series.body_part
                    ):
                        transfers.add(
                            connection,
                            kind=transfers.SEND,
                            peer=rule.to,
                            study_uid=change.study_uid,
                            series_uid=change.series_uid,
                            instance_uid=change.instance_uid,
                            urgent=rule.priority == "urgent" or urgent[change.study_uid],
                            wish={"commit": rule.commit},
                        )
            set_mark(connection, MARK, page[-1].sequence)

    def _callers(self, arrived: Sequence[Change]) -> dict[int, str]:
        """The AE titles that the instances came from, by the change's number; those that were
        deleted since are left out."""
        found = {}
        for change in arrived:
            instance = self._archive.storage.index.instance(change.instance_uid)
            if instance is not None:
                found[change.sequence] = instance.source.partition("@")[0]
        return found

    def _facts(self, study_uid: str, series_uid: str) -> "_Facts | None":
        found = search(
            self._archive,
            ParsedQuery(
                Query(QueryLevel.SERIES, study_uid=study_uid, series_uid=series_uid, limit=1),
                include=frozenset({"00080060", "00180015", "00080050"}),
            ),
        ).items
        if not found:
            return None
        return _Facts(*(text_of(found[0], key) for key in ("00080060", "00180015", "00080050")))

    def complete(self) -> None:
        """Studies that have gone quiet: their exam is over, and peers hear that they are there."""
        quiet_us = int(self._archive.config.dimse_complete_after_s * 1e6)
        rows = self._desk.read(
            "SELECT study_uid FROM arrivals WHERE done = 0 AND last_us <= ?",
            time.time_ns() // 1000 - quiet_us,
        )
        told = [peer.aet for peer in self._peers.by_title.values() if peer.availability]
        for row in rows:
            accession = accession_of(self._archive, row["study_uid"])
            with self._desk.write() as connection:
                orders.end_unless_performing(
                    connection, study_uid=row["study_uid"], accession=accession, by="quiet"
                )
                connection.execute(
                    "UPDATE arrivals SET done = 1 WHERE study_uid = ?", (row["study_uid"],)
                )
                for peer in told:
                    transfers.add(
                        connection,
                        kind=transfers.NOTIFY,
                        peer=peer,
                        study_uid=row["study_uid"],
                        urgent=True,
                    )

    def report(self) -> None:
        """Reports of storage commitment over associations of our own."""
        for each in commitments.due(self._desk):
            peer = self._peers.to(each.peer)
            try:
                if peer is None:
                    raise PeerAway(f"{each.peer} is no peer with host and port")
                commitment.report_anew(self._archive, self._desk, peer, each)
            except DimseError as error:
                logger.warning("storage commitment to %s: %s", each.peer, error)
                commitments.later(self._desk, each, str(error))

    # ------------------------------------------------------------------------ what is queued

    def start_workers(self) -> None:
        """A thread for each peer with something due that has none, one for storage commitment:
        a peer that does not answer keeps nobody else waiting."""
        for title in transfers.busy_peers(self._desk):
            self._start(f"transfers {title}", partial(self._work, title))
        self._start("commitment", self._commit)

    def _start(self, name: str, work: Callable[[], None]) -> None:
        worker = self._workers.get(name)
        if worker is None or not worker.is_alive():
            worker = threading.Thread(target=work, name=name, daemon=True)
            self._workers[name] = worker
            worker.start()

    def _work(self, title: str) -> None:
        """Does what is due for a peer, batch by batch, until nothing is."""
        turns = Turns()
        pause_s = PAUSE_S
        while not self._stop.is_set() and (batch := turns.next(self._desk, title)):
            try:
                self._do(title, batch)
                pause_s = PAUSE_S
            except PeerAway as error:
                # It is away: everything for it waits, and nothing of it counts as tried.
                logger.warning("%s: %s", title, error)
                transfers.waits(self._desk, batch, str(error))
                turns = Turns()
                self._stop.wait(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _do(self, title: str, batch: Sequence[Transfer]) -> None:
        """A batch: what is sent together, what is fetched or told one by one. Raises PeerAway,
        after which nothing of it is to be tried now."""
        peer = self._peers.to(title)
        if peer is None:
            raise PeerAway(f"{title} is no peer with host and port")
        sends = [each for each in batch if each.kind == transfers.SEND]
        for part in (sends, *([each] for each in batch if each.kind != transfers.SEND)):
            if not part:
                continue
            try:
                if part is sends:
                    self._send(peer, part)
                elif part[0].kind == transfers.PULL:
                    self._pull(peer, part[0])
                else:
                    self._notify(peer, part[0])
            except PeerAway:
                raise
            except Exception as error:
                self._failed(title, part, error)

    def _failed(self, title: str, part: Sequence[Transfer], error: Exception) -> None:
        """What counts as tried, because of the exception that is being handled."""
        if isinstance(error, DimseError | DicomError | StorageError):
            logger.warning("%s: %s", title, error)
            transfers.failed(self._desk, part, str(error))
        else:
            logger.exception("a transfer to %s failed", title)
            transfers.failed(self._desk, part, f"{type(error).__name__}: {error}")

    def _commit(self) -> None:
        """Reports what was asked of us, and asks for what we have sent."""
        try:
            self.report()
            self._ask_for_commitment()
        except Exception:
            logger.exception("storage commitment failed; it is tried again")

    def _send(self, peer: Peer, batch: Sequence[Transfer]) -> None:
        found: list[tuple[Transfer, Instance]] = []
        for each in batch:
            instance = self._archive.storage.index.instance(each.instance_uid)
            if instance is None:
                transfers.gave_up(self._desk, each, "it has been deleted meanwhile")
            else:
                found.append((each, instance))
        for wanted, count in outgoing.proposals([one for _, one in found], peer):
            part, found = found[:count], found[count:]
            association = associate(self._archive, peer, wanted)
            answered = 0
            sent: list[Transfer] = []
            try:
                answers = outgoing.send_all(
                    self._archive,
                    association,
                    [instance for _, instance in part],
                    preferred=peer.transfer_syntaxes,
                    priority=commands.HIGH if batch[0].urgent else commands.MEDIUM,
                )
                for answer in answers:
                    each, _ = part[answered]
                    if answer.status is None:
                        transfers.failed(self._desk, [each], answer.comment)
                    elif status.is_failure(answer.status):
                        reason = f"answered {answer.status:04X} {answer.comment}"
                        transfers.failed(self._desk, [each], reason)
                    else:
                        sent.append(each)
                    answered += 1
            except Exception as error:
                # It broke at this one, which is tried again later; those after it go on without.
                self._failed(peer.aet, [part[answered][0]], error)
            finally:
                # What was acknowledged is done, whatever happens to the rest.
                if sent:
                    transfers.succeeded(self._desk, sent)
                if association.sending:
                    association.abort()
                else:
                    association.release()

    def _pull(self, peer: Peer, transfer: Transfer) -> None:
        studies = [transfer.study_uid] if transfer.study_uid else []
        if not studies:
            studies = [
                orders.first(one, pull.STUDY)
                for one in pull.find(
                    self._archive, peer, "STUDY", transfer.query, returned=("StudyInstanceUID",)
                )
            ]
        done = pull.Pulled()
        broke: Exception | None = None
        for study_uid in studies:
            try:
                part = pull.pull(
                    self._archive,
                    self._desk,
                    peer,
                    study_uid=study_uid,
                    series_uid=transfer.series_uid,
                    instance_uid=transfer.instance_uid,
                    by_move=bool(transfer.wish.get("by_move")),
                )
            except PeerAway:
                raise
            except (DimseError, DicomError) as error:
                # The other studies are fetched all the same.
                logger.warning("%s: study %s: %s", peer.aet, study_uid, error)
                done.comment = done.comment or str(error)
                broke = broke or error
                continue
            done.completed += part.completed
            done.failed += part.failed
            done.comment = done.comment or part.comment
        transfers.told(self._desk, transfer, dataclasses.asdict(done) | {"studies": studies})
        if broke is not None:
            raise broke
        if done.failed:
            raise NotFetched(peer.aet, count=done.failed, comment=done.comment)
        transfers.succeeded(self._desk, [transfer])

    def _notify(self, peer: Peer, transfer: Transfer) -> None:
        try:
            availability.notify(self._archive, peer, transfer.study_uid)
        except NotFound:
            transfers.gave_up(self._desk, transfer, "it has been deleted meanwhile")
        else:
            transfers.succeeded(self._desk, [transfer])

    def _ask_for_commitment(self) -> None:
        """Asks for what was sent and not asked for yet, or so long ago that nobody answers."""
        for title, batch in transfers.to_commit(self._desk, again_after_s=ASKED_AGAIN_S).items():
            peer = self._peers.to(title)
            for each in batch:
                if each.attempts >= transfers.MOST_ATTEMPTS:
                    reason = f"sent, but {title} has not said whether it commits to it"
                    transfers.gave_up(self._desk, each, reason)
            batch = [each for each in batch if each.attempts < transfers.MOST_ATTEMPTS]
            if not batch:
                continue
            try:
                if peer is None:
                    raise PeerAway(f"{title} is no peer with host and port")
                commitment.ask(self._archive, self._desk, peer, batch)
            except DimseError as error:
                logger.warning("storage commitment of %s: %s", title, error)
                away = isinstance(error, PeerAway)
                transfers.postponed_commit(self._desk, batch, str(error), away=away)


@dataclasses.dataclass(frozen=True, slots=True)
class _Facts:
    """What rules look at of a series, and its study's accession number."""

    modality: str
    body_part: str
    accession: str
