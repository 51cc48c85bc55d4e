"""Dot plots as SVG: a row for each target, cases one below the other, on a logarithmic axis.

A dot is the median, the line through it reaches from the slowest to the fastest round. What is
compared here differs by factors, not by amounts, and equal distances are equal factors. Text is
text and colours follow the reader's scheme, so a plot reads by day and by night.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, LEFT, RIGHT = 860, 250, 90
ROW, CASE, TOP, BOTTOM = 22, 30, 44, 30

# Told apart by the word beside them; the colour only helps. Each as (by day, by night).
COLOURS = {
    "ours": ("#0969da", "#58a6ff"),
    "Orthanc": ("#bc4c00", "#f0883e"),
    "nginx": ("#57606a", "#8b949e"),
    "": ("#8250df", "#bc8cff"),
}

_STYLE = """
text { font: 13px system-ui, sans-serif; fill: %s; }
.title { font-weight: 600; font-size: 15px; }
.case { font-weight: 600; }
.tick { font-size: 11px; fill: %s; }
.grid { stroke: %s; }
.goal { stroke: %s; stroke-dasharray: 4 3; }
"""


@dataclass(frozen=True, slots=True)
class Dot:
    """One row: who, the median, the slowest and the fastest round."""

    label: str
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Group:
    """The rows of one case."""

    title: str
    dots: tuple[Dot, ...]


def dot_plot(
    title: str, groups: Sequence[Group], *, goal: float | None = None, left: int = LEFT
) -> str:
    """The picture as an SVG document. Values of zero or less have no place on the axis and are
    left out; `goal` is a value that gets a line of its own, `left` the room for labels.

    Raises ValueError when no value is left.
    """
    groups = [
        Group(group.title, dots)
        for group in groups
        if (dots := tuple(dot for dot in group.dots if dot.value > 0))
    ]
    values = [x for group in groups for d in group.dots for x in (d.low, d.high, d.value) if x > 0]
    if not values:
        raise ValueError(f"nothing to draw for '{title}'")
    if goal is not None:
        values.append(goal)
    ticks = ticks_between(min(values), max(values))
    height = TOP + BOTTOM + sum(CASE + ROW * len(group.dots) for group in groups)

    def x(value: float) -> float:
        first, last = math.log10(ticks[0]), math.log10(ticks[-1])
        share = (math.log10(max(value, ticks[0])) - first) / (last - first)
        return round(left + share * (WIDTH - left - RIGHT), 1)

    body = [f'<text class="title" x="12" y="22">{escape(title)}</text>']
    for tick in ticks:
        at = x(tick)
        body.append(f'<path class="grid" d="M{at} {TOP}V{height - BOTTOM}"/>')
        body.append(_text(number(tick), at, height - BOTTOM + 16, "tick", anchor="middle"))
    if goal is not None:
        body.append(f'<path class="goal" d="M{x(goal)} {TOP}V{height - BOTTOM}"/>')
    y = TOP
    for group in groups:
        body.append(_text(group.title, 12, y + 20, "case"))
        y += CASE
        for dot in group.dots:
            middle, kind = y + ROW / 2, colour_of(dot.label)
            body.append(_text(dot.label, left - 12, middle + 4, "", anchor="end"))
            body.append(
                f'<g class="{kind}"><path d="M{x(dot.low)} {middle}H{x(dot.high)}"'
                f' stroke-width="2"/><circle cx="{x(dot.value)}" cy="{middle}" r="5"/></g>'
            )
            end = max(x(dot.high), x(dot.value)) + 10
            body.append(_text(number(dot.value), end, middle + 4, ""))
            y += ROW
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
        f' width="{WIDTH}" height="{height}" role="img" aria-label="{escape(title)}">\n'
        f"<style>{_style(0)}@media (prefers-color-scheme: dark) {{{_style(1)}}}</style>\n"
        f'<rect class="paper" width="100%" height="100%" rx="6"/>\n'
        + "\n".join(body)
        + "\n</svg>\n"
    )


def ticks_between(low: float, high: float) -> list[float]:
    """Round values that enclose [low, high], at least two: 1, 2, 5 in each power of ten while they
    are few, else powers of ten."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    steps = (1, 2, 5) if last - first <= 3 else (1,)
    every = [step * 10.0**power for power in range(first, last + 1) for step in steps]
    inside = [at for at in every if low < at < high]
    below = max((at for at in every if at <= low), default=every[0])
    above = min((at for at in every if at >= high and at > below), default=every[-1] * 10)
    return [below, *(at for at in inside if below < at < above), above]


def number(value: float) -> str:
    """Three digits, thousands set apart."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def colour_of(label: str) -> str:
    """The class of a row, by the name its label begins with."""
    return next((name for name in COLOURS if name and label.startswith(name)), "other")


def _style(scheme: int) -> str:
    ink, faint, grid, goal, paper = (
        ("#1f2328", "#57606a", "#d8dee4", "#cf222e", "#ffffff"),
        ("#e6edf3", "#8b949e", "#30363d", "#ff7b72", "#0d1117"),
    )[scheme]
    rules = "".join(
        f".{name or 'other'} {{ fill: {pair[scheme]}; stroke: {pair[scheme]}; }}\n"
        for name, pair in COLOURS.items()
    )
    return _STYLE % (ink, faint, grid, goal) + f".paper {{ fill: {paper}; }}\n" + rules


def _text(words: str, x: float, y: float, kind: str, *, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(words)}</text>'
