"""Plots are well-formed SVG; a dot stands where its value says, by day and by night."""

import math
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.plots import Dot, Group, colour_of, dot_plot, number, ticks_between

SVG = "{http://www.w3.org/2000/svg}"
VALUES = st.floats(1e-6, 1e9, allow_nan=False)


def dots(picture: str) -> list[float]:
    """Where the dots are, from the left."""
    return [float(dot.attrib["cx"]) for dot in ET.fromstring(picture).iter(f"{SVG}circle")]


def test_equal_factors_are_equal_distances() -> None:
    rows = tuple(Dot("ours", value, value, value) for value in (1, 10, 100))
    one, two, three = dots(dot_plot("frames", [Group("case", rows)]))
    assert two - one == pytest.approx(three - two, abs=0.2)
    assert two > one


def test_every_row_has_its_label_and_its_number() -> None:
    group = Group(
        "6 connections <&>", (Dot("ours", 5564, 5427, 6000), Dot("Orthanc", 702, 669, 736))
    )
    picture = dot_plot("frames & more", [group])
    texts = [text.text for text in ET.fromstring(picture).iter(f"{SVG}text")]
    for expected in ("frames & more", "6 connections <&>", "ours", "Orthanc", "5,564", "702"):
        assert expected in texts
    assert "prefers-color-scheme: dark" in picture


def test_what_cannot_stand_on_the_axis_is_left_out() -> None:
    picture = dot_plot("x", [Group("case", (Dot("ours", 0, 0, 0), Dot("Orthanc", 3, 0, 4)))])
    assert len(dots(picture)) == 1
    with pytest.raises(ValueError, match="nothing to draw"):
        dot_plot("x", [Group("case", (Dot("ours", 0, 0, 0),))])


@given(VALUES, VALUES)
def test_ticks_enclose_what_is_drawn(one: float, other: float) -> None:
    low, high = sorted((one, other))
    ticks = ticks_between(low, high)
    assert len(ticks) >= 2
    assert ticks == sorted(set(ticks))
    assert ticks[0] <= low * (1 + 1e-9)
    assert high <= ticks[-1] * (1 + 1e-9)
    assert len(ticks) <= 3 * (math.log10(high / low) + 3)


@given(st.lists(st.tuples(VALUES, VALUES, VALUES), min_size=1, max_size=6))
def test_dots_stay_inside_of_the_picture(rows: list[tuple[float, float, float]]) -> None:
    group = Group("case", tuple(Dot("ours", b, a, c) for a, b, c in map(sorted, rows)))
    picture = dot_plot("x", [group], goal=1)
    width = float(ET.fromstring(picture).attrib["width"])
    assert all(0 < x < width for x in dots(picture))


def test_servers_keep_their_colours() -> None:
    assert colour_of("ours, 2 workers") == colour_of("ours") == "ours"
    assert colour_of("Orthanc, 10,000 studies") == "Orthanc"
    assert colour_of("dcmqrscp") == "other"


def test_numbers_are_short() -> None:
    assert [number(x) for x in (0.01234, 1.5, 12.34, 123.4, 1234567)] == [
        "0.0123",
        "1.5",
        "12.3",
        "123",
        "1,234,567",
    ]
