"""What a self-check rule is, what it is given, and the terms it finds there."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dicomweb_server.reading.ages import age_text, years_at
from dicomweb_server.reading.clauses import Clause, clauses
from dicomweb_server.reading.content import Content, Exam, Patient

TOLD = ("findings", "impression", "addendum")
"""Sections that say what was seen now; history and recommendation speak of other things too."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a rule found something, and what its sentence is filled with."""

    section: str = ""
    start: int = 0
    end: int = 0
    said: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as rules.toml has it; `more` is what its kind of evaluator alone knows."""

    id: str
    version: int
    severity: str
    kind: str
    zh: str
    en: str
    more: Mapping[str, Any]

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> "Rule":
        own = {name: said[name] for name in ("id", "version", "severity", "kind", "zh", "en")}
        more = {
            name: _pattern(value) if name in _PATTERNS else value
            for name, value in said.items()
            if name not in own
        }
        return cls(**own, more=more)


_PATTERNS = frozenset({"terms", "but", "male", "female", "plain", "enhanced"})


@dataclass(frozen=True, slots=True)
class Concept:
    names: re.Pattern[str]
    seen: re.Pattern[str]
    said: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Region:
    name: str
    title_zh: str
    exam: re.Pattern[str]
    terms: re.Pattern[str]
    near: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What several rules know, as rules.toml has it."""

    paired: Mapping[str, re.Pattern[str]]
    normal: re.Pattern[str]
    concepts: tuple[Concept, ...]
    regions: tuple[Region, ...]

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> "Knowledge":
        return cls(
            {organ: _pattern([words]) for organ, words in said["paired"].items()},
            _pattern([said["normal"]["terms"]]),
            tuple(
                Concept(
                    _pattern([each["names"]]),
                    _pattern([each["names"], each["seen"]]),
                    _pattern([each["names"], each["said"]]),
                )
                for each in said["concepts"]
            ),
            tuple(
                Region(
                    each["name"],
                    each["title_zh"],
                    _pattern([each["exam"]]),
                    _pattern([each["terms"]]),
                    tuple(each["near"]),
                )
                for each in said["regions"]
            ),
        )


@dataclass(frozen=True, slots=True)
class Context:
    """What is known beside the text.

    laterality  "L" or "R" where the images say one side
    defaults    texts of the template's sections, by section
    required    names and labels of the template's fields that must be filled
    elsewhere   ids of issued reports of other patients with the same findings
    """

    laterality: str = ""
    defaults: Mapping[str, str] = field(default_factory=dict)
    required: tuple[tuple[str, str], ...] = ()
    elsewhere: tuple[str, ...] = ()


NOTHING = Context()


@dataclass(frozen=True, slots=True)
class Subject:
    """What is checked."""

    content: Content
    patient: Patient
    exam: Exam
    context: Context
    knowledge: Knowledge

    @property
    def chinese(self) -> bool:
        return self.content.language.lower().startswith("zh")

    @property
    def years(self) -> float | None:
        return years_at(self.patient, self.exam)

    @property
    def age(self) -> str:
        return age_text(self.patient, self.exam, chinese=self.chinese)

    def section(self, code: str) -> str:
        return self.content.sections.get(code, "")


def _pattern(alternatives: Sequence[str]) -> re.Pattern[str]:
    said = "|".join(f"(?:{each})" for each in alternatives if each)
    return re.compile(said or r"(?!)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Mention:
    """A term in a section's clause."""

    section: str
    clause: Clause
    match: re.Match[str]

    @property
    def end(self) -> int:
        """Of the term in the clause, to the end of the word where the rule has only its stem."""
        tail = _WORD.match(self.clause.text, self.match.end())
        return tail.end() if tail else self.match.end()

    @property
    def denied(self) -> bool:
        return self.clause.denies(self.match.start(), self.end)

    def place(self, *more: str) -> Place:
        start, end = self.match.start(), self.end
        said = self.clause.text[start:end]
        return Place(
            self.section, self.clause.start + start, self.clause.start + end, (said, *more)
        )


_WORD = re.compile(r"(?<=[A-Za-z])[A-Za-z]*")


def mentions(
    subject: Subject,
    terms: re.Pattern[str],
    *,
    sections: Sequence[str] = TOLD,
    but: re.Pattern[str] | None = None,
) -> Iterator[Mention]:
    """Each term in the sections, those in clauses with something of `but` left out."""
    for section in sections:
        for clause in clauses(subject.section(section)):
            if but is not None and but.search(clause.text):
                continue
            for match in terms.finditer(clause.text):
                yield Mention(section, clause, match)
