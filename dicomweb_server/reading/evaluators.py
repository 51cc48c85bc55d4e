"""How the rules of rules.toml look: each kind of rule a small function from the rule and what is
checked to the places it finds. They know no organ and no word; those are the rule's."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from dicomweb_server.reading.clauses import clauses
from dicomweb_server.reading.rule import TOLD, Concept, Mention, Place, Rule, Subject, mentions

# --- what is missing ------------------------------------------------------------------------------


def header(rule: Rule, subject: Subject) -> Iterator[Place]:
    """REP-15."""
    patient = subject.patient
    for value, chinese, english in (
        (patient.name or patient.ideographic, "姓名", "patient's name"),
        (patient.sex, "性别", "patient's sex"),
        (subject.age, "年龄", "patient's age"),
        (patient.visit, "门诊/住院号", "in- or out-patient number"),
        (subject.exam.institution, "检查机构", "examining institution"),
    ):
        if not value.strip():
            yield Place(said=(chinese if subject.chinese else english,))


TITLES = {
    "history": ("临床病史", "History"),
    "technique": ("检查技术", "Technique"),
    "comparison": ("对比检查", "Comparison"),
    "findings": ("影像所见", "Findings"),
    "impression": ("诊断印象", "Impression"),
    "recommendation": ("建议", "Recommendation"),
    "addendum": ("补充报告", "Addendum"),
}
"""Titles of the sections, in Chinese and English."""


def sections(rule: Rule, subject: Subject) -> Iterator[Place]:
    for code in rule.more["mandatory"]:
        if not subject.section(code).strip():
            yield Place(code, said=(TITLES[code][0 if subject.chinese else 1],))


def fields(rule: Rule, subject: Subject) -> Iterator[Place]:
    for name, label in subject.context.required:
        if subject.content.fields.get(name) in (None, "", []):
            yield Place(said=(label,))


def terms(rule: Rule, subject: Subject) -> Iterator[Place]:
    for section in rule.more["sections"]:
        for match in rule.more["terms"].finditer(subject.section(section)):
            yield Place(section, match.start(), match.end(), (match[0],))


def untouched(rule: Rule, subject: Subject) -> Iterator[Place]:
    text, default = subject.section("findings"), subject.context.defaults.get("findings", "")
    if subject.content.positive and default.split() and text.split() == default.split():
        yield Place("findings", 0, len(text))


# --- normal or not --------------------------------------------------------------------------------


def normal(rule: Rule, subject: Subject) -> Iterator[Place]:
    """The impression says in every clause that all is well, and somebody marked it as abnormal."""
    said = clauses(subject.section("impression"))
    if subject.content.positive and said and all(rule.more["terms"].search(c.text) for c in said):
        first = said[0].text.strip()
        at = subject.section("impression").index(first)
        yield Place("impression", at, at + len(first), (first,))


def abnormal(rule: Rule, subject: Subject) -> Iterator[Place]:
    if subject.content.positive is not False:
        return
    for concept in subject.knowledge.concepts:
        for mention in mentions(subject, concept.names, sections=("impression",)):
            if not mention.denied:
                yield mention.place()
                break


def unsaid(rule: Rule, subject: Subject) -> Iterator[Place]:
    yield from _one_sided(subject, "findings", "impression", lambda concept: concept.said)


def unseen(rule: Rule, subject: Subject) -> Iterator[Place]:
    yield from _one_sided(subject, "impression", "findings", lambda concept: concept.seen)


def _one_sided(
    subject: Subject, here: str, there: str, words: Callable[[Concept], re.Pattern[str]]
) -> Iterator[Place]:
    """What `here` affirms and `there` has no word for; nothing while either is empty."""
    other = subject.section(there)
    if not other.strip():
        return
    for concept in subject.knowledge.concepts:
        if words(concept).search(other):
            continue
        for mention in mentions(subject, concept.names, sections=(here,)):
            if not mention.denied:
                yield mention.place()
                break


# --- sides ----------------------------------------------------------------------------------------

_SIDE = re.compile(
    r"(?P<both>双|两|\bbilateral|\bboth)|(?P<left>左|\bleft)|(?P<right>右|\bright)", re.I
)
_BETWEEN = 12
"""Characters between a side and its organ, at most; 30 in English."""


@dataclass(frozen=True, slots=True)
class Sided:
    """An organ with its side: "left", "right" or "both"."""

    organ: str
    side: str
    mention: Mention
    normal: bool


def _sided(subject: Subject, section: str) -> Iterator[Sided]:
    for clause in clauses(subject.section(section)):
        said = [(each.end(), each) for each in _SIDE.finditer(clause.text)]
        for organ, words in subject.knowledge.paired.items():
            for match in words.finditer(clause.text):
                before = [each for end, each in said if end <= match.start()]
                if not before:
                    continue
                side = before[-1]
                gap = match.start() - side.end()
                if gap > (_BETWEEN if side[0][0] > "\u2e7f" else 30):
                    continue
                found = re.compile(re.escape(clause.text[side.start() : match.end()]))
                whole = found.match(clause.text, side.start())
                assert whole is not None, "it was found there"
                yield Sided(
                    organ,
                    side.lastgroup or "",
                    Mention(section, clause, whole),
                    subject.knowledge.normal.search(clause.text) is not None,
                )


def sides(rule: Rule, subject: Subject) -> Iterator[Place]:
    """The impression has an organ's one side, the findings what is wrong with the other alone."""
    seen: dict[str, list[Sided]] = {}
    for each in _sided(subject, "findings"):
        if not each.normal:
            seen.setdefault(each.organ, []).append(each)
    for said in _sided(subject, "impression"):
        found = seen.get(said.organ, [])
        if said.side == "both" or said.normal or not found:
            continue
        if all(each.side not in (said.side, "both") for each in found):
            yield said.mention.place(found[0].mention.match[0])


