"""Doing once what is asked for twice: Idempotency-Key (draft-ietf-httpapi-idempotency-key-header).

The answer lies beside what was done, in the same transaction: whoever lost it asks again and gets
the same, for 24 hours. What was refused is not kept, it may be possible by then.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicomweb_server.access.caller import Caller
from dicomweb_server.reading.errors import Refused
from dicomweb_server.reading.tables import IdempotencyRow
from dicomweb_server.records.moments import now

KEPT = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a verb answers: a document, the ETag of the report it is of, whether something was made
    that was not there before."""

    document: dict[str, Any]
    etag: str = ""
    made: bool = False


@dataclass(frozen=True, slots=True)
class Once:
    """key           of the caller
    request_hash  SHA-256 of the method, the path and the body that it belongs to
    """

    key: str
    request_hash: str


def answered(
    session: Session, caller: Caller, once: Once | None, work: Callable[[], Answer]
) -> Answer:
    """What was answered before to this key, else what `work` answers now.

    Raises Refused when the key was used for something else.
    """
    if once is None:
        return work()
    asked_by = caller.account_id or caller.name
    row = session.get(IdempotencyRow, (asked_by, once.key))
    if row is not None and row.created_at > now() - KEPT:
        if row.request_hash != once.request_hash:
            detail = "this Idempotency-Key was used for another request"
            raise Refused("idempotency-key-reused", detail, field="Idempotency-Key")
        document, etag, made = json.loads(row.answer)
        return Answer(document, etag, made)
    answer = work()
    document = json.dumps([answer.document, answer.etag, answer.made], ensure_ascii=False)
    if row is None:
        row = IdempotencyRow(asked_by=asked_by, key=once.key)
        session.add(row)
    row.request_hash, row.answer, row.created_at = once.request_hash, document, now()
    return answer


def forget_old(session: Session) -> None:
    """Drops the answers that nobody may ask for any more."""
    session.execute(sa.delete(IdempotencyRow).where(IdempotencyRow.created_at <= now() - KEPT))
