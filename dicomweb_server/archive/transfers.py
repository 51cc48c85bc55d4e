"""What is to be sent to peers and fetched from them: a queue that survives a restart.

    waiting -> done                       sent, and nothing more was asked
    waiting -> asked -> done              sent, storage commitment asked for and given
    waiting -> ... -> failed              given up after MOST_ATTEMPTS, of asking too

Urgent goes before routine, but of URGENT_IN_A_ROW + 1 batches one is routine when any waits, so
that nothing waits for ever (PER-08). A transfer that fails, or at which the peer breaks the
association off, waits longer each time; while no association with the peer can be had, all that
waits for it stays as it is.
"""

import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dicomweb_server.access.audit import Event
from dicomweb_server.access.caller import Act
from dicomweb_server.archive.desk import Desk
from dicomweb_server.dicom.errors import BadQuery
from storage.errors import NotFound
from storage.model import Instance, Scope

SEND, PULL, NOTIFY = "send", "pull", "notify"
WAITING, ASKED, DONE, FAILED = "waiting", "asked", "done", "failed"

BATCH = 10
URGENT_IN_A_ROW = 4
"""Batches."""

MOST_ATTEMPTS = 50
FIRST_BACK_OFF_S = 5.0
LONGEST_BACK_OFF_S = 900.0
_MATCHES_ALL = "*?-\\ "
"""Of these characters alone are universal matching (PS3.4 §C.2.2.2.3), wild cards for anything, a
range without ends and a list of nothing."""
KEPT_S = 7 * 86400.0
"""How long what is done or given up can still be seen."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """One thing to do. kind SEND is of one instance, PULL of what the UIDs say or, without,
    of all studies that match `query`, keyword or tag -> value; NOTIFY of a study that has become
    available. `wish` is JSON: commit, by_move, results. `times` is how often it was asked for."""

    id: int
    kind: str
    peer: str
    study_uid: str
    series_uid: str
    instance_uid: str
    urgent: bool
    wish: Mapping[str, Any]
    state: str
    attempts: int
    due_us: int
    error: str
    created_us: int
    done_us: int | None
    transaction_uid: str
    query: Mapping[str, str]
    times: int


def send(
    desk: Desk, instances: Sequence[Instance], *, peer: str, urgent: bool, commit: bool
) -> None:
    """Queues instances of one study to be sent to a peer."""
    desk.permit(Act.TRANSFER)
    with desk.write() as connection:
        for each in instances:
            add(
                connection,
                kind=SEND,
                peer=peer,
                study_uid=each.study_uid,
                series_uid=each.series_uid,
                instance_uid=each.instance_uid,
                urgent=urgent,
                wish={"commit": commit},
            )
    for study_uid in {each.study_uid for each in instances}:
        detail = {"peer": peer, "instances": len(instances)}
        desk.note_now(Event("study.send", study_uid, detail=detail))


def pull(
    desk: Desk,
    scope: Scope | None,
    *,
    peer: str,
    urgent: bool,
    query: Mapping[str, str],
    by_move: bool,
) -> int:
    """Queues what is to be fetched from a peer, `scope` or all studies that match `query`; returns
    its ID. Raises BadQuery for a query that every study matches: a remote archive is not fetched
    whole by a form that was left empty."""
    desk.permit(Act.TRANSFER)
    if scope is None and not any(value.strip(_MATCHES_ALL) for value in query.values()):
        raise BadQuery("query", "has no value to match, everything at the peer would be fetched")
    with desk.write() as connection:
        number = add(
            connection,
            kind=PULL,
            peer=peer,
            study_uid=scope.study_uid if scope else "",
            series_uid=(scope.series_uid if scope else "") or "",
            instance_uid=(scope.instance_uid if scope else "") or "",
            query=query,
            urgent=urgent,
            wish={"by_move": by_move},
        )
    detail = {"peer": peer, "pull": number}
    desk.note_now(Event("study.pull", scope.study_uid if scope else "", detail=detail))
    return number


def add(
    connection: sqlite3.Connection,
    *,
    kind: str,
    peer: str,
    study_uid: str = "",
    series_uid: str = "",
    instance_uid: str = "",
    query: Mapping[str, str] | None = None,
    urgent: bool = False,
    wish: Mapping[str, Any] | None = None,
) -> int:
    """Queues one thing; what waits already for the same is not queued twice, but becomes urgent
    when this is, and is to be committed to when either is. It may be on its way already, as it was
    before it was asked for again: then it is not done with that (`succeeded`). Returns its ID."""
    now = time.time_ns() // 1000
    wanted = dict(wish or {})
    key = (kind, peer, study_uid, series_uid, instance_uid, _canonical(query or {}))
    waiting = connection.execute(
        "SELECT id, wish FROM transfers WHERE kind = ? AND peer = ? AND study_uid = ? "
        "AND series_uid = ? AND instance_uid = ? AND query = ? AND state = 'waiting'",
        key,
    ).fetchone()
    if waiting is not None:
        before = json.loads(waiting["wish"])
        if before.get("commit"):
            wanted["commit"] = True
        connection.execute(
            "UPDATE transfers SET urgent = max(urgent, ?), wish = ?, times = times + 1 "
            "WHERE id = ?",
            (int(urgent), json.dumps(before | wanted), waiting["id"]),
        )
        return int(waiting["id"])
    added = connection.execute(
        "INSERT INTO transfers (kind, peer, study_uid, series_uid, instance_uid, query, urgent, "
        "wish, state, due_us, created_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'waiting', ?, ?)",
        (*key, int(urgent), json.dumps(wanted), now, now),
    )
    assert added.lastrowid is not None
    return added.lastrowid


def _canonical(query: Mapping[str, str]) -> str:
    """The same text for the same query, as SQLite writes JSON."""
    return json.dumps(dict(query), sort_keys=True, separators=(",", ":"))


def busy_peers(desk: Desk) -> list[str]:
    """Peers with something due."""
    desk.permit(Act.OPERATE)
    rows = desk.read(
        "SELECT DISTINCT peer FROM transfers WHERE state = 'waiting' AND due_us <= ?",
        time.time_ns() // 1000,
    )
    return [row["peer"] for row in rows]


def due(desk: Desk, peer: str, *, urgent: bool, limit: int = BATCH) -> list[Transfer]:
    """What is to be done for a peer now, oldest first, of one priority."""
    desk.permit(Act.OPERATE)
    rows = desk.read(
        "SELECT * FROM transfers WHERE state = 'waiting' AND peer = ? AND urgent = ? "
        "AND due_us <= ? ORDER BY due_us, id LIMIT ?",
        peer,
        int(urgent),
        time.time_ns() // 1000,
        limit,
    )
    return [_transfer(row) for row in rows]


class Turns:
    """Whose turn it is at one peer: see the module."""

    def __init__(self) -> None:
        self._urgent_in_a_row = 0

    def next(self, desk: Desk, peer: str) -> list[Transfer]:
        """The next batch, all of one priority; empty when nothing is due."""
        routine_first = self._urgent_in_a_row >= URGENT_IN_A_ROW
        for urgent in (False, True) if routine_first else (True, False):
            batch = due(desk, peer, urgent=urgent)
            if batch:
                self._urgent_in_a_row = self._urgent_in_a_row + 1 if urgent else 0
                return batch
        return []


def succeeded(desk: Desk, transfers: Sequence[Transfer]) -> None:
    """These are done, or ASKED when the peer still has to commit to them; but what was asked for
    again meanwhile, with other content perhaps, waits for its next turn."""
    desk.permit(Act.OPERATE)
    now = time.time_ns() // 1000
    with desk.write() as connection:
        connection.executemany(
            "UPDATE transfers SET error = '', done_us = ?, state = CASE "
            "WHEN kind = 'send' AND json_extract(wish, '$.commit') THEN 'asked' ELSE 'done' END "
            "WHERE id = ? AND times = ?",
            [(now, each.id, each.times) for each in transfers],
        )


def failed(desk: Desk, transfers: Sequence[Transfer], reason: str) -> None:
    """Those of these that are not done are tried again later, or given up."""
    desk.permit(Act.OPERATE)
    now = time.time_ns() // 1000
    with desk.write() as connection:
        for each in transfers:
            attempts = each.attempts + 1
            state = FAILED if attempts >= MOST_ATTEMPTS else WAITING
            connection.execute(
                "UPDATE transfers SET state = ?, attempts = ?, due_us = ?, error = ? "
                "WHERE id = ? AND state = 'waiting'",
                (state, attempts, now + int(back_off_s(attempts) * 1e6), reason[:500], each.id),
            )


def gave_up(desk: Desk, transfer: Transfer, reason: str) -> None:
    """Trying again would not help; not of what was asked for again meanwhile."""
    desk.permit(Act.OPERATE)
    with desk.write() as connection:
        connection.execute(
            "UPDATE transfers SET state = 'failed', attempts = attempts + 1, error = ?, "
            "done_us = ? WHERE id = ? AND times = ?",
            (reason[:500], time.time_ns() // 1000, transfer.id, transfer.times),
        )


def waits(desk: Desk, transfers: Sequence[Transfer], reason: str) -> None:
    """The peer is away: says so of these, which stay as due as they were, so that what is urgent
    goes first once it is back."""
    desk.permit(Act.OPERATE)
    with desk.write() as connection:
        connection.executemany(
            "UPDATE transfers SET error = ? WHERE id = ? AND state = 'waiting'",
            [(reason[:500], each.id) for each in transfers],
        )


def told(desk: Desk, transfer: Transfer, result: Mapping[str, Any]) -> None:
    """Adds what came of it to the wish, under `result`."""
    desk.permit(Act.OPERATE)
    with desk.write() as connection:
        connection.execute(
            "UPDATE transfers SET wish = json_set(wish, '$.result', json(?)) WHERE id = ?",
            (json.dumps(dict(result)), transfer.id),
        )


def back_off_s(attempts: int) -> float:
    """Seconds to wait after so many failures."""
    return min(LONGEST_BACK_OFF_S, FIRST_BACK_OFF_S * 2.0 ** min(attempts - 1, 20))


def asked_to_commit(desk: Desk, transfers: Sequence[Transfer], transaction_uid: str) -> None:
    """The peer was asked, in a transaction, to commit to what was sent. That is an attempt: a peer
    that never reports is given up at last, too."""
    desk.permit(Act.OPERATE)
    with desk.write() as connection:
        connection.executemany(
            "UPDATE transfers SET state = 'asked', transaction_uid = ?, done_us = ?, "
            "attempts = attempts + 1 WHERE id = ?",
            [(transaction_uid, time.time_ns() // 1000, each.id) for each in transfers],
        )


def to_commit(
    desk: Desk, *, again_after_s: float, limit: int = 500
) -> Mapping[str, list[Transfer]]:
    """By peer, what was sent and is to be asked for: never asked, or long ago without answer."""
    desk.permit(Act.OPERATE)
    now = time.time_ns() // 1000
    rows = desk.read(
        "SELECT * FROM transfers WHERE state = 'asked' AND due_us <= ? AND (transaction_uid = '' "
        "OR done_us <= ?) ORDER BY id LIMIT ?",
        now,
        now - int(again_after_s * 1e6),
        limit,
    )
    found: dict[str, list[Transfer]] = {}
    for row in rows:
        found.setdefault(row["peer"], []).append(_transfer(row))
    return found


def postponed_commit(desk: Desk, transfers: Sequence[Transfer], reason: str, *, away: bool) -> None:
    """The peer could not be asked: it is asked anew later, or given up.

    away  there was no association: that does not count as tried, and the longer it has been so the
          longer it is waited
    """
    desk.permit(Act.OPERATE)
    now = time.time_ns() // 1000
    with desk.write() as connection:
        for each in transfers:
            attempts = each.attempts if away else each.attempts + 1
            since_s = (now - (each.done_us or now)) / 1e6
            wait_s = (
                min(LONGEST_BACK_OFF_S, max(FIRST_BACK_OFF_S, since_s))
                if away
                else back_off_s(attempts)
            )
            connection.execute(
                "UPDATE transfers SET transaction_uid = '', state = ?, attempts = ?, due_us = ?, "
                "error = ? WHERE id = ? AND state = 'asked'",
                (
                    FAILED if attempts >= MOST_ATTEMPTS else ASKED,
                    attempts,
                    now + int(wait_s * 1e6),
                    reason[:500],
                    each.id,
                ),
            )


def committed(
    desk: Desk, transaction_uid: str, *, peer: str, kept: Sequence[str], lost: Mapping[str, int]
) -> int:
    """A peer's answer in a transaction: SOP Instance UIDs it keeps, and failure reasons of those
    it does not, which are sent again. Returns how many transfers it was about."""
    desk.permit(Act.OPERATE)
    now = time.time_ns() // 1000
    with desk.write() as connection:
        rows = connection.execute(
            "SELECT * FROM transfers WHERE state = 'asked' AND transaction_uid = ? AND peer = ?",
            (transaction_uid, peer),
        ).fetchall()
        for row in rows:
            uid, attempts = row["instance_uid"], row["attempts"] + 1
            if uid in kept:
                connection.execute(
                    "UPDATE transfers SET state = 'done', done_us = ? WHERE id = ?",
                    (now, row["id"]),
                )
            elif uid in lost:
                # Not where the same waits again already: that is sent, and this is asked for anew.
                connection.execute(
                    "UPDATE OR IGNORE transfers SET state = ?, attempts = ?, due_us = ?, error = ? "
                    "WHERE id = ?",
                    (
                        FAILED if attempts >= MOST_ATTEMPTS else WAITING,
                        attempts,
                        now + int(back_off_s(attempts) * 1e6),
                        f"{peer} does not keep it: failure reason {lost[uid]:04X}",
                        row["id"],
                    ),
                )
    return len(rows)


def get(desk: Desk, transfer_id: int) -> Transfer:
    """Raises NotFound."""
    desk.permit(Act.TRANSFER)
    rows = desk.read("SELECT * FROM transfers WHERE id = ?", transfer_id)
    if not rows:
        raise NotFound("transfer", str(transfer_id))
    return _transfer(rows[0])


def queue(desk: Desk, *, state: str = "", peer: str = "", limit: int = 1000) -> list[Transfer]:
    """What is there, in the order it will be tried: urgent first, then oldest."""
    desk.permit(Act.TRANSFER)
    rows = desk.read(
        "SELECT * FROM transfers WHERE (? = '' OR state = ?) AND (? = '' OR peer = ?) "
        "ORDER BY state = 'waiting' DESC, urgent DESC, due_us, id LIMIT ?",
        state,
        state,
        peer,
        peer,
        limit,
    )
    return [_transfer(row) for row in rows]


def forget_old(desk: Desk) -> None:
    """Removes what was done or given up long ago."""
    desk.permit(Act.OPERATE)
    with desk.write() as connection:
        connection.execute(
            "DELETE FROM transfers WHERE state IN ('done', 'failed') AND created_us < ?",
            (time.time_ns() // 1000 - int(KEPT_S * 1e6),),
        )


def _transfer(row: sqlite3.Row) -> Transfer:
    values = dict(row)
    values["urgent"] = bool(values["urgent"])
    values["wish"] = json.loads(values["wish"])
    values["query"] = json.loads(values["query"])
    return Transfer(**values)
