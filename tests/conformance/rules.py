"""Rules of the standard as functions: how they are registered, and what comes of trying one.

A rule is one sentence of PS3.18 (or of what it rests on: PS3.4, PS3.5, HTTP), with the section that
says it and how strongly. Its check is a function of the site under test and the material that was
stored there; it returns when the rule holds, and raises

    Failed        the rule does not hold: what was asked, what was expected, what came
    Unsupported   the server says that it does not have what the rule is about

Levels are the standard's own words. `shall` is an absolute requirement; `should` is a
recommendation, or what the standard calls typical behaviour; `may` is an option: a server that has
it must have it right, a server without it is conformant.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tests.conformance.material import Material
    from tests.conformance.site import Site

Level = Literal["shall", "should", "may"]
Check = Callable[["Site", "Material"], None]


class Failed(Exception):
    """The rule does not hold; the text says what was asked, expected and seen."""


class Unsupported(Exception):
    """The server says, or shows, that it does not have what the rule is about."""


@dataclass(frozen=True, slots=True)
class Group:
    """Rules of one transaction or topic, in the order of the standard."""

    section: str
    title: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One sentence of the standard.

    name      of the check's function; unique, and how the rule is spoken of
    section   `8.7.8.1` is of PS3.18; other parts and RFCs are named in full
    """

    name: str
    group: Group
    section: str
    level: Level
    sentence: str
    check: Check


_RULES: dict[str, Rule] = {}


def rules() -> Sequence[Rule]:
    """Every rule, in the order of its group and of its registration."""
    # The modules register their rules when they are imported.
    from tests.conformance.checks import every_module

    every_module()
    order: dict[Group, int] = {group: at for at, group in enumerate(GROUPS)}
    return sorted(_RULES.values(), key=lambda rule: order[rule.group])


def selected(only: Sequence[str]) -> Iterator[Rule]:
    """The rules whose group, section or name begins with one of the prefixes; all for none."""
    for rule in rules():
        names = (rule.group.section, rule.section, rule.name)
        if not only or any(name.startswith(prefix) for name in names for prefix in only):
            yield rule


def register(
    group: Group, section: str, level: Level, sentence: str, check: Check, *, name: str
) -> None:
    assert name not in _RULES, f"two rules are called {name}"
    assert sentence.endswith("."), f"the sentence of {name} lacks its full stop"
    _RULES[name] = Rule(name, group, section, level, sentence, check)


class Registrar:
    """`rule = Registrar(group)`, then `@rule("8.7.8.1", "shall", "Sentence.")` over a check."""

    def __init__(self, group: Group) -> None:
        self.group = group

    def __call__(self, section: str, level: Level, sentence: str) -> Callable[[Check], Check]:
        def registered(check: Check) -> Check:
            register(self.group, section, level, sentence, check, name=check.__name__)
            return check

        return registered


QUERY = Group("8.3", "Query parameters")
NEGOTIATION = Group("8.7", "Media types and transfer syntaxes")
CHARSET = Group("8.8", "Character sets")
CAPABILITIES = Group("8.9", "Capabilities")
URI = Group("9", "URI service (WADO-URI)")
INSTANCES = Group("10.4.1.1.1", "Retrieve: instances")
METADATA = Group("10.4.1.1.2", "Retrieve: metadata")
RENDERED = Group("10.4.1.1.3", "Retrieve: rendered")
THUMBNAILS = Group("10.4.1.1.4", "Retrieve: thumbnails")
BULK_DATA = Group("10.4.1.1.5", "Retrieve: bulk data and pixel data")
FRAMES = Group("10.4.1.1.6", "Retrieve: frames")
STORE = Group("10.5", "Store (STOW-RS)")
SEARCH = Group("10.6", "Search (QIDO-RS)")
JSON_MODEL = Group("F", "DICOM JSON and native DICOM XML")
HTTP = Group("HTTP", "Methods, validators, ranges, problems")
CORS = Group("CORS", "Requests of other origins")

GROUPS = (
    QUERY,
    NEGOTIATION,
    CHARSET,
    CAPABILITIES,
    URI,
    INSTANCES,
    METADATA,
    RENDERED,
    THUMBNAILS,
    BULK_DATA,
    FRAMES,
    STORE,
    SEARCH,
    JSON_MODEL,
    HTTP,
    CORS,
)
