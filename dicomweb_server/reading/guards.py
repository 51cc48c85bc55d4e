"""The guards of the transitions, by name: each looks at a situation and refuses or does not.

A refusal's name is the error the client is told (REPORTS 4.3, 4.5). Most depend on who asks and how
the report stands, so pages can be told beforehand what is possible; those of SAID on what is
written in the report.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from dicomweb_server.reading.state import Reader, State

SENIOR = 3
"""Rank (associate chief) that difficult reports, annotations and recalls ask for."""
ATTENDING = 2
"""Rank that reviews."""


@dataclass(frozen=True, slots=True)
class Refusal:
    name: str
    detail: str
    members: Mapping[str, Any] = field(default_factory=dict)


class Situation(Protocol):
    """Everything that guards look at."""

    @property
    def state(self) -> State: ...

    @property
    def actor(self) -> Reader: ...

    @property
    def staff(self) -> Sequence[Reader]:
        """Everybody who works here now."""

    @property
    def lease_expired(self) -> bool:
        """Whether whoever holds the report has not saved for too long."""

    @property
    def exam_complete(self) -> bool: ...

    @property
    def urgent(self) -> bool: ...

    @property
    def modalities(self) -> frozenset[str]:
        """Of the report's exams."""

    @property
    def reason(self) -> str: ...

    @property
    def seen_hash(self) -> str | None:
        """Digest of the content that the signer says to have seen."""

    @property
    def content_hash(self) -> str:
        """Digest of the content as it is."""

    @property
    def missing(self) -> Sequence[str]:
        """Sections and fields that must be filled and are not."""

    @property
    def blocking(self) -> Sequence[Mapping[str, Any]]:
        """Blocking findings of the self-check that nobody has overridden."""

    @property
    def request_accepted(self) -> bool:
        """Whether the amendment request that is named was accepted and not used yet."""

    @property
    def images_opened(self) -> bool:
        """Whether the actor has opened the images in this cycle, or the change needs it not."""

    @property
    def differs(self) -> bool:
        """Whether the content differs from the version the cycle began from."""

    @property
    def base_carried(self) -> bool:
        """Whether an addendum leaves what it is added to as it was."""

    @property
    def identity_matches(self) -> bool:
        """Whether patient and exam are what they were at the first signature."""

    @property
    def unseen_images(self) -> str:
        """When the last image came or changed (RFC 3339), if that was after the text was begun or
        first signed and the actor does not say to have seen it; else empty."""


Guard = Callable[[Situation], Refusal | None]


def _holder(s: Situation) -> Refusal | None:
    if s.state.holder == s.actor.person_id:
        return None
    return Refusal("not-holder", "somebody else works on this report, or nobody does")


def _licensed(s: Situation) -> Refusal | None:
    if s.actor.rank < 1:
        return Refusal("rank-too-low", "a resident or above is needed", {"needed": 1})
    if not s.actor.licensed:
        return Refusal("licence-expired", "there is no licence, or the qualification has expired")
    return None


def _identity(s: Situation) -> Refusal | None:
    if s.actor.can_sign:
        return None
    return Refusal("signing-identity-not-approved", "no signing identity of yours is approved")


def _of_rank(needed: int, what: str) -> Guard:
    def guard(s: Situation) -> Refusal | None:
        if s.actor.rank >= needed:
            return None
        return Refusal("rank-too-low", f"{what} or above is needed", {"needed": needed})

    return guard


def _review_rank(s: Situation) -> Refusal | None:
    if s.state.difficult and s.actor.rank < SENIOR:
        detail = "a difficult report is reviewed by an associate chief or above"
        return Refusal("rank-too-low", detail, {"needed": SENIOR})
    if s.actor.rank < ATTENDING:
        detail = "a report is reviewed by an attending or above"
        return Refusal("rank-too-low", detail, {"needed": ATTENDING})
    return None


def _another_person(s: Situation) -> Refusal | None:
    if s.actor.person_id in (s.state.signer, s.state.author):
        return Refusal("same-person", "who wrote or signed it first cannot also review it")
    return None


def _another_signer(s: Situation) -> Refusal | None:
    if s.actor.person_id == s.state.signer:
        return Refusal("same-person", "who signed the correction cannot also confirm it")
    return None


def _signer(s: Situation) -> Refusal | None:
    if s.actor.person_id == s.state.signer:
        return None
    return Refusal("not-holder", "only who signed it may")


