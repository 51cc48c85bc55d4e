"""T1 to T23 as data (REPORTS 4.3): one table, read by the server and by the model check.

Of the rows for an action, a stage and a cycle, the first whose `when` holds is meant. Its guards
are asked in order; the first that refuses names the error. What the row does to the state are its
effects (state.py), in order, and then the stage.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from dicomweb_server.access.caller import Act
from dicomweb_server.reading.guards import EXCEPTIONS, GUARDS, SAID, SENIOR, Refusal, Situation
from dicomweb_server.reading.state import (
    ADDENDUM,
    AWAIT_CONFIRM,
    AWAIT_REVIEW,
    CANCELLED,
    CONSULT,
    CORRECTION,
    EFFECTS,
    ENDED,
    IDLE,
    INITIAL,
    ORIGINAL,
    RECALLED,
    REVIEW,
    TRAINEE,
    TRAINEE_DONE,
    UNREAD,
    State,
)

ANY = (ORIGINAL, CORRECTION, ADDENDUM)
REVIEWED = (ORIGINAL, ADDENDUM)
NO_CYCLE = ("",)


@dataclass(frozen=True, slots=True)
class Transition:
    """One row.

    number      of REPORTS 4.3
    to          the stage afterwards; "" when it stays
    act         what the caller's role must allow
    when        name in WHEN; "" always
    signs       role of the signature that is made: "initial", "review", "confirm", "annotation"
    exceptions  names in EXCEPTIONS that the version says when they hold
    """

    number: str
    action: str
    stages: tuple[str, ...]
    to: str
    act: Act
    guards: tuple[str, ...]
    effects: tuple[str, ...] = ()
    cycles: tuple[str, ...] = ANY
    when: str = ""
    signs: str = ""
    exceptions: tuple[str, ...] = ()

    @property
    def issues(self) -> bool:
        return "issue" in self.effects


_SIGNING = ("licensed", "identity")
_TEXT = ("seen", "complete", "checks")
_CANCELLABLE = (UNREAD, TRAINEE, TRAINEE_DONE, INITIAL, AWAIT_REVIEW, REVIEW, CONSULT)

TRANSITIONS: tuple[Transition, ...] = (
    Transition(
        "T1",
        "claim",
        (UNREAD,),
        TRAINEE,
        Act.DRAFT,
        ("qualified", "exam-complete"),
        ("hold", "author"),
        (ORIGINAL,),
        when="trainee",
    ),
    Transition(
        "T1",
        "claim",
        (UNREAD,),
        INITIAL,
        Act.DRAFT,
        ("licensed", "qualified", "exam-complete"),
        ("hold",),
        (ORIGINAL,),
    ),
    Transition("T2", "save", (TRAINEE, INITIAL, REVIEW), "", Act.DRAFT, ("holder",)),
    Transition(
        "T3",
        "submit",
        (TRAINEE,),
        TRAINEE_DONE,
        Act.DRAFT,
        ("holder", "complete"),
        ("release",),
        (ORIGINAL,),
    ),
    Transition(
        "T4",
        "take",
        (TRAINEE, TRAINEE_DONE),
        INITIAL,
        Act.SIGN,
        ("licensed", "qualified"),
        ("hold",),
        (ORIGINAL,),
    ),
    Transition(
        "T5",
        "takeover",
        (INITIAL,),
        "",
        Act.SIGN,
        ("not-own", "licensed", "qualified", "lease"),
        ("hold",),
        REVIEWED,
    ),
    Transition(
        "T5",
        "takeover",
        (INITIAL,),
        "",
        Act.SIGN,
        ("not-own", "licensed", "corrector", "lease"),
        ("hold",),
        (CORRECTION,),
        exceptions=("substitute-for-original-reviewer",),
    ),
    # A reviewer who does not come back must not hold a report for ever.
    Transition(
        "T5",
        "takeover",
        (REVIEW, CONSULT),
        REVIEW,
        Act.REVIEW,
        ("not-own", "licensed", "review-rank", "another-person", "lease"),
        ("hold",),
        REVIEWED,
    ),
    Transition(
        "T6",
        "sign-initial",
        (INITIAL,),
        AWAIT_REVIEW,
        Act.SIGN,
        ("holder", *_SIGNING, *_TEXT, "base-carried", "images-seen"),
        ("sign", "release"),
        REVIEWED,
        signs="initial",
    ),
    Transition(
        "T7",
        "withdraw",
        (AWAIT_REVIEW,),
        INITIAL,
        Act.SIGN,
        ("signer",),
        ("unsign",),
        REVIEWED,
    ),
    Transition(
        "T8",
        "claim-review",
        (AWAIT_REVIEW,),
        REVIEW,
        Act.REVIEW,
        ("licensed", "review-rank", "another-person", "qualified"),
        ("hold",),
        REVIEWED,
    ),
    Transition(
        "T9",
        "return",
        (REVIEW,),
        INITIAL,
        Act.REVIEW,
        ("holder", "reason"),
        ("unsign",),
        REVIEWED,
    ),
    Transition(
        "T10",
        "flag-difficult",
        (REVIEW,),
        REVIEW,
        Act.REVIEW,
        ("holder",),
        ("difficult",),
        REVIEWED,
        when="senior",
    ),
    Transition(
        "T10",
        "flag-difficult",
        (REVIEW,),
        AWAIT_REVIEW,
        Act.REVIEW,
        ("holder",),
        ("difficult", "release"),
        REVIEWED,
    ),
    Transition(
        "T10",
        "unflag-difficult",
        (REVIEW,),
        "",
        Act.REVIEW,
        ("holder", "reason", "no-senior"),
        ("not-difficult",),
        REVIEWED,
        when="difficult",
    ),
    Transition(
        "T10",
        "unflag-difficult",
        (AWAIT_REVIEW,),
        "",
        Act.REVIEW,
        ("licensed", "rank-2", "another-person", "reason", "no-senior"),
        ("not-difficult",),
        REVIEWED,
        when="difficult",
    ),
    Transition(
        "T11", "consult", (REVIEW,), CONSULT, Act.REVIEW, ("holder", "reason"), (), REVIEWED
    ),
    Transition(
        "T11", "consult-close", (CONSULT,), REVIEW, Act.REVIEW, ("holder", "reason"), (), REVIEWED
    ),
    Transition(
        "T12",
        "issue",
        (REVIEW,),
        IDLE,
        Act.REVIEW,
        (
            "holder",
            *_SIGNING,
            "review-rank",
            "another-person",
            *_TEXT,
            "base-carried",
            "identity-matches",
            "images-seen",
        ),
        ("issue",),
        REVIEWED,
        signs="review",
    ),
    Transition(
        "T13",
        "release-preliminary",
        (AWAIT_REVIEW,),
        "",
        Act.SIGN,
        ("licensed", "signer-or-senior", "urgent", "not-released", "identity-matches"),
        ("preliminary",),
        (ORIGINAL,),
    ),
    Transition(
        "T14",
        "cancel",
        _CANCELLABLE,
        CANCELLED,
        Act.SIGN,
        ("rank-2", "reason"),
        ("cancel",),
        (ORIGINAL,),
    ),
    Transition(
        "T17",
        "open-correction",
        (IDLE,),
        INITIAL,
        Act.REVIEW,
        ("licensed", "corrector", "reason", "request-accepted"),
        ("open-correction",),
        NO_CYCLE,
        exceptions=("substitute-for-original-reviewer",),
    ),
    Transition(
        "T18",
        "sign-correction",
        (INITIAL,),
        AWAIT_CONFIRM,
        Act.REVIEW,
        ("holder", "corrector", *_SIGNING, *_TEXT, "differs", "images-opened", "images-seen"),
        ("sign", "release"),
        (CORRECTION,),
        signs="initial",
    ),
    Transition(
        "T19",
        "confirm",
        (AWAIT_CONFIRM,),
        IDLE,
        Act.REVIEW,
        (
            *_SIGNING,
            "rank-2",
            "another-signer",
            "higher",
            "fallback-reason",
            *_TEXT,
            "identity-matches",
            "images-seen",
        ),
        ("issue",),
        (CORRECTION,),
        signs="confirm",
        exceptions=("no-higher-rank-available",),
    ),
    Transition(
        "T19",
        "reject-correction",
        (AWAIT_CONFIRM,),
        INITIAL,
        Act.REVIEW,
        ("licensed", "rank-2", "another-signer", "higher", "reason"),
        ("unsign",),
        (CORRECTION,),
    ),
    Transition(
        "T20",
        "open-addendum",
        (IDLE,),
        INITIAL,
        Act.SIGN,
        ("licensed", "qualified"),
        ("open-addendum",),
        NO_CYCLE,
    ),
    Transition(
        "T21",
        "abandon",
        (INITIAL, AWAIT_CONFIRM, AWAIT_REVIEW),
        IDLE,
        Act.SIGN,
        ("own-or-head", "reason"),
        ("abandon",),
        (CORRECTION, ADDENDUM),
    ),
    Transition(
        "T22",
        "request-recall",
        (IDLE,),
        "",
        Act.SIGN,
        ("licensed", "reason"),
        ("ask-recall",),
        NO_CYCLE,
    ),
    Transition(
        "T22",
        "recall",
        (IDLE,),
        RECALLED,
        Act.SIGN,
        ("licensed", "recall-asked", "another-than-asked", "one-senior"),
        ("recall",),
        NO_CYCLE,
    ),
    Transition(
        "T23",
        "annotate",
        (IDLE,),
        "",
        Act.REVIEW,
        ("rank-3", *_SIGNING, "seen"),
        (),
        NO_CYCLE,
        signs="annotation",
    ),
)

WHEN: Mapping[str, Callable[[Situation], bool]] = {
    "": lambda s: True,
    "trainee": lambda s: s.actor.rank == 0,
    "senior": lambda s: s.actor.rank >= SENIOR,
    "difficult": lambda s: s.state.difficult,
}

ACTIONS = tuple(dict.fromkeys(each.action for each in TRANSITIONS))


def rows(
    action: str, state: State, *, table: Sequence[Transition] = TRANSITIONS
) -> Iterator[Transition]:
    """The rows that could be meant by `action`."""
    for each in table:
        if each.action == action and state.stage in each.stages and state.cycle in each.cycles:
            yield each


def meant(
    action: str, situation: Situation, *, table: Sequence[Transition] = TRANSITIONS
) -> Transition | Refusal:
    """The row of the table that `action` means in this situation, or why there is none."""
    state = situation.state
    for each in rows(action, state, table=table):
        if WHEN[each.when](situation):
            return each
    if action in ("open-correction", "open-addendum") and state.cycle and state.version:
        detail = f"a {state.cycle} of this report is open"
        return Refusal("open-cycle-exists", detail, {"cycle": state.cycle})
    if action in ("claim", "claim-review", "take") and state.holder and not situation.lease_expired:
        return Refusal("lease-held", "somebody works on it")
    allowed = sorted(
        {e.action for e in table if state.stage in e.stages and state.cycle in e.cycles}
    )
    detail = f"{action} is not possible while the report is {state.stage}"
    return Refusal("wrong-state", detail, {"stage": state.stage, "allowed": allowed})


def refusal(transition: Transition, situation: Situation) -> Refusal | None:
    """What the first guard says that refuses."""
    for name in transition.guards:
        if (refused := GUARDS[name](situation)) is not None:
            return refused
    return None


def standing_refusal(transition: Transition, situation: Situation) -> Refusal | None:
    """The same, for what can be known before anything is asked for."""
    for name in transition.guards:
        if name not in SAID and (refused := GUARDS[name](situation)) is not None:
            return refused
    return None


def after(transition: Transition, situation: Situation) -> State:
    """The state when the transition has been made."""
    state = situation.state
    new = tuple(name for name in transition.exceptions if EXCEPTIONS[name](situation))
    for name in transition.effects:
        state = EFFECTS[name](state, situation.actor)
    if state.cycle:
        state = replace(state, exceptions=tuple(dict.fromkeys((*state.exceptions, *new))))
    return replace(state, stage=transition.to or state.stage)


def exceptions(transition: Transition, situation: Situation) -> tuple[str, ...]:
    """The exceptions of the version that the transition issues."""
    new = tuple(name for name in transition.exceptions if EXCEPTIONS[name](situation))
    return tuple(dict.fromkeys((*situation.state.exceptions, *new)))


def has_ended(state: State) -> bool:
    return state.stage in ENDED
