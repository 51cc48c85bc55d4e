"""Self-checks of a report before it is signed: rules as data, findings with their place.

rules.toml says what is looked for, evaluators.py how. A rule that blocks may be overridden with a
reason (`Content.overrides`); whether it is, is for who asks to see.
"""

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

from dicomweb_server.reading import evaluators
from dicomweb_server.reading.content import Content, Exam, Patient
from dicomweb_server.reading.rule import NOTHING, Context, Knowledge, Rule, Subject

MOST = 20
"""Findings of one rule: who has more finds them when these are put right."""

RULES = Path(__file__).with_name("rules.toml")


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found: `severity` "block" or "warn"; characters `start` to `end` (code points) of
    `section`, or of the whole when `section` is empty; `text` in the content's language."""

    rule: str
    version: int
    severity: str
    section: str
    start: int
    end: int
    text: str


def check(
    content: Content, *, patient: Patient, exam: Exam, context: Context = NOTHING
) -> tuple[Finding, ...]:
    """What the rules find in `content`; blocking ones that it overrides are among them.

    context  what is known beside the text (check_context.py)
    """
    subject = Subject(content, patient, exam, context, knowledge())
    chinese = subject.chinese
    findings = []
    for rule in rules():
        for place in islice(evaluators.EVALUATORS[rule.kind](rule, subject), MOST):
            text = (rule.zh if chinese else rule.en).format(*place.said)
            findings.append(
                Finding(
                    rule.id,
                    rule.version,
                    rule.severity,
                    place.section,
                    place.start,
                    place.end,
                    text,
                )
            )
    return tuple(findings)


@lru_cache(maxsize=1)
def rules() -> tuple[Rule, ...]:
    """In the order they are shown."""
    return tuple(Rule.of(each) for each in _read()["rules"])


@lru_cache(maxsize=1)
def knowledge() -> Knowledge:
    """What several rules know: organs, regions, words for the same finding."""
    return Knowledge.of(_read())


def _read() -> dict[str, list[dict[str, object]]]:
    return tomllib.loads(RULES.read_text(encoding="utf-8"))