def ordered_side(rule: Rule, subject: Subject) -> Iterator[Place]:
    """The order or the images are of one side, the report speaks of the other."""
    ordered = f"{subject.exam.description} {subject.exam.body_part}"
    organs = {organ for organ, words in subject.knowledge.paired.items() if words.search(ordered)}
    groups = {each.lastgroup for each in _SIDE.finditer(subject.exam.description)}
    side = {"L": "left", "R": "right"}.get(subject.context.laterality, "")
    if groups:
        side = next(iter(groups)) or "" if len(groups) == 1 else "both"
    if side not in ("left", "right") or not organs:
        return
    names = {"left": ("左侧", "left"), "right": ("右侧", "right")}[side]
    for section in TOLD:
        for said in _sided(subject, section):
            if said.organ not in organs or said.side in (side, "both"):
                continue
            if not rule.more["but"].search(said.mention.clause.text):
                yield said.mention.place(names[0 if subject.chinese else 1])


# --- who the patient is ---------------------------------------------------------------------------


def sex(rule: Rule, subject: Subject) -> Iterator[Place]:
    other = {"M": "female", "F": "male"}.get(subject.patient.sex)
    if other is None:
        return
    name = {"M": ("男", "male"), "F": ("女", "female")}[subject.patient.sex]
    for mention in mentions(subject, rule.more[other]):
        yield mention.place(name[0 if subject.chinese else 1])


def pregnancy(rule: Rule, subject: Subject) -> Iterator[Place]:
    years = subject.years
    fits = subject.patient.sex != "M" and (
        years is None or rule.more["from_years"] <= years < rule.more["to_years"]
    )
    if fits:
        return
    for mention in mentions(subject, rule.more["terms"]):
        if not mention.denied:
            yield mention.place(f"{subject.patient.sex} {subject.age}".strip())


def age(rule: Rule, subject: Subject) -> Iterator[Place]:
    years = subject.years
    if years is None:
        return
    above, below = rule.more.get("above_years"), rule.more.get("below_years")
    if (above is None or years < above) and (below is None or years >= below):
        return
    for mention in mentions(subject, rule.more["terms"]):
        if not mention.denied:
            yield mention.place(subject.age)


# --- what was examined ----------------------------------------------------------------------------


def contrast(rule: Rule, subject: Subject) -> Iterator[Place]:
    ordered = subject.exam.description
    if rule.more["enhanced"].search(ordered) or not rule.more["plain"].search(ordered):
        return
    told = ("technique", *TOLD)
    for mention in mentions(subject, rule.more["terms"], sections=told, but=rule.more["but"]):
        if not mention.denied:
            yield mention.place()