def _signer_or_senior(s: Situation) -> Refusal | None:
    if s.actor.person_id == s.state.signer or s.actor.rank >= SENIOR:
        return None
    return Refusal("not-holder", "only who signed it or a duty senior may", {"needed": SENIOR})


def _own_or_head(s: Situation) -> Refusal | None:
    if s.actor.person_id in (s.state.holder, s.state.signer) or s.actor.manages:
        return None
    return Refusal("not-holder", "only who works on it or the head of the department may")


def _not_own(s: Situation) -> Refusal | None:
    if s.actor.person_id == s.state.holder:
        return Refusal("wrong-state", "you work on this report already")
    return None


def _lease(s: Situation) -> Refusal | None:
    if s.lease_expired or not s.state.holder or (s.actor.rank >= SENIOR and s.reason):
        return None
    detail = "somebody works on it; a person of rank 3 may take it over with a reason"
    return Refusal("lease-held", detail)


def _qualified(s: Situation) -> Refusal | None:
    wanted = s.modalities - s.actor.modalities
    if not s.actor.modalities or not wanted:
        return None
    return Refusal("not-qualified", f"you are not qualified for {', '.join(sorted(wanted))}")


def _exam_complete(s: Situation) -> Refusal | None:
    if s.exam_complete or s.reason:
        return None
    return Refusal("exam-incomplete", "the exam is not complete yet: say why it is to be read now")


def _reason(s: Situation) -> Refusal | None:
    return None if s.reason else Refusal("missing-field", "a reason is needed", {"field": "reason"})


def _seen(s: Situation) -> Refusal | None:
    if s.seen_hash is None:
        detail = "say by content_hash what you have seen and sign"
        return Refusal("missing-field", detail, {"field": "content_hash"})
    if s.seen_hash != s.content_hash:
        detail = "the content is not what you have seen"
        return Refusal("content-changed", detail, {"content_hash": s.content_hash})
    return None


def _complete(s: Situation) -> Refusal | None:
    if not s.missing:
        return None
    detail = f"missing: {', '.join(s.missing)}"
    return Refusal("missing-field", detail, {"field": s.missing[0], "missing": list(s.missing)})


def _checks(s: Situation) -> Refusal | None:
    if not s.blocking:
        return None
    detail = f"{len(s.blocking)} findings of the self-check forbid signing"
    return Refusal("qc-blocking", detail, {"findings": list(s.blocking)})


def _urgent(s: Situation) -> Refusal | None:
    return None if s.urgent else Refusal("not-urgent", "only urgent reports leave as preliminary")


def _not_released(s: Situation) -> Refusal | None:
    return Refusal("wrong-state", "this text has left already") if s.state.released else None


def _no_senior(s: Situation) -> Refusal | None:
    seniors = [
        each
        for each in s.staff
        if each.rank >= SENIOR
        and each.licensed
        and each.person_id not in (s.state.signer, s.state.author)
    ]
    if not seniors:
        return None
    return Refusal("senior-available", "somebody of rank 3 or above is there to review it")


def _works_here(s: Situation, person_id: str) -> bool:
    return any(each.person_id == person_id and each.licensed for each in s.staff)


def _corrector(s: Situation) -> Refusal | None:
    if s.actor.person_id == s.state.reviewer or is_substitute(s):
        return None
    detail = "a correction is opened by who reviewed the report; when that person has left, by one "
    return Refusal("not-original-reviewer", detail + "of the same rank or above")


def is_substitute(s: Situation) -> bool:
    """The original reviewer has left, and the actor's rank is no lower."""
    return (
        s.actor.person_id != s.state.reviewer
        and not _works_here(s, s.state.reviewer)
        and s.actor.rank >= s.state.reviewer_rank
    )


def _others(s: Situation) -> list[Reader]:
    """Who could confirm a correction if rank did not matter."""
    return [
        each
        for each in s.staff
        if each.licensed
        and each.rank >= ATTENDING
        and each.person_id not in (s.state.signer, s.state.reviewer)
    ]


def is_highest_other(s: Situation) -> bool:
    """Nobody ranks above the original reviewer (C4), and nobody else above the actor."""
    others = _others(s)
    top = max((each.rank for each in others), default=0)
    return (
        top <= s.state.reviewer_rank
        and s.actor.rank == top
        and any(each.person_id == s.actor.person_id for each in others)
    )


