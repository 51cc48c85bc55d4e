"""Person names as they are compared: one fold for what is stored and for what is asked.

PS3.18 §8.3.4.2 and PS3.4 §C.2.2.2.1.1 leave the folding of names to the server. Ours makes equal
what a person typing a name would not distinguish: upper and lower case, accents, full and half
width, ligatures, blanks around a component and empty components at the end. The wild cards `*` and
`?` fold to themselves. The database never folds: its locale would decide what is found.
"""

import unicodedata
from collections.abc import Iterable

_ACCENTS = range(0x0300, 0x0370)
"""Combining marks of alphabetic scripts. Others carry meaning: か is not が."""


def fold(name: str) -> str:
    """One component group of a name, folded; folding again changes nothing."""
    if name.isascii():
        folded = name.lower()
    else:
        parts = unicodedata.normalize("NFKD", name.casefold())
        bare = "".join(char for char in parts if ord(char) not in _ACCENTS)
        folded = unicodedata.normalize("NFKC", bare).casefold()
    components = [" ".join(component.split()) for component in folded.split("^")]
    while components and not components[-1]:
        components.pop()
    return "^".join(components)


def fold_groups(groups: Iterable[str]) -> tuple[str, ...]:
    """The non-empty component groups of a name, folded, each a value of its own: a search in any
    script finds the person."""
    return tuple(folded for folded in map(fold, groups) if folded)
