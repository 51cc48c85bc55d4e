"""QIDO parameters into queries (PS3.18 §8.3.4, PS3.4 §C.2.2.2)."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb_server.dicom.attributes import attributes_of, level_of, term_of, terms_of
from dicomweb_server.dicom.errors import BadQuery
from dicomweb_server.dicom.matching import ParsedQuery, default_attributes, parse_query
from storage.model import AnyOf, Between, Condition, Empty, Like, OneOf, QueryLevel, SameItem

STUDY, SERIES, INSTANCE = QueryLevel.STUDY, QueryLevel.SERIES, QueryLevel.INSTANCE


def parsed(level: QueryLevel, *parameters: tuple[str, str]) -> ParsedQuery:
    return parse_query(level, parameters)


def condition_of(level: QueryLevel, name: str, value: str) -> Condition:
    [condition] = parsed(level, (name, value)).query.conditions
    return condition


class TestConditions:
    @pytest.mark.parametrize(
        ("name", "value", "condition"),
        [
            ("PatientID", "007", OneOf(STUDY, "00100020", ("007",))),
            ("00100020", " 007 ", OneOf(STUDY, "00100020", ("007",))),
            ("0020000d", "1.2.3", OneOf(STUDY, "0020000D", ("1.2.3",))),
            ("StudyInstanceUID", "1.2,1.3", OneOf(STUDY, "0020000D", ("1.2", "1.3"))),
            ("StudyInstanceUID", "1.2\\1.3", OneOf(STUDY, "0020000D", ("1.2", "1.3"))),
            ("ModalitiesInStudy", "CT,MR", OneOf(STUDY, "00080061", ("CT", "MR"))),
            ("Modality", "CT", OneOf(STUDY, "00080061", ("CT",))),
            ("PatientName", "MÜLLER^jörg^^", OneOf(STUDY, "00100010", ("muller^jorg",))),
            ("PatientName", "Mül*", Like(STUDY, "00100010", "mul*")),
            ("PatientName", "王*", Like(STUDY, "00100010", "王*")),
            ("StudyDescription", "*chest?", Like(STUDY, "00081030", "*chest?")),
            ("StudyDate", "20240131", OneOf(STUDY, "00080020", ("20240131",))),
            ("StudyDate", "2024.01.31", OneOf(STUDY, "00080020", ("20240131",))),
            ("StudyDate", "20240101-20240131", Between(STUDY, "00080020", "20240101", "20240131")),
            ("StudyDate", "20240101-", Between(STUDY, "00080020", "20240101", None)),
            ("StudyDate", "-20240131", Between(STUDY, "00080020", None, "20240131")),
            ("StudyTime", "0930", OneOf(STUDY, "00080030", ("093000.000000",))),
            (
                "StudyTime",
                "09-1030",
                Between(STUDY, "00080030", "090000.000000", "103059.999999"),
            ),
            ("StudyTime", "-103000.5", Between(STUDY, "00080030", None, "103000.599999")),
            (
                "IssuerOfAccessionNumberSequence.LocalNamespaceEntityID",
                "X",
                SameItem(STUDY, "00080051", (OneOf(STUDY, "00400031", ("X",)),)),
            ),
        ],
    )
    def test_each_kind_of_matching_of_studies(
        self, name: str, value: str, condition: Condition
    ) -> None:
        assert condition_of(STUDY, name, value) == condition

    def test_names_of_several_groups_must_match_in_each(self) -> None:
        query = parsed(STUDY, ("PatientName", "Wang^XiaoDong=王*")).query
        assert query.conditions == (
            OneOf(STUDY, "00100010", ("wang^xiaodong",)),
            Like(STUDY, "00100010", "王*"),
        )

    def test_numbers_are_compared_as_numbers(self) -> None:
        assert condition_of(SERIES, "SeriesNumber", "007") == OneOf(SERIES, "00200011", ("7",))
        assert condition_of(INSTANCE, "Rows", "512") == OneOf(INSTANCE, "00280010", ("512",))

    def test_an_attribute_of_a_level_above_can_be_asked_for(self) -> None:
        assert condition_of(INSTANCE, "PatientID", "1") == OneOf(STUDY, "00100020", ("1",))
        assert condition_of(INSTANCE, "Modality", "CT") == OneOf(SERIES, "00080060", ("CT",))

    def test_an_attribute_of_an_item_has_a_path(self) -> None:
        name = "RequestAttributesSequence.ScheduledProcedureStepID"
        step = OneOf(SERIES, "00400009", ("A1",))
        assert condition_of(SERIES, name, "A1") == SameItem(SERIES, "00400275", (step,))

    def test_ps3_4_c_2_2_2_6_two_keys_of_a_sequence_must_match_in_one_item(self) -> None:
        sequence = "RequestAttributesSequence"
        [found] = parsed(
            SERIES,
            ("00400275.00400009", "A1"),
            (f"{sequence}.RequestedProcedureID", "P*"),
            (f"{sequence}.ScheduledProtocolCodeSequence.CodeValue", "X"),
        ).query.conditions
        code = SameItem(SERIES, "00400008", (OneOf(SERIES, "00080100", ("X",)),))
        step = OneOf(SERIES, "00400009", ("A1",))
        assert found == SameItem(SERIES, "00400275", (step, Like(SERIES, "00401001", "P*"), code))

    def test_a_date_and_time_ranges_to_the_end_of_what_it_names(self) -> None:
        found = condition_of(INSTANCE, "AcquisitionDateTime", "2020-202101")
        assert found == Between(INSTANCE, "0008002A", "2020", "202101~")
        assert isinstance(found, Between) and found.high is not None
        assert found.high > "20210131235959"

    def test_a_time_zone_is_no_range(self) -> None:
        found = condition_of(INSTANCE, "AcquisitionDateTime", "20200101120000-0500")
        assert found == OneOf(INSTANCE, "0008002A", ("20200101120000-0500",))

    @pytest.mark.parametrize("value", ["", "*", "**", " "])
    def test_universal_matching_asks_for_nothing(self, value: str) -> None:
        assert parsed(STUDY, ("PatientName", value)).query.conditions == ()

    def test_empty_value_matching_has_to_be_asked_for(self) -> None:
        asked = parsed(STUDY, ("AccessionNumber", '""'), ("emptyvaluematching", "true"))
        assert asked.query.conditions == (Empty(STUDY, "00080050"),)
        assert condition_of(STUDY, "AccessionNumber", '""') == OneOf(STUDY, "00080050", ('""',))

    def test_multiple_value_matching_has_to_be_asked_for(self) -> None:
        asked = parsed(STUDY, ("PatientID", "a\\b"), ("multiplevaluematching", "true"))
        assert asked.query.conditions == (
            OneOf(STUDY, "00100020", ("a",)),
            OneOf(STUDY, "00100020", ("b",)),
        )
        assert condition_of(STUDY, "PatientID", "a\\b") == OneOf(STUDY, "00100020", ("a\\b",))


class TestMoments:
    """PS3.4 §C.2.2.2.5, dates and times together and in zones."""

    RANGES = (("StudyDate", "20240101-20240103"), ("StudyTime", "2200-0600"))

    def test_ps3_4_c_2_2_2_5_two_ranges_are_one_range_of_moments(self) -> None:
        untimed = (
            Empty(STUDY, "00080020+"),
            Between(STUDY, "00080020", "20240101", "20240103"),
        )
        moments = Between(STUDY, "00080020+", "20240101220000.000000", "20240103060059.999999")
        assert parsed(STUDY, *self.RANGES).query.conditions == (
            Between(STUDY, "00080020", "20240101", "20240103"),
            AnyOf(STUDY, ((moments,), untimed)),
        )

    def test_a_date_with_a_range_of_times_is_one_too(self) -> None:
        found = parsed(STUDY, ("StudyDate", "20240101"), ("StudyTime", "10-")).query.conditions
        assert Between(STUDY, "00080020", "20240101", "20240101") in found

    def test_a_range_of_dates_with_one_time_of_day_is_none(self) -> None:
        asked = (("StudyDate", "20240101-20240103"), ("StudyTime", "10"))
        assert parsed(STUDY, *asked).query.conditions == (
            Between(STUDY, "00080020", "20240101", "20240103"),
            OneOf(STUDY, "00080030", ("100000.000000",)),
        )

    @pytest.mark.parametrize("zone", ["+0800", " 0800"])
    def test_a_zone_makes_them_utc(self, zone: str) -> None:
        asked = (*self.RANGES, ("TimezoneOffsetFromUTC", zone))
        first, second = parsed(STUDY, *asked).query.conditions
        assert first == Between(STUDY, "00080020", "20231230", "20240105")
        assert isinstance(second, AnyOf)
        utc = Between(STUDY, "00080020Z", "20240101140000.000000", "20240102220059.999999")
        assert second.alternatives[0] == (utc,)
        assert all(Empty(STUDY, "00080020Z") in one for one in second.alternatives[1:])

    def test_a_time_of_day_in_a_zone_may_go_over_midnight(self) -> None:
        asked = (("StudyTime", "0600-1000"), ("00080201", "+0800"))
        [found] = parsed(STUDY, *asked).query.conditions
        assert isinstance(found, AnyOf)
        assert found.alternatives[:2] == (
            (Between(STUDY, "00080030Z", "220000.000000", "235959.999999"),),
            (Between(STUDY, "00080030Z", "000000.000000", "020059.999999"),),
        )

    def test_a_zone_alone_asks_for_nothing(self) -> None:
        assert parsed(STUDY, ("TimezoneOffsetFromUTC", "-0330")).query.conditions == ()


class TestSearchable:
    """Attributes that are searched for because the configuration says so."""

    ATTRIBUTES = attributes_of(
        "instance:KVP, study:0009xx01 ACME 1.1, series:0009xx01 OTHER=IS, series:0011xx02 X, "
        "study:BodyPartExamined"
    )

    def conditions(self, level: QueryLevel, *asked: tuple[str, str]) -> tuple[Condition, ...]:
        return parse_query(level, asked, attributes=self.ATTRIBUTES).query.conditions

    def test_a_standard_attribute_is_of_the_level_that_is_said(self) -> None:
        assert self.conditions(INSTANCE, ("KVP", "120.0")) == (
            OneOf(INSTANCE, "00180060", ("120",)),
        )
        assert self.conditions(STUDY, ("BodyPartExamined", "HEAD")) == (
            OneOf(STUDY, "00180015", ("HEAD",)),
        )

    def test_a_private_attribute_is_known_by_its_creator(self) -> None:
        acme = OneOf(STUDY, "0009xx01 ACME 1.1", ("a",))
        assert self.conditions(STUDY, ("00091001", "a"), ("00090010", "ACME 1.1")) == (acme,)
        assert self.conditions(SERIES, ("00095501", "7"), ("00090055", "OTHER")) == (
            OneOf(SERIES, "0009xx01 OTHER", ("7",)),
        )
        assert self.conditions(SERIES, ("00111002", "x")) == (OneOf(SERIES, "0011xx02 X", ("x",)),)

    def test_which_creator_must_be_said_when_there_are_two(self) -> None:
        with pytest.raises(BadQuery, match=r"is one of ACME 1\.1, OTHER: say 00090010=CREATOR"):
            self.conditions(SERIES, ("00091001", "7"))

    @pytest.mark.parametrize(
        "setting", ["KVP", "patient:KVP", "series:Nonsense", "series:PixelData", "study:"]
    )
    def test_what_is_no_such_attribute_is_refused(self, setting: str) -> None:
        with pytest.raises(ValueError, match=setting.split(":")[-1] or "study:"):
            attributes_of(setting)

    def test_private_values_are_found_whatever_block_they_are_in(self) -> None:
        document = {
            "00090021": {"vr": "LO", "Value": ["ACME 1.1"]},
            "00092101": {"vr": "UN", "Value": ["a "]},
        }
        level = level_of(document, STUDY, self.ATTRIBUTES)
        assert level.terms == {"0009xx01 ACME 1.1": ("a",)}
        assert set(orjson.loads(level.document)) == {"00090021", "00092101"}

    def test_private_values_of_another_kind_are_returned_and_not_found(self) -> None:
        for configured in ("PN", "SQ"):
            attributes = attributes_of(f"study:0009xx01 ACME 1.1={configured}")
            document = {
                "00090021": {"vr": "LO", "Value": ["ACME 1.1"]},
                "00092101": {"vr": "LO", "Value": ["a"]},
            }
            level = level_of(document, STUDY, attributes)
            assert level.terms == {}
            assert set(orjson.loads(level.document)) == {"00090021", "00092101"}

    def test_a_creator_that_is_a_sequence_of_any_length_is_none(self) -> None:
        creator = {"vr": "SQ", "Value": orjson.Fragment(b"[{}]")}
        assert level_of({"00090021": creator}, STUDY, self.ATTRIBUTES).terms == {}

    def test_a_text_where_a_sequence_belongs_is_not_found(self) -> None:
        text = {"vr": "LO", "Value": ["x"]}
        assert level_of({"00400275": text}, SERIES).terms == {}
        nested = {"vr": "SQ", "Value": [{"00400008": text, "00400009": text}]}
        level = level_of({"00400275": nested}, SERIES)
        assert level.terms == {"00400275": ('{"00400009":["x"]}',)}


class TestParameters:
    def test_limit_offset_and_path(self) -> None:
        found = parse_query(
            SERIES, [("limit", "10"), ("offset", "20")], study_uid="1.2", series_uid=None
        ).query
        assert (found.limit, found.offset, found.study_uid) == (10, 20, "1.2")
        assert (parsed(STUDY).query.limit, parsed(STUDY).query.offset) == (None, 0)

    def test_includefield_takes_keywords_tags_and_lists_again_and_again(self) -> None:
        found = parsed(
            STUDY, ("includefield", "StudyDescription,00080060"), ("includefield", "00091001")
        )
        assert found.include == frozenset({"00081030", "00080060", "00091001"})

    def test_includefield_all(self) -> None:
        assert parsed(STUDY, ("includefield", "all")).include is None

    def test_ps3_18_8_3_4_2_fuzzy_matching_is_additional_to_literal_matching(self) -> None:
        asked = parsed(STUDY, ("fuzzymatching", "true"), ("PatientName", "Meier^J*"))
        [condition] = asked.query.conditions
        meier, j = OneOf(STUDY, "00100010~", ("=meier", "~MR")), OneOf(STUDY, "00100010~", ("=j",))
        assert condition == AnyOf(
            STUDY,
            (
                (Like(STUDY, "00100010", "meier^j*"),),
                (meier, AnyOf(STUDY, ((j,), (Like(STUDY, "00100010~", "=j*"),)))),
            ),
        )

    def test_a_cursor_and_the_wish_to_count(self) -> None:
        query = parsed(STUDY, ("cursor", "abc"), ("count", "true")).query
        assert (query.after, query.count) == ("abc", True)

    def test_table_10_6_3_3_to_5_are_the_default_attributes(self) -> None:
        assert {"00080020", "00080061", "00100010", "0020000D", "00201208"} <= (
            default_attributes(STUDY)
        )
        assert {"00080060", "0020000E", "00201209", "00400275"} <= default_attributes(SERIES)
        assert {"00080016", "00080018", "00200013", "00280008"} <= default_attributes(INSTANCE)


@pytest.mark.parametrize(
    ("level", "parameters", "sentence"),
    [
        (STUDY, [("limit", "abc")], "limit: is 'abc', it must be a whole number from 0 on"),
        (STUDY, [("limit", "-1")], "limit: is '-1'"),
        (STUDY, [("offset", "1.5")], "offset: is '1.5'"),
        (STUDY, [("fuzzymatching", "maybe")], "fuzzymatching: is 'maybe'"),
        (STUDY, [("PatientNme", "x")], "PatientNme: 'PatientNme' is neither a keyword"),
        (STUDY, [("includefield", "nonsense")], "includefield: 'nonsense' is neither"),
        (STUDY, [("SeriesNumber", "1")], "SeriesNumber: is an attribute of the series"),
        (STUDY, [("PixelData", "1")], "PixelData: cannot be searched for here"),
        (STUDY, [("00091001", "1")], "00091001: cannot be searched for here"),
        (STUDY, [("ProcedureCodeSequence", "1")], "ProcedureCodeSequence: is a sequence"),
        (STUDY, [("PatientID", "1"), ("00100020", "2")], "00100020: is given twice"),
        (STUDY, [("StudyDate", "yesterday")], "StudyDate: 'yesterday' cannot be read"),
        (STUDY, [("StudyDate", "2024-01-31")], "StudyDate: '2024-01-31' is no range"),
        (STUDY, [("StudyDate", "20240230")], "StudyDate: '20240230' is no date or time"),
        (STUDY, [("StudyDate", "20241301-")], "StudyDate: '20241301' is no date or time"),
        (STUDY, [("StudyTime", "2500")], "StudyTime: '2500' is no date or time"),
        (STUDY, [("StudyDate", "-")], "StudyDate: '-' is no range"),
        (STUDY, [("StudyDate", "20250101-20240101")], "ends before it begins"),
        (STUDY, [("StudyTime", "9")], "StudyTime: '9' cannot be read"),
        (STUDY, [("StudyInstanceUID", "../../x")], "StudyInstanceUID: '../../x' is no UID"),
        (STUDY, [("StudyInstanceUID", "1.2*")], "StudyInstanceUID: '1.2*' is no UID"),
        (STUDY, [("ModalitiesInStudy", "C*,MR")], "cannot hold wild cards"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(
    level: QueryLevel, parameters: list[tuple[str, str]], sentence: str
) -> None:
    with pytest.raises(BadQuery) as refused:
        parse_query(level, parameters)
    assert sentence in str(refused.value)


@given(
    st.sampled_from(list(QueryLevel)),
    st.lists(
        st.tuples(
            st.sampled_from(
                [
                    "PatientName",
                    "StudyDate",
                    "StudyTime",
                    "TimezoneOffsetFromUTC",
                    "fuzzymatching",
                    "AcquisitionDateTime",
                    "SeriesNumber",
                    "StudyInstanceUID",
                    "includefield",
                    "limit",
                    "0020000D.00100010",
                ]
            )
            | st.text(max_size=12),
            st.text(alphabet='0123456789-*?.,\\^= "aÜ王', max_size=20) | st.text(max_size=12),
        ),
        max_size=4,
    ),
)
def test_any_parameters_are_a_query_or_a_bad_query(
    level: QueryLevel, parameters: list[tuple[str, str]]
) -> None:
    try:
        parse_query(level, parameters)
    except BadQuery as refused:
        assert str(refused)


class TestTerms:
    @pytest.mark.parametrize(
        ("vr", "value", "expected"),
        [
            ("DA", "20240131", "20240131"),
            ("DA", "2024.01.31", "20240131"),
            ("DA", "soon", "soon"),
            ("TM", "1030", "103000.000000"),
            ("TM", "10:30:05.25", "103005.250000"),
            ("TM", "noon", "noon"),
            ("IS", "+007", "7"),
            ("DS", "2.50", "2.5"),
            ("DS", "1e3", "1000"),
            ("DS", "x", "x"),
            ("LO", " x ", "x"),
            ("UI", "1.2\0", "1.2"),
        ],
    )
    def test_equal_values_are_equal_strings(self, vr: str, value: str, expected: str) -> None:
        assert term_of(vr, value) == expected

    def test_empty_values_are_no_terms(self) -> None:
        assert terms_of("LO", [None, "", " ", "x"]) == ("x",)
        assert terms_of("PN", [None, {"Alphabetic": "^^", "Phonetic": "Ō"}]) == ("o",)