def _higher(s: Situation) -> Refusal | None:
    if s.actor.rank > s.state.reviewer_rank:
        return None
    if is_highest_other(s):
        return None
    detail = "a correction is confirmed by somebody who ranks above the original reviewer"
    return Refusal("rank-too-low", detail, {"needed": s.state.reviewer_rank + 1})


def _fallback_reason(s: Situation) -> Refusal | None:
    if s.actor.rank > s.state.reviewer_rank:
        return None
    return _reason(s)


def _request_accepted(s: Situation) -> Refusal | None:
    if s.request_accepted:
        return None
    detail = "no accepted amendment request is named that has not been used"
    return Refusal("request-not-accepted", detail, {"field": "request_id"})


def _images_opened(s: Situation) -> Refusal | None:
    if s.images_opened:
        return None
    return Refusal("images-not-opened", "open the images first: the change concerns the content")


def _differs(s: Situation) -> Refusal | None:
    return None if s.differs else Refusal("nothing-changed", "nothing has been changed")


def _base_carried(s: Situation) -> Refusal | None:
    if s.base_carried:
        return None
    detail = "an addendum adds to the section addendum and leaves the rest as it was issued"
    return Refusal("base-changed", detail)


def _identity_matches(s: Situation) -> Refusal | None:
    if s.identity_matches:
        return None
    detail = "patient or exam have changed since the first signature: return it to be signed again"
    return Refusal("identity-changed", detail)


def _images_seen(s: Situation) -> Refusal | None:
    if not s.unseen_images:
        return None
    detail = (
        f"images have come or changed since the text was written or signed, the last at "
        f"{s.unseen_images}: look at them, and say by images_seen that you have"
    )
    members = {"field": "images_seen", "images_at": s.unseen_images}
    return Refusal("images-arrived", detail, members)


def _recall_asked(s: Situation) -> Refusal | None:
    return None if s.state.recall_by else Refusal("wrong-state", "nobody has asked for the recall")


def _another_than_asked(s: Situation) -> Refusal | None:
    if s.actor.person_id == s.state.recall_by:
        return Refusal("same-person", "another person approves the recall")
    return None


def _one_senior(s: Situation) -> Refusal | None:
    if max(s.actor.rank, s.state.recall_rank) >= SENIOR:
        return None
    detail = "one of the two who recall a report is an associate chief or above"
    return Refusal("rank-too-low", detail, {"needed": SENIOR})


GUARDS: Mapping[str, Guard] = {
    "holder": _holder,
    "licensed": _licensed,
    "identity": _identity,
    "rank-2": _of_rank(ATTENDING, "an attending"),
    "rank-3": _of_rank(SENIOR, "an associate chief"),
    "review-rank": _review_rank,
    "another-person": _another_person,
    "another-signer": _another_signer,
    "signer": _signer,
    "signer-or-senior": _signer_or_senior,
    "own-or-head": _own_or_head,
    "not-own": _not_own,
    "lease": _lease,
    "qualified": _qualified,
    "urgent": _urgent,
    "not-released": _not_released,
    "no-senior": _no_senior,
    "corrector": _corrector,
    "higher": _higher,
    "recall-asked": _recall_asked,
    "another-than-asked": _another_than_asked,
    "one-senior": _one_senior,
    "exam-complete": _exam_complete,
    "reason": _reason,
    "fallback-reason": _fallback_reason,
    "seen": _seen,
    "complete": _complete,
    "checks": _checks,
    "request-accepted": _request_accepted,
    "images-opened": _images_opened,
    "differs": _differs,
    "base-carried": _base_carried,
    "identity-matches": _identity_matches,
    "images-seen": _images_seen,
}

SAID = frozenset(
    {
        "seen",
        "complete",
        "checks",
        "request-accepted",
        "images-opened",
        "differs",
        "base-carried",
        "identity-matches",
        "images-seen",
    }
)
"""Guards that look at the content or what is said of it; all others are standing."""

EXCEPTIONS: Mapping[str, Callable[[Situation], bool]] = {
    # C4: what the version says when a guard was met otherwise.
    "substitute-for-original-reviewer": is_substitute,
    "no-higher-rank-available": lambda s: s.actor.rank <= s.state.reviewer_rank,
}
