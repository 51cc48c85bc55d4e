"""Self-checks of a report before it is signed: rules as data, findings with their place."""

from dataclasses import dataclass

from dicomweb_server.reading.content import Content, Exam, Patient


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found: `severity` "block" or "warn"; characters `start` to `end` of `section`,
    or of the whole when `section` is empty; `text` in the content's language."""

    rule: str
    version: int
    severity: str
    section: str
    start: int
    end: int
    text: str


def check(content: Content, *, patient: Patient, exam: Exam) -> tuple[Finding, ...]:
    """What the rules find in `content`; blocking ones that it overrides are among them."""
    raise NotImplementedError
