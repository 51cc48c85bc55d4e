"""One run: the material is stored, every rule is tried, what was stored is deleted.

Rules are tried one after the other over one connection, in the order of the standard. A run that
is over its time limit goes on, but the rules that are left are not tried and count as failed: it
always ends, and never as if they had held.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from tests.conformance.checks.store import JSON_ANSWER, body_of, content_type_of, stored_uids
from tests.conformance.material import Material, material
from tests.conformance.rules import Failed, Rule, Unsupported
from tests.conformance.site import Site

TIME_LIMIT_S = 300.0

Outcome = Literal["passed", "failed", "not supported"]


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one rule. `seen` is empty when it passed."""

    rule: Rule
    outcome: Outcome
    seen: str
    seconds: float

    def as_json(self) -> dict[str, Any]:
        rule = asdict(self.rule)
        del rule["check"]
        return rule | {
            "outcome": self.outcome,
            "seen": self.seen,
            "seconds": round(self.seconds, 3),
        }


def set_up(site: Site) -> Material:
    """Stores the material, a study at a time, and notes which samples the server has.

    Raises Failed when the server cannot be reached or refuses all of it.
    """
    given = material()
    site.labels.update(given.labels())
    refusals: list[str] = []
    for study_uid, samples in given.studies().items():
        reply = site.send(
            "POST",
            "/studies",
            accept=JSON_ANSWER,
            headers={"Content-Type": content_type_of()},
            content=body_of(*(one.file for one in samples)),
        )
        given.answers[study_uid] = reply
        has = stored_uids(reply)
        given.stored.update(one.name for one in samples if one.uid in has)
        if not has:
            refusals.append(reply.said())
    if not given.stored:
        raise Failed(f"nothing could be stored: {refusals[0] if refusals else 'no answer'}")
    return given


def clean_up(site: Site, given: Material) -> list[str]:
    """Deletes the studies of the run where the server lets it; returns those that stay."""
    stay: list[str] = []
    for study_uid in (*given.studies(), *given.more_studies):
        try:
            if site.send("DELETE", f"/studies/{study_uid}").status not in (200, 202, 204, 404):
                stay.append(study_uid)
        except Failed:
            stay.append(study_uid)
    return stay


def tried(rule: Rule, site: Site, given: Material) -> Result:
    """The rule's check, made a result; whatever it raises."""
    began = time.monotonic()
    outcome: Outcome = "passed"
    seen = ""
    try:
        rule.check(site, given)
    except Unsupported as error:
        outcome, seen = "not supported", str(error)
    except Failed as error:
        outcome, seen = "failed", str(error)
    except Exception as error:
        # A reply so odd that the check stumbled over it: the rule does not hold, and it is said so.
        outcome, seen = "failed", f"the check could not read the reply: {error!r}"
    return Result(rule, outcome, site.named(seen)[:1500], time.monotonic() - began)


def run(
    site: Site,
    given: Material,
    rules: Sequence[Rule],
    *,
    time_limit_s: float = TIME_LIMIT_S,
    progress: Callable[[Result], None] = lambda _: None,
) -> list[Result]:
    """The results of the rules in their order."""
    end = time.monotonic() + time_limit_s
    results: list[Result] = []
    for rule in rules:
        if time.monotonic() > end:
            result = Result(rule, "failed", f"not tried within {time_limit_s:.0f} s", 0.0)
        else:
            result = tried(rule, site, given)
        results.append(result)
        progress(result)
    return results


def exit_code(results: Sequence[Result]) -> int:
    """1 when something that shall be is not."""
    return int(any(one.rule.level == "shall" and one.outcome == "failed" for one in results))
