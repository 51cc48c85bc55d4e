"""Clauses of a report's text, and whether something in one is denied.

Chinese denies before (未见, 无, 不考虑) and behind (…除外, …阴性), as far as the next comma; an
enumeration (、) shares its denial. "不除外", "不能排除" and "cannot be excluded" deny nothing: what
they speak of is still held possible.
"""

import re
from dataclasses import dataclass

_END = re.compile(
    r"[。；;！？!?\n，]|,(?=\s*[\u4e00-\u9fff])|\.(?=\s|$)|\bbut\b|\bhowever\b|但(?!是否)",
    re.IGNORECASE,
)

_DENIED_BEFORE = re.compile(
    r"未见|未发现|未显示|未提示|未探及|未触及|未及|未示|未闻及|没有|不考虑|不支持|不符合|否认|阴性"
    r"|(?<!不)(?<!不能)(?<!未)(?<!未能)(?<!待)(?:排除|除外)|(?<!有)无(?!法|名|症状)"
    r"|\b(?:no|not|without|negative for|absence of|free of|den(?:y|ies)|excludes?|rule[sd]? out)\b",
    re.IGNORECASE,
)
_DENIED_BEHIND = re.compile(
    r"(?:征象|征|影|灶|改变|病变|形成|可能性?)?(?:已|可以|可|基本)?(?:(?:排除|除外|阴性|不明显|消失)|未见(?=$))"
    r"|\s*(?:(?:is|are|was|were|has been|have been)\s+)?(?:not (?:seen|identified|present|evident)"
    r"|absent|(?:excluded|ruled out))\b",
    re.IGNORECASE,
)
_AFFIRMED_AGAIN = re.compile(r"仅见|而见|伴有|并见|可见|except|apart from", re.IGNORECASE)


LONGEST = 400
"""Characters of a clause; what goes on without an end is cut, so that a text takes no longer than
its length explains."""


@dataclass(frozen=True, slots=True)
class Clause:
    """A part of a text, and where it begins there (in characters)."""

    text: str
    start: int

    def denies(self, start: int, end: int) -> bool:
        """Whether what stands from `start` to `end` of the clause is denied in it."""
        for cue in _DENIED_BEFORE.finditer(self.text, 0, start):
            if not _AFFIRMED_AGAIN.search(self.text, cue.end(), start):
                return True
        return _DENIED_BEHIND.match(self.text, end) is not None


def clauses(text: str) -> list[Clause]:
    """In order, without those of blanks only."""
    ends = [(each.start(), each.end()) for each in _END.finditer(text)]
    found = []
    start = 0
    for stop, after in (*ends, (len(text), len(text))):
        found += [
            Clause(text[at : min(at + LONGEST, stop)], at) for at in range(start, stop, LONGEST)
        ]
        start = after
    return [each for each in found if each.text.strip()]
