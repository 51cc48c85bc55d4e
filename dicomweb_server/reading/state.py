"""Where a report stands: what its one mutable row holds, as a value, and how it changes.

Nothing here reads a clock or a database, so the server and the model check (tests/reading) run the
same functions. `stage` is what happens inside the department, `status` what the outside hears.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

UNREAD, TRAINEE, TRAINEE_DONE, INITIAL = "unread", "trainee", "trainee_done", "initial"
AWAIT_REVIEW, REVIEW, CONSULT, AWAIT_CONFIRM = "await_review", "review", "consult", "await_confirm"
IDLE, CANCELLED, RECALLED = "idle", "cancelled", "recalled"
STAGES = (
    UNREAD,
    TRAINEE,
    TRAINEE_DONE,
    INITIAL,
    AWAIT_REVIEW,
    REVIEW,
    CONSULT,
    AWAIT_CONFIRM,
    IDLE,
    CANCELLED,
    RECALLED,
)
ENDED = (CANCELLED, RECALLED)
"""Nothing more happens to a report there, and its exams may get another one."""

ORIGINAL, CORRECTION, ADDENDUM = "original", "correction", "addendum"
PRELIMINARY = "preliminary"
"""Kind of the version that T13 releases."""

STATUSES = (
    "none",
    "preliminary",
    "final",
    "corrected",
    "appended",
    "entered-in-error",
    "cancelled",
)
_ISSUED = {ORIGINAL: "final", CORRECTION: "corrected", ADDENDUM: "appended"}


@dataclass(frozen=True, slots=True)
class Reader:
    """A person as the rules see one.

    rank       0 to 4 (access.caller.Rank)
    licensed   may sign: a human of rank >= 1 with a licence whose qualification has not expired
    can_sign   has a signing identity that another person approved and nobody revoked
    manages    decides for the department (abandons another's correction)
    modalities what the person is qualified for; empty for all
    """

    person_id: str
    rank: int
    licensed: bool
    can_sign: bool = True
    manages: bool = False
    modalities: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class State:
    """Persons are person_ids, "" for nobody.

    cycle      what is being written: original, correction, addendum; "" while idle
    holder     who works on it
    author     the trainee or AI whose text this cycle began with
    signer     whose first signature stands in this cycle
    difficult  needs a reviewer of rank >= 3 (T10)
    released   the first signature's text has left as preliminary (T13)
    version    the current issued version, 0 for none
    base       the version this cycle began from
    reviewer   who reviewed what is issued, with `reviewer_rank`: the one who may correct it
    recall_by  who asked for the recall, with `recall_rank` then
    exceptions of this cycle: guards that were met otherwise (C4)
    """

    stage: str = UNREAD
    status: str = "none"
    cycle: str = ORIGINAL
    holder: str = ""
    author: str = ""
    signer: str = ""
    difficult: bool = False
    released: bool = False
    version: int = 0
    base: int = 0
    reviewer: str = ""
    reviewer_rank: int = 0
    recall_by: str = ""
    recall_rank: int = 0
    exceptions: tuple[str, ...] = ()


def _opened(state: State, actor: Reader, cycle: str) -> State:
    return replace(
        state,
        cycle=cycle,
        holder=actor.person_id,
        base=state.version,
        difficult=False,
        recall_by="",
        recall_rank=0,
    )


def _idle(state: State) -> State:
    return replace(
        state,
        cycle="",
        holder="",
        author="",
        signer="",
        difficult=False,
        released=False,
        base=0,
        exceptions=(),
    )


def _issue(state: State, actor: Reader) -> State:
    """The version is out. Who reviewed the whole text may correct it; a correction's confirmer
    takes no such part."""
    issued = replace(_idle(state), version=state.version + 1, status=_ISSUED[state.cycle])
    if state.cycle == CORRECTION:
        return issued
    return replace(issued, reviewer=actor.person_id, reviewer_rank=actor.rank)


Effect = Callable[[State, Reader], State]

EFFECTS: Mapping[str, Effect] = {
    "hold": lambda state, actor: replace(state, holder=actor.person_id),
    "author": lambda state, actor: replace(state, author=actor.person_id),
    "release": lambda state, actor: replace(state, holder=""),
    "sign": lambda state, actor: replace(state, signer=actor.person_id),
    # The first signature is superseded (its row stays), and the text is its signer's again.
    "unsign": lambda state, actor: replace(state, holder=state.signer, signer="", released=False),
    "difficult": lambda state, actor: replace(state, difficult=True),
    "not-difficult": lambda state, actor: replace(state, difficult=False),
    "preliminary": lambda state, actor: replace(
        state, status="preliminary", released=True, version=state.version + 1
    ),
    "issue": _issue,
    "cancel": lambda state, actor: replace(_idle(state), status="cancelled"),
    "open-correction": lambda state, actor: _opened(state, actor, CORRECTION),
    "open-addendum": lambda state, actor: _opened(state, actor, ADDENDUM),
    "abandon": lambda state, actor: _idle(state),
    "ask-recall": lambda state, actor: replace(
        state, recall_by=actor.person_id, recall_rank=actor.rank
    ),
    "recall": lambda state, actor: replace(_idle(state), status="entered-in-error"),
}
"""What a transition does to the state beside its stage, by the names its row has."""
