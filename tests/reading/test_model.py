"""The transition table, walked exhaustively: every state that a report can reach with a small staff
and up to three versions, every action of everybody in each of them (REPORTS 4.4).

What is walked are the functions that the server runs, over the same table. To show that the walk is
not empty, guards are taken out of the table one by one, and the walk must notice.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import pytest

from dicomweb_server.reading.guards import Refusal
from dicomweb_server.reading.state import (
    CORRECTION,
    ENDED,
    IDLE,
    INITIAL,
    STAGES,
    STATUSES,
    Reader,
    State,
)
from dicomweb_server.reading.transitions import (
    ACTIONS,
    TRANSITIONS,
    Transition,
    after,
    exceptions,
    meant,
    refusal,
)

MOST_VERSIONS = 3
BEGIN = State()

AI = Reader("ai", 0, False, can_sign=False)
TRAINEE = Reader("trainee", 0, False, can_sign=False)
RESIDENT = Reader("resident", 1, True)
ATTENDING = Reader("attending", 2, True)
SECOND_ATTENDING = Reader("second attending", 2, True)
ASSOCIATE = Reader("associate chief", 3, True)
CHIEF = Reader("chief", 4, True, manages=True)

FULL_STAFF = (TRAINEE, RESIDENT, ATTENDING, SECOND_ATTENDING, ASSOCIATE, CHIEF)


@dataclass(frozen=True)
class Moment:
    """A situation of the model: everything said is said rightly, but for the reason."""

    state: State
    actor: Reader
    staff: Sequence[Reader]
    lease_expired: bool = True
    exam_complete: bool = True
    urgent: bool = True
    modalities: frozenset[str] = frozenset({"CT"})
    reason: str = "why"
    seen_hash: str | None = "hash"
    content_hash: str = "hash"
    missing: Sequence[str] = ()
    blocking: Sequence[dict[str, str]] = ()
    request_accepted: bool = True
    images_opened: bool = True
    differs: bool = True
    base_carried: bool = True
    identity_matches: bool = True
    unseen_images: str = ""


@dataclass
class Walk:
    """What was found: states, and what in them is against an invariant."""

    states: set[State] = field(default_factory=set)
    violations: set[str] = field(default_factory=set)
    steps: dict[State, set[State]] = field(default_factory=dict)
    actions: set[str] = field(default_factory=set)

    @property
    def dead_ends(self) -> list[State]:
        """States from which the report can neither be idle again nor ended."""
        alive = {state for state in self.states if state.stage in (IDLE, *ENDED)}
        before: dict[State, set[State]] = {}
        for state, following in self.steps.items():
            for each in following:
                before.setdefault(each, set()).add(state)
        border = list(alive)
        while border:
            for each in before.get(border.pop(), ()):
                if each not in alive:
                    alive.add(each)
                    border.append(each)
        return [state for state in self.states if state not in alive]


def walk(
    staff: Sequence[Reader],
    table: Sequence[Transition] = TRANSITIONS,
    *,
    begin: State = BEGIN,
    versions: int = MOST_VERSIONS,
) -> Walk:
    found = Walk()
    border = [begin]
    found.states.add(begin)
    while border:
        state = border.pop()
        following = found.steps.setdefault(state, set())
        for actor in staff:
            for action in ACTIONS:
                moment = Moment(state, actor, staff)
                transition = meant(action, moment, table=table)
                if isinstance(transition, Refusal) or refusal(transition, moment) is not None:
                    continue
                new = after(transition, moment)
                if new.version > versions:
                    continue
                found.actions.add(action)
                found.violations.update(against(state, new, actor, transition, moment, staff))
                following.add(new)
                if new not in found.states:
                    found.states.add(new)
                    border.append(new)
    return found


def against(
    old: State,
    new: State,
    actor: Reader,
    transition: Transition,
    moment: Moment,
    staff: Sequence[Reader],
) -> Iterable[str]:
    """Which invariants a step breaks (I1 to I7 of REPORTS 4.4)."""
    people = {each.person_id: each for each in staff}
    if new.stage not in STAGES or new.status not in STATUSES:
        yield f"unknown {new.stage} {new.status}"
    if transition.signs and not (actor.licensed and actor.rank >= 1 and actor.can_sign):
        yield "I7: somebody signed who may not"
    if new.version < old.version:
        yield "I3: a version is gone"
    if transition.issues:
        flags = exceptions(transition, moment)
        if not old.signer:
            yield "I1: issued with one signature"
        if old.signer == actor.person_id:
            yield "I1: one person signed twice"
        if old.author == actor.person_id:
            yield "I1: who wrote it reviewed it"
        if old.cycle == CORRECTION:
            if old.signer != old.reviewer and "substitute-for-original-reviewer" not in flags:
                yield "I4: somebody else corrected"
            if actor.rank <= old.reviewer_rank and "no-higher-rank-available" not in flags:
                yield "I4: confirmed by no higher rank"
            if "no-higher-rank-available" in flags and any(
                each.rank > old.reviewer_rank
                and each.licensed
                and each.person_id not in (old.signer, old.reviewer)
                for each in staff
            ):
                yield "I4: the fallback was taken though a higher rank was there"
        elif actor.rank < 2:
            yield "I2: reviewed by a rank below 2"
        elif old.difficult and actor.rank < 3:
            yield "I2: a difficult report was reviewed by a rank below 3"
        if old.signer and not people[old.signer].licensed:
            yield "I7: the first signer may not sign"
    if transition.action.startswith("open-") and old.stage != IDLE:
        yield "I5: two cycles are open"
    if old.stage in ENDED:
        yield "I3: an ended report was changed"
    if (
        old.difficult
        and not new.difficult
        and transition.action == "unflag-difficult"
        and any(
            each.rank >= 3 and each.licensed and each.person_id not in (old.signer, old.author)
            for each in staff
        )
    ):
        yield "I2: difficult was taken back though a senior was there"
    if new.stage == "recalled" and (
        actor.person_id == old.recall_by
        or not old.recall_by
        or max(actor.rank, old.recall_rank) < 3
    ):
        yield "recalled by less than two persons, one of rank 3"
    if transition.action == "release-preliminary" and old.released:
        yield "the same text left twice as preliminary"
    if transition.action in ("save", "submit", "sign-initial", "return", "issue") and (
        old.holder != actor.person_id
    ):
        yield "I8: somebody else's text was worked on"
    if transition.action == "annotate" and actor.rank < 3:
        yield "a remark by a rank below 3"
    if transition.action == "withdraw" and old.signer != actor.person_id:
        yield "somebody else's signature was withdrawn"


@pytest.fixture(scope="module")
def full() -> Walk:
    return walk(FULL_STAFF)


def test_no_reachable_state_is_against_an_invariant(full: Walk) -> None:
    assert full.violations == set()
    assert len(full.states) > 1_000, "the walk has hardly begun"


def test_every_action_happens_and_every_stage_is_reached(full: Walk) -> None:
    # With two seniors there is always one left to review what is difficult.
    assert full.actions == set(ACTIONS) - {"unflag-difficult"}
    assert walk((RESIDENT, ATTENDING, ASSOCIATE)).actions == set(ACTIONS) - {"submit", "take"}
    assert {state.stage for state in full.states} == set(STAGES)
    assert {state.status for state in full.states} == set(STATUSES)


def test_there_are_no_dead_ends(full: Walk) -> None:
    assert full.dead_ends == []


@pytest.mark.parametrize(
    "staff",
    [
        (RESIDENT, ATTENDING, ASSOCIATE),
        (ATTENDING, SECOND_ATTENDING),
        (TRAINEE, ATTENDING, CHIEF),
        (AI, TRAINEE, ATTENDING, ASSOCIATE),
    ],
    ids=["county minimum", "two attendings", "no resident", "AI and trainee"],
)
def test_a_small_staff_can_issue_and_is_against_no_invariant(staff: tuple[Reader, ...]) -> None:
    found = walk(staff)
    assert found.violations == set() and found.dead_ends == []
    assert any(state.status == "final" for state in found.states)


def test_the_county_minimum_can_correct_what_its_highest_rank_reviewed() -> None:
    """C4: without the fallback, reports reviewed by the top rank could never be corrected."""
    found = walk((RESIDENT, ATTENDING, ASSOCIATE))
    assert any(
        state.status == "corrected" and state.reviewer == ASSOCIATE.person_id
        for state in found.states
    )


def test_a_single_physician_or_trainees_with_one_attending_can_never_issue() -> None:
    for staff in ((ATTENDING,), (CHIEF,), (AI, TRAINEE, ATTENDING), (RESIDENT, TRAINEE)):
        found = walk(staff)
        assert all(state.status in ("none", "preliminary", "cancelled") for state in found.states)
        assert found.violations == set()


def test_a_reviewer_who_has_left_is_substituted_by_no_lower_rank_and_the_version_says_so() -> None:
    state = State(stage=IDLE, status="final", cycle="", version=1, reviewer="gone", reviewer_rank=3)
    for actor, possible in ((ATTENDING, False), (ASSOCIATE, True), (CHIEF, True)):
        moment = Moment(state, actor, (ATTENDING, ASSOCIATE, CHIEF))
        transition = meant("open-correction", moment)
        assert isinstance(transition, Transition)
        refused = refusal(transition, moment)
        if possible:
            assert refused is None
            assert after(transition, moment).exceptions == ("substitute-for-original-reviewer",)
        else:
            assert refused is not None and refused.name == "not-original-reviewer"


@pytest.mark.parametrize(
    ("action", "changed", "name"),
    [
        ("claim", {"exam_complete": False, "reason": ""}, "exam-incomplete"),
        ("claim", {"modalities": frozenset({"MR"})}, "not-qualified"),
    ],
)
def test_a_claim_needs_a_complete_exam_and_a_qualified_person(
    action: str, changed: dict[str, object], name: str
) -> None:
    actor = replace(RESIDENT, modalities=frozenset({"CT"}))
    moment = replace(Moment(State(), actor, FULL_STAFF), **changed)  # type: ignore[arg-type]
    transition = meant(action, moment)
    assert isinstance(transition, Transition)
    refused = refusal(transition, moment)
    assert refused is not None and refused.name == name


SIGNED_WRONGLY = {
    "seen_hash": ("other", "content-changed"),
    "missing": (("findings",), "missing-field"),
    "blocking": (({"rule": "side"},), "qc-blocking"),
    "unseen_images": ("2026-11-27T08:00:00Z", "images-arrived"),
}


@pytest.mark.parametrize("fact", SIGNED_WRONGLY)
@pytest.mark.parametrize(
    ("action", "state", "actor"),
    [
        ("sign-initial", State(stage=INITIAL, holder="resident"), RESIDENT),
        ("issue", State(stage="review", holder="chief", signer="resident"), CHIEF),
        (
            "sign-correction",
            State(
                stage=INITIAL,
                cycle=CORRECTION,
                holder="attending",
                reviewer="attending",
                reviewer_rank=2,
                version=1,
            ),
            ATTENDING,
        ),
        (
            "confirm",
            State(
                stage="await_confirm",
                cycle=CORRECTION,
                signer="attending",
                reviewer="attending",
                reviewer_rank=2,
                version=1,
            ),
            CHIEF,
        ),
    ],
)
def test_nobody_signs_what_was_not_seen_is_incomplete_or_is_blocked(
    action: str, state: State, actor: Reader, fact: str
) -> None:
    good = Moment(state, actor, FULL_STAFF)
    transition = meant(action, good)
    assert isinstance(transition, Transition) and refusal(transition, good) is None
    value, name = SIGNED_WRONGLY[fact]
    refused = refusal(transition, replace(good, **{fact: value}))  # type: ignore[arg-type]
    assert refused is not None and refused.name == name


def without(guard: str, *actions: str) -> Callable[[], list[Transition]]:
    def table() -> list[Transition]:
        return [
            replace(each, guards=tuple(one for one in each.guards if one != guard))
            if not actions or each.action in actions
            else each
            for each in TRANSITIONS
        ]

    return table


def lowered() -> list[Transition]:
    """An equal rank confirms, and nobody says so."""
    return [
        replace(
            each,
            guards=tuple(one for one in each.guards if one != "higher"),
            exceptions=(),
        )
        if each.action == "confirm"
        else each
        for each in TRANSITIONS
    ]


MUTATIONS: dict[str, Callable[[], list[Transition]]] = {
    "the reviewer may be the signer": without("another-person"),
    "who confirms may be who signed": without("another-signer"),
    "any rank reviews": without("review-rank"),
    "anybody opens a correction": without("corrector"),
    "any rank confirms": lowered,
    "the fallback needs no lack of a higher rank": without("higher", "confirm"),
    "no licence is needed": without("licensed"),
    "no signing identity is needed": without("identity"),
    "anybody saves": without("holder", "save"),
    "anybody signs": without("holder", "sign-initial"),
    "anybody issues": without("holder", "issue"),
    "anybody returns": without("holder", "return"),
    "anybody withdraws": without("signer"),
    "difficult is taken back at will": without("no-senior"),
    "a text leaves twice": without("not-released"),
    "one person recalls": without("another-than-asked"),
    "nobody asks for a recall": without("recall-asked"),
    "two residents recall": without("one-senior"),
    "a remark of any rank": without("rank-3", "annotate"),
}

MUTANT_STAFF = (
    replace(TRAINEE, can_sign=True),
    RESIDENT,
    replace(ATTENDING, can_sign=False),
    SECOND_ATTENDING,
    ASSOCIATE,
    CHIEF,
)
"""Somebody for each guard to refuse."""


MUTANT_BEGIN = {
    # The original reviewer has left: then the substitute may rank above what is to be confirmed.
    "who confirms may be who signed": State(
        stage=IDLE, status="final", cycle="", version=1, reviewer="gone", reviewer_rank=2
    ),
}


@pytest.mark.parametrize("name", sorted(MUTATIONS))
def test_the_walk_notices_a_guard_that_is_gone(name: str) -> None:
    found = walk(MUTANT_STAFF, MUTATIONS[name](), begin=MUTANT_BEGIN.get(name, BEGIN), versions=2)
    assert found.violations, f"{name}: nobody noticed"


def test_without_abandon_or_takeover_there_are_dead_ends() -> None:
    """A correction that nobody can confirm, and one whose holder has gone."""
    table = [each for each in TRANSITIONS if each.action not in ("abandon", "reject-correction")]
    assert (
        walk((ATTENDING, SECOND_ATTENDING, RESIDENT), table).dead_ends
        or walk((ATTENDING, RESIDENT), table).dead_ends
    )