def region(rule: Rule, subject: Subject) -> Iterator[Place]:
    regions = subject.knowledge.regions
    ordered = f"{subject.exam.description} {subject.exam.body_part}"
    examined = [each for each in regions if each.exam.search(ordered)]
    if not examined:
        return
    shown = {each.name for each in examined} | {name for each in examined for name in each.near}
    title = "、".join(e.title_zh for e in examined)
    if not subject.chinese:
        title = ", ".join(each.name for each in examined)
    for each in regions:
        if each.name not in shown:
            for mention in mentions(subject, each.terms, but=rule.more["but"]):
                if not mention.denied:
                    yield mention.place(title)


# --- numbers --------------------------------------------------------------------------------------

_NUMBER = r"(?P<number>(?<![\d.])[-−]?\d+(?:\.\d+)?)"
# 12×8mm: the unit behind the last is that of all.
_CHAIN = r"(?:\s*[x×*]\s*\d+(?:\.\d+)?)*\s*"


def range_(rule: Rule, subject: Subject) -> Iterator[Place]:
    for each in rule.more["ranges"]:
        for match, value, _ in _quantities(subject, each["unit"]):
            if not each["low"] <= value <= each["high"]:
                unit = each["unit"].split("|")[0]
                yield match.place(f"{each['low']:g}–{each['high']:g} {unit}")


_LENGTHS_MM = {"mm": 1.0, "毫米": 1.0, "cm": 10.0, "厘米": 10.0}


def measured(rule: Rule, subject: Subject) -> Iterator[Place]:
    """The number of a measurement with another unit than it was measured in."""
    taken = [
        (each, each.value * _LENGTHS_MM[each.unit])
        for each in subject.content.measurements
        if each.unit in _LENGTHS_MM
    ]
    lengths = [mm for _, mm in taken]
    for mention, value, unit in _quantities(subject, "|".join(_LENGTHS_MM)):
        written_mm = value * _LENGTHS_MM[unit.lower()]
        if any(_same(written_mm, mm) for mm in lengths):
            continue
        for each, mm in taken:
            if _same(written_mm, mm * 10) or _same(written_mm * 10, mm):
                yield mention.place(f"{each.value:.1f} {each.unit}")
                break


def _same(one: float, other: float) -> bool:
    """As far as a report rounds: to a millimetre, or to a twentieth."""
    return abs(one - other) <= max(0.5, 0.05 * abs(other))


def _quantities(subject: Subject, unit: str) -> Iterator[tuple[Mention, float, str]]:
    """Numbers followed by a unit; of 12×8mm both."""
    pattern = re.compile(
        f"{_NUMBER}(?={_CHAIN}(?P<unit>{unit})(?![A-Za-z²³])){_CHAIN}(?:{unit})?", re.IGNORECASE
    )
    first = re.compile(_NUMBER)
    for mention in mentions(subject, pattern):
        unit_said = mention.match["unit"]
        for number in first.finditer(mention.match[0]):
            yield mention, float(number["number"].replace("−", "-")), unit_said


# --- other reports --------------------------------------------------------------------------------


def priors(rule: Rule, subject: Subject) -> Iterator[Place]:
    if subject.content.comparisons:
        return
    for mention in mentions(subject, rule.more["terms"], sections=("comparison", *TOLD)):
        if not mention.denied:
            yield mention.place()


def copied(rule: Rule, subject: Subject) -> Iterator[Place]:
    text, default = subject.section("findings"), subject.context.defaults.get("findings", "")
    if len(text) < rule.more["at_least"] or text.split() == default.split():
        return
    for report_id in subject.context.elsewhere[:1]:
        yield Place("findings", 0, len(text), (report_id,))


EVALUATORS: Mapping[str, Callable[[Rule, Subject], Iterator[Place]]] = {
    "header": header,
    "sections": sections,
    "fields": fields,
    "terms": terms,
    "untouched": untouched,
    "normal": normal,
    "abnormal": abnormal,
    "unsaid": unsaid,
    "unseen": unseen,
    "sides": sides,
    "ordered_side": ordered_side,
    "sex": sex,
    "pregnancy": pregnancy,
    "age": age,
    "contrast": contrast,
    "region": region,
    "range": range_,
    "measured": measured,
    "priors": priors,
    "copied": copied,
}
