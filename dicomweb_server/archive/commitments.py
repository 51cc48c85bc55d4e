"""Promises of storage that peers have asked for, and still have to be told of (PS3.4 §J).

A request is durable before it is acknowledged; the report is made from what is stored when it is
sent, tried again with back-off, and survives a restart.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dicomweb_server.access.caller import Act
from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.desk import Desk
from dicomweb_server.archive.transfers import MOST_ATTEMPTS, back_off_s

NO_SUCH_INSTANCE = 0x0112
CLASS_CONFLICT = 0x0119
"""Failure Reason (0008,1197), PS3.3 §C.14.1.1."""


@dataclass(frozen=True, slots=True)
class Commitment:
    """A peer wants to hear of these (SOP class, SOP instance)."""

    id: int
    transaction_uid: str
    peer: str
    wanted: Sequence[tuple[str, str]]
    attempts: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """kept, and the failure reason of what is not, both by (SOP class, SOP instance); the studies
    of what is kept."""

    kept: Sequence[tuple[str, str]]
    lost: Mapping[tuple[str, str], int]
    studies: frozenset[str]


def ask(
    desk: Desk, *, transaction_uid: str, peer: str, wanted: Sequence[tuple[str, str]]
) -> Commitment:
    """Writes a request down; one that is repeated is answered again."""
    desk.permit(Act.STORE)
    now = time.time_ns() // 1000
    with desk.write() as connection:
        connection.execute(
            "INSERT INTO commitments (transaction_uid, peer, wanted, state, due_us, created_us) "
            "VALUES (?, ?, ?, 'waiting', ?, ?) ON CONFLICT (transaction_uid, peer) DO UPDATE SET "
            "wanted = excluded.wanted, state = 'waiting', attempts = 0, due_us = excluded.due_us",
            (transaction_uid, peer, json.dumps(list(wanted)), now, now),
        )
        row = connection.execute(
            "SELECT id FROM commitments WHERE transaction_uid = ? AND peer = ?",
            (transaction_uid, peer),
        ).fetchone()
    return Commitment(row["id"], transaction_uid, peer, wanted, 0)


def due(desk: Desk, *, limit: int = 20) -> list[Commitment]:
    """Requests whose report is to be sent now."""
    desk.permit(Act.OPERATE)
    rows = desk.read(
        "SELECT * FROM commitments WHERE state = 'waiting' AND due_us <= ? ORDER BY due_us LIMIT ?",
        time.time_ns() // 1000,
        limit,
    )
    return [
        Commitment(
            row["id"],
            row["transaction_uid"],
            row["peer"],
            [(one[0], one[1]) for one in json.loads(row["wanted"])],
            row["attempts"],
        )
        for row in rows
    ]


def later(desk: Desk, commitment: Commitment, reason: str, *, after_s: float | None = None) -> None:
    """The report did not get through: again after `after_s` or the back-off, or given up."""
    desk.permit(Act.OPERATE)
    attempts = commitment.attempts + (after_s is None)
    wait_s = back_off_s(attempts) if after_s is None else after_s
    with desk.write() as connection:
        connection.execute(
            "UPDATE commitments SET state = ?, attempts = ?, due_us = ?, error = ? WHERE id = ?",
            (
                "failed" if attempts >= MOST_ATTEMPTS else "waiting",
                attempts,
                time.time_ns() // 1000 + int(wait_s * 1e6),
                reason[:500],
                commitment.id,
            ),
        )


def reported(desk: Desk, commitment: Commitment) -> None:
    """The peer has taken the report."""
    desk.permit(Act.OPERATE)
    with desk.write() as connection:
        connection.execute("UPDATE commitments SET state = 'done' WHERE id = ?", (commitment.id,))


def judge(archive: Archive, commitment: Commitment) -> Verdict:
    """What of it the archive keeps now: stored is committed, for what is stored is durable."""
    archive.permit(Act.OPERATE)
    kept: list[tuple[str, str]] = []
    lost: dict[tuple[str, str], int] = {}
    studies: set[str] = set()
    for sop_class_uid, instance_uid in commitment.wanted:
        found = archive.storage.index.instance(instance_uid)
        if found is None:
            lost[sop_class_uid, instance_uid] = NO_SUCH_INSTANCE
        elif found.sop_class_uid != sop_class_uid:
            lost[sop_class_uid, instance_uid] = CLASS_CONFLICT
        else:
            kept.append((sop_class_uid, instance_uid))
            studies.add(found.study_uid)
    return Verdict(kept, lost, frozenset(studies))
