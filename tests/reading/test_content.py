"""A content and its JSON: what goes out comes back the same, its digest with it."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dicomweb_server.reading.content import (
    SECTIONS,
    Content,
    ImageReference,
    MeasurementReference,
)
from dicomweb_server.reading.content_json import as_json, content_of, merged
from dicomweb_server.reading.differences import differences
from dicomweb_server.reading.errors import Refused

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=40)
UIDS = st.integers(0, 10**9).map(lambda n: f"1.2.{n}")
IMAGES = st.builds(
    ImageReference,
    study_uid=UIDS,
    series_uid=UIDS,
    instance_uid=UIDS,
    sop_class_uid=UIDS,
    frame_number=st.integers(0, 1000),
    note=TEXTS,
)
MEASUREMENTS = st.builds(
    MeasurementReference,
    tracking_uid=UIDS,
    label=TEXTS,
    kind=TEXTS,
    value=st.floats(-1e9, 1e9),
    unit=TEXTS,
    image=st.none() | IMAGES,
)
CONTENTS = st.builds(
    Content,
    template=TEXTS,
    language=st.sampled_from(["zh-CN", "en"]),
    sections=st.dictionaries(st.sampled_from(SECTIONS), TEXTS),
    fields=st.dictionaries(
        TEXTS, TEXTS | st.booleans() | st.integers(-(2**52), 2**52) | st.lists(TEXTS, max_size=3)
    ),
    key_images=st.lists(IMAGES, max_size=2).map(tuple),
    measurements=st.lists(MEASUREMENTS, max_size=2).map(tuple),
    comparisons=st.lists(UIDS, max_size=2).map(tuple),
    positive=st.none() | st.booleans(),
    difficult=st.booleans(),
    overrides=st.dictionaries(TEXTS, TEXTS),
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(CONTENTS)
def test_what_goes_out_as_json_comes_back_with_its_digest(content: Content) -> None:
    again = content_of(json.loads(json.dumps(as_json(content))))
    assert again == content and again.digest == content.digest
    assert content_of(json.loads(content.canonical())).digest == content.digest


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(CONTENTS, CONTENTS)
def test_differences_hold_both_texts_whole(old: Content, new: Content) -> None:
    found = differences(old, new)
    for code, pieces in found["sections"].items():
        assert "".join(t for mark, t in pieces if mark != "+") == old.sections.get(code, "")
        assert "".join(t for mark, t in pieces if mark != "-") == new.sections.get(code, "")


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["sections", "fields", "key_images", "positive", "overrides", "x"]), JSON
    )
)
def test_any_json_is_a_content_or_refused_by_name(document: dict[str, Any]) -> None:
    try:
        content_of(document).canonical()
    except Refused as error:
        assert error.name == "malformed" and error.field


@pytest.mark.parametrize(
    ("document", "patch", "result"),
    [
        # RFC 7396, Appendix A.
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": "foo"}, {"b": None}, {"a": "foo"}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_rfc_7396_a_merge_patch(document: Any, patch: Any, result: Any) -> None:
    assert merged(document, patch) == result
