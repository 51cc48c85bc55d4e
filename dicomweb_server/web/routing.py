"""From method and path to a handler: a tree of path segments, so that the forty-first route costs
what the first one does.

A pattern is literal segments and variables, `/studies/{study}/series`. A literal goes before a
variable. Paths come percent-decoded from ASGI. A variable named after a UID (`study`, `series`,
`instance`) takes only what PS3.5 §9.1 lets a UID be; anything else is BadPathUid, which names it,
and no path of the disk can be meant by it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from dicomweb_server.dicom.uids import MAX_LENGTH, is_uid

Endpoint = TypeVar("Endpoint")

_UID_VARIABLES = frozenset({"study", "series", "instance"})


class BadPathUid(Exception):
    """The segment for `variable` is no UID."""

    def __init__(self, variable: str, value: str) -> None:
        super().__init__(
            f"{value[:80]!r} is no {variable} UID: numbers with dots between, at most {MAX_LENGTH}"
            " characters (PS3.5 §9.1)"
        )
        self.variable = variable


@dataclass(slots=True)
class _Node(Generic[Endpoint]):
    literals: dict[str, "_Node[Endpoint]"] = field(default_factory=dict)
    variable: str = ""
    rest: "_Node[Endpoint] | None" = None
    methods: dict[str, Endpoint] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Match(Generic[Endpoint]):
    """What a path leads to: a handler for each method it knows."""

    methods: Mapping[str, Endpoint]
    parameters: Mapping[str, str]

    @property
    def allow(self) -> str:
        """The value of the Allow header (RFC 9110 §10.2.1)."""
        known = set(self.methods) | {"OPTIONS"}
        if "GET" in known:
            known.add("HEAD")
        return ", ".join(sorted(known))


class Router(Generic[Endpoint]):
    """Routes are added once, then only matched. A variable ending in `*`, as `{path*}`, takes all
    segments that remain."""

    def __init__(self) -> None:
        self._root: _Node[Endpoint] = _Node()

    def add(self, method: str, pattern: str, endpoint: Endpoint) -> None:
        node = self._root
        for segment in pattern.strip("/").split("/"):
            if segment.startswith("{"):
                name = segment[1:-1]
                assert node.variable in ("", name), f"{pattern}: {node.variable} or {name}?"
                node.variable = name
                node.rest = node.rest or _Node()
                node = node.rest
            else:
                node = node.literals.setdefault(segment, _Node())
        assert method not in node.methods, f"{method} {pattern} is there already"
        node.methods[method] = endpoint

    def match(self, path: str) -> Match[Endpoint] | None:
        """Where a path leads, None when nowhere; one slash at its end is ignored.

        Raises BadPathUid when only a UID in it is wrong.
        """
        parameters: dict[str, str] = {}
        node = self._root
        segments = path.removeprefix("/").removesuffix("/").split("/")
        for position, segment in enumerate(segments):
            literal = node.literals.get(segment)
            if literal is not None:
                node = literal
                continue
            if node.rest is None:
                return None
            name = node.variable
            node = node.rest
            if name.endswith("*"):
                parameters[name[:-1]] = "/".join(segments[position:])
                break
            parameters[name] = segment
        if not node.methods:
            return None
        for name, value in parameters.items():
            if name in _UID_VARIABLES and not is_uid(value):
                raise BadPathUid(name, value)
        return Match(node.methods, parameters)
