"""Search (QIDO-RS): resources, matching, what comes back, paging (PS3.18 §10.6, §8.3.4).

Matching is PS3.4's (§C.2.2.2), as §8.3.4.1.1 says. Every search is narrowed to the run's own
patients, so that what else the server holds makes no difference.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from tests.conformance.checks.instances import stored_of_study
from tests.conformance.checks.store import fresh, sent
from tests.conformance.material import DAYS, PRIVATE_CREATOR, Material, new_uid, written
from tests.conformance.reading import JSON, XML, first, uids, values, xml_of
from tests.conformance.rules import SEARCH, Level, Registrar, Unsupported
from tests.conformance.site import Reply, Site

rule = Registrar(SEARCH)

STUDY, SERIES, INSTANCE = "0020000D", "0020000E", "00080018"


def search(
    site: Site, path: str, query: dict[str, str] | Sequence[tuple[str, str]], accept: str = JSON
) -> Reply:
    return site.get(path, accept=accept, query=query)


def days(site: Site, given: Material, **query: str) -> Reply:
    """A search for studies among the six of `days`."""
    return search(site, "/studies", {"PatientID": given.patient_id("days"), **query})


def finds(reply: Reply, given: Material, *names: str, tag: str = STUDY) -> None:
    """Raises Failed unless exactly the studies (series, instances) of the samples were found."""
    attribute = {STUDY: "study_uid", SERIES: "series_uid", INSTANCE: "uid"}[tag]
    wanted = sorted({getattr(given[name], attribute) for name in names})
    found = sorted(uids(reply.expect(200, 204).items, tag))
    called = {getattr(one, attribute): name for name, one in given.samples.items()}
    reply.require(
        found == wanted,
        f"{', '.join(names) or 'nothing'}; found {[called.get(uid, uid) for uid in found]}",
    )


# --- resources ------------------------------------------------------------------------------------


@rule("10.6.1.1", "shall", "All studies can be searched.")
def studies_can_be_searched(site: Site, given: Material) -> None:
    finds(days(site, given), given, *(day[0] for day in DAYS))


@rule("10.6.1.1", "shall", "The series of a study can be searched.")
def series_of_a_study_can_be_searched(site: Site, given: Material) -> None:
    reply = search(site, given.having("ct1").study + "/series", {})
    finds(reply, given, "ct1", "sr", tag=SERIES)


@rule("10.6.1.1", "shall", "The instances of a series can be searched.")
def instances_of_a_series_can_be_searched(site: Site, given: Material) -> None:
    reply = search(site, given.having("ct1").series + "/instances", {})
    finds(reply, given, "ct1", "ct2", "ct3", "ct4", "ct5", tag=INSTANCE)


@rule("10.6.1.1", "shall", "The instances of a study can be searched.")
def instances_of_a_study_can_be_searched(site: Site, given: Material) -> None:
    reply = search(site, given.having("ct1").study + "/instances", {})
    finds(reply, given, "ct1", "ct2", "ct3", "ct4", "ct5", "sr", tag=INSTANCE)


@rule("10.6.1.1", "shall", "All series can be searched, also by attributes of their study.")
def all_series_can_be_searched(site: Site, given: Material) -> None:
    reply = search(site, "/series", {"PatientID": given.patient_id("ct")})
    finds(reply, given, "ct1", "sr", tag=SERIES)


@rule("10.6.1.1", "shall", "All instances can be searched, also by attributes of study and series.")
def all_instances_can_be_searched(site: Site, given: Material) -> None:
    query = {"PatientID": given.patient_id("ct"), "Modality": "SR"}
    finds(search(site, "/instances", query), given, "sr", tag=INSTANCE)


@rule("8.3.4.4.1", "shall", "A search without matches is a 204.")
def no_matches_is_204(site: Site, given: Material) -> None:
    search(site, "/studies", {"StudyInstanceUID": new_uid()}).expect(204)


@rule("10.6.3.1", "should", "The series of a study that is not there are none: 204 or 404.")
def series_of_nothing(site: Site, given: Material) -> None:
    search(site, f"/studies/{new_uid()}/series", {}).expect(204, 404)


@rule("10.6.4", "shall", "Results can be had as application/dicom+json.")
def results_as_json(site: Site, given: Material) -> None:
    reply = days(site, given).expect(200)
    reply.require(reply.essence == JSON, JSON)


@rule("10.6.4", "shall", 'Results can be had as multipart/related; type="application/dicom+xml".')
def results_as_xml(site: Site, given: Material) -> None:
    query = {"PatientID": given.patient_id("days")}
    reply = search(site, "/studies", query, XML).expect(200)
    reply.require(len(reply.parts) == len(DAYS), f"{len(DAYS)} parts")
    for part in reply.parts:
        tags = {element.get("tag") for element in xml_of(reply, part)}
        reply.require(STUDY in tags, "the Study Instance UID in each part")


@rule("8.7.8.1", "shall", "Accept */* gets JSON, the default.")
def results_by_default(site: Site, given: Material) -> None:
    query = {"PatientID": given.patient_id("days")}
    reply = search(site, "/studies", query, "*/*").expect(200)
    reply.require(reply.essence == JSON, JSON)


# --- required matching attributes (Table 10.6.1-5) ------------------------------------------------


def match_rule(
    name: str,
    query: dict[str, str],
    wanted: Sequence[str],
    sentence: str,
    *,
    section: str = "10.6.1.2.3",
    level: Level = "shall",
    within: str | None = "days",
    path: str = "/studies",
    tag: str = STUDY,
) -> None:
    """`query` values may hold {token} and {uid of a sample}."""

    def check(site: Site, given: Material) -> None:
        filled = {
            key: value.format_map(
                {"token": given.token} | {n.replace("-", "_"): s for n, s in given.samples.items()}
            )
            for key, value in query.items()
        }
        if within is not None:
            filled = {"PatientID": given.patient_id(within), **filled}
        for one in wanted:
            given.having(one)
        finds(search(site, path, filled), given, *wanted, tag=tag)

    check.__name__ = name
    rule(section, level, sentence)(check)


ALL_DAYS = [day[0] for day in DAYS]

match_rule(
    "by_study_date", {"StudyDate": "20240115"}, ["day2", "day3"], "Studies match by Study Date."
)
match_rule("by_study_time", {"StudyTime": "093000"}, ["day2"], "Studies match by Study Time.")
match_rule(
    "by_accession_number",
    {"AccessionNumber": "D{token}4"},
    ["day4"],
    "Studies match by Accession Number.",
    within=None,
)
match_rule(
    "by_modalities_in_study",
    {"ModalitiesInStudy": "MR"},
    ["day2", "day4", "day6"],
    "Studies match by Modalities in Study.",
)
match_rule(
    "by_one_of_the_modalities",
    {"ModalitiesInStudy": "SR"},
    ["ct1"],
    "A study matches by any one of its modalities.",
    within="ct",
)
match_rule(
    "by_referring_physician",
    {"ReferringPhysicianName": "Physician^Bruno"},
    ["day2"],
    "Studies match by Referring Physician's Name.",
)
match_rule(
    "by_patient_name",
    {"PatientName": "Conf{token}^Ct"},
    ["ct1"],
    "Studies match by Patient's Name.",
    within=None,
)
match_rule(
    "by_patient_id",
    {"PatientID": "{token}-ct"},
    ["ct1"],
    "Studies match by Patient ID.",
    within=None,
)
match_rule(
    "by_study_instance_uid",
    {"StudyInstanceUID": "{day5.study_uid}"},
    ["day5"],
    "Studies match by Study Instance UID.",
    within=None,
)
match_rule("by_study_id", {"StudyID": "DAY3"}, ["day3"], "Studies match by Study ID.")
match_rule(
    "by_modality",
    {"Modality": "SR"},
    ["sr"],
    "Series match by Modality.",
    within="ct",
    path="/series",
    tag=SERIES,
)
match_rule(
    "by_series_instance_uid",
    {"SeriesInstanceUID": "{sr.series_uid}"},
    ["sr"],
    "Series match by Series Instance UID.",
    within=None,
    path="/series",
    tag=SERIES,
)
match_rule(
    "by_series_number",
    {"SeriesNumber": "9"},
    ["sr"],
    "Series match by Series Number.",
    within="ct",
    path="/series",
    tag=SERIES,
)
match_rule(
    "by_procedure_step_date",
    {"PerformedProcedureStepStartDate": "20240131"},
    ["ct1"],
    "Series match by Performed Procedure Step Start Date.",
    within="ct",
    path="/series",
    tag=SERIES,
)
match_rule(
    "by_procedure_step_time",
    {"PerformedProcedureStepStartTime": "101600"},
    ["ct1"],
    "Series match by Performed Procedure Step Start Time.",
    within="ct",
    path="/series",
    tag=SERIES,
)
match_rule(
    "by_scheduled_procedure_step",
    {"RequestAttributesSequence.ScheduledProcedureStepID": "STEP2{token}"},
    ["ct1"],
    "Series match by an attribute within Request Attributes Sequence.",
    within="ct",
    path="/series",
    tag=SERIES,
)
match_rule(
    "by_requested_procedure",
    {"00400275.00401001": "PROC1"},
    ["ct1"],
    "Sequences and their attributes may be given as tags.",
    within="ct",
    path="/series",
    tag=SERIES,
)
match_rule(
    "by_sop_class_uid",
    {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.33"},
    ["sr"],
    "Instances match by SOP Class UID.",
    within="ct",
    path="/instances",
    tag=INSTANCE,
)
match_rule(
    "by_sop_instance_uid",
    {"SOPInstanceUID": "{ct4.uid}"},
    ["ct4"],
    "Instances match by SOP Instance UID.",
    within=None,
    path="/instances",
    tag=INSTANCE,
)
match_rule(
    "by_instance_number",
    {"InstanceNumber": "3", "Modality": "CT"},
    ["ct3"],
    "Instances match by Instance Number.",
    within="ct",
    path="/instances",
    tag=INSTANCE,
)
match_rule(
    "by_tag",
    {"00080020": "20240201"},
    ["day5"],
    "An attribute may be given as a tag.",
    section="8.3.4.1",
)
match_rule(
    "by_lower_case_tag",
    {"0008103e": "Thin slices"},
    ["ct1"],
    "Hexadecimal digits of a tag may be lower case.",
    section="8.3.4.1",
    level="should",
    within="ct",
    path="/series",
    tag=SERIES,
)
match_rule(
    "by_several_attributes",
    {"StudyDate": "20240115", "ModalitiesInStudy": "CT"},
    ["day3"],
    "Several attributes must all match.",
    section="8.3.4.1",
)
match_rule(
    "by_study_description",
    {"StudyDescription": "Knee MR"},
    ["day2", "day4", "day6"],
    "Studies match by Study Description, an optional key that every worklist has.",
    section="PS3.4 C.6.2.1.2",
    level="may",
)

# --- types of matching (PS3.4 C.2.2.2) ------------------------------------------------------------

match_rule(
    "a_range_of_dates",
    {"StudyDate": "20240115-20240131"},
    ["day2", "day3", "day4"],
    "A range of dates includes both its ends.",
    section="PS3.4 C.2.2.2.5.1",
)
match_rule(
    "a_range_of_dates_open_at_its_end",
    {"StudyDate": "20240201-"},
    ["day5", "day6"],
    "A range of dates may be open at its end.",
    section="PS3.4 C.2.2.2.5.1",
)
match_rule(
    "a_range_of_dates_open_at_its_beginning",
    {"StudyDate": "-20240114"},
    ["day1"],
    "A range of dates may be open at its beginning.",
    section="PS3.4 C.2.2.2.5.1",
)
match_rule(
    "a_range_of_times",
    {"StudyTime": "093000-143000"},
    ["day2", "day3", "day6"],
    "A range of times includes both its ends.",
    section="PS3.4 C.2.2.2.5.2",
)
match_rule(
    "a_range_of_times_open_at_its_end",
    {"StudyTime": "143000-"},
    ["day3", "day5"],
    "A range of times may be open at its end.",
    section="PS3.4 C.2.2.2.5.2",
)
match_rule(
    "a_range_of_times_open_at_its_beginning",
    {"StudyTime": "-080000"},
    ["day1", "day4"],
    "A range of times may be open at its beginning.",
    section="PS3.4 C.2.2.2.5.2",
)
match_rule(
    "a_date_and_a_time_range_are_one_range",
    {"StudyDate": "20240115-20240131", "StudyTime": "080000-093000"},
    ["day2", "day3", "day4"],
    "A range of dates with a range of times is one range from moment to moment.",
    section="PS3.4 C.2.2.2.5",
    level="should",
)
match_rule(
    "a_short_time_in_a_range",
    {"StudyTime": "08-0930"},
    ["day1", "day2"],
    "Times in a range may lack minutes and seconds.",
    section="PS3.4 C.2.2.2.5.2",
)
match_rule(
    "an_empty_value_matches_all",
    {"StudyDescription": ""},
    ALL_DAYS,
    "A key without value matches everything (universal matching).",
    section="PS3.4 C.2.2.2.3",
)
match_rule(
    "a_lone_star_matches_all",
    {"ReferringPhysicianName": "*"},
    ALL_DAYS,
    "A value of * matches everything.",
    section="PS3.4 C.2.2.2.4",
)
match_rule(
    "a_star_matches_any_characters",
    {"AccessionNumber": "D{token}*"},
    ALL_DAYS,
    "* stands for any characters, at the end.",
    section="PS3.4 C.2.2.2.4",
    within=None,
)
match_rule(
    "a_star_in_front",
    {"StudyID": "*Y5"},
    ["day5"],
    "* stands for any characters, in front.",
    section="PS3.4 C.2.2.2.4",
)
match_rule(
    "a_star_in_the_middle",
    {"StudyID": "D*6"},
    ["day6"],
    "* stands for any characters, in the middle.",
    section="PS3.4 C.2.2.2.4",
)
match_rule(
    "a_star_matches_no_character",
    {"StudyID": "DAY1*"},
    ["day1"],
    "* stands for no character too.",
    section="PS3.4 C.2.2.2.4",
)
match_rule(
    "a_question_mark_matches_one_character",
    {"StudyID": "D?Y?"},
    ALL_DAYS,
    "? stands for exactly one character.",
    section="PS3.4 C.2.2.2.4",
)
match_rule(
    "a_question_mark_needs_a_character",
    {"StudyID": "DAY1?"},
    [],
    "? does not stand for no character.",
    section="PS3.4 C.2.2.2.4",
)
match_rule(
    "a_value_matches_whole",
    {"StudyID": "DAY"},
    [],
    "Without wild cards the whole value has to match.",
    section="PS3.4 C.2.2.2.1",
)
match_rule(
    "case_matters_but_in_names",
    {"StudyID": "day1"},
    [],
    "Single value matching is case-sensitive, except for names.",
    section="PS3.4 C.2.2.2.1",
)
match_rule(
    "case_matters_with_wild_cards",
    {"StudyID": "day*"},
    [],
    "Wild card matching is case-sensitive, except for names.",
    section="PS3.4 C.2.2.2.4",
)
match_rule(
    "letters_of_a_pattern_are_themselves",
    {"StudyID": "D.Y[1]"},
    [],
    "Only * and ? are wild cards.",
    section="PS3.4 C.2.2.2.4",
)
match_rule(
    "a_list_of_uids",
    {"StudyInstanceUID": "{day1.study_uid},{day6.study_uid}"},
    ["day1", "day6"],
    "A list of UIDs, separated by commas, matches each of them.",
    section="8.3.4.1",
    within=None,
)
match_rule(
    "a_list_of_uids_with_backslashes",
    {"StudyInstanceUID": "{day1.study_uid}\\{day6.study_uid}"},
    ["day1", "day6"],
    "A list of UIDs may be separated by backslashes, as in PS3.4.",
    section="PS3.4 C.2.2.2.2",
    level="should",
    within=None,
)
match_rule(
    "a_list_of_series_uids",
    {"SeriesInstanceUID": "{ct1.series_uid},{sr.series_uid}"},
    ["ct1", "sr"],
    "A list of UIDs matches at the series level too.",
    section="8.3.4.1",
    within=None,
    path="/series",
    tag=SERIES,
)
match_rule(
    "items_match_as_a_whole",
    {
        "RequestAttributesSequence.ScheduledProcedureStepID": "STEP1{token}",
        "RequestAttributesSequence.RequestedProcedureID": "PROC1",
    },
    ["ct1"],
    "Several attributes of a sequence match within one item.",
    section="PS3.4 C.2.2.2.6",
    within="ct",
    path="/series",
    tag=SERIES,
)
match_rule(
    "items_do_not_match_across_items",
    {
        "RequestAttributesSequence.ScheduledProcedureStepID": "STEP1{token}",
        "RequestAttributesSequence.RequestedProcedureID": "PROC2",
    },
    [],
    "Attributes that match in different items only do not match.",
    section="PS3.4 C.2.2.2.6",
    within="ct",
    path="/series",
    tag=SERIES,
)

# --- names ----------------------------------------------------------------------------------------

match_rule(
    "a_name_in_another_case",
    {"PatientName": "conf{token}^CT"},
    ["ct1"],
    "Names may match whatever their case (PS3.4 leaves it to the server).",
    section="PS3.4 C.2.2.2.1",
    level="may",
    within=None,
)
match_rule(
    "a_name_by_wild_card",
    {"PatientName": "Conf{token}^C*"},
    ["ct1"],
    "Names match by wild cards.",
    section="PS3.4 C.2.2.2.4",
    within=None,
)
match_rule(
    "a_name_by_its_letters_with_accents",
    {"PatientName": "Müller*"},
    ["latin"],
    "A name matches by the letters it has, whatever character set it was stored in: Latin 1.",
    section="PS3.4 C.2.2.2",
    within="names",
)
match_rule(
    "a_name_by_its_cyrillic_letters",
    {"PatientName": "Люксембург"},
    ["cyrillic"],
    "A name matches by the letters it has, whatever character set it was stored in: Cyrillic.",
    section="PS3.4 C.2.2.2",
    within="names",
)
match_rule(
    "a_name_by_its_chinese_characters",
    {"PatientName": "*张*"},
    ["chinese"],
    "A Chinese name matches by its characters.",
    section="PS3.4 C.2.2.2",
    level="should",
    within="names",
)
match_rule(
    "a_name_by_its_phonetic_group",
    {"PatientName": "*やまだ*"},
    ["japanese"],
    "A Japanese name matches by its phonetic group.",
    section="PS3.4 C.2.2.2",
    level="should",
    within="names",
)
match_rule(
    "a_name_by_its_alphabetic_group",
    {"PatientName": "Hong^Gildong*"},
    ["korean"],
    "A Korean name matches by its alphabetic group.",
    section="PS3.4 C.2.2.2",
    within="names",
)


FUZZY = ("Muller", "Mueller", "jürgen müller", "Jürgen Müller", "Müller Jürgen", "muler")
"""Six ways to miss Müller^Jürgen literally; how fuzzy matching is done is the server's choice."""


@rule("8.3.4.2", "shall", "fuzzymatching=true is done, or a Warning 299 says that it was not.")
def fuzzy_matching_or_a_warning(site: Site, given: Material) -> None:
    given.having("latin")
    for text in FUZZY:
        query = {
            "PatientID": given.patient_id("names"),
            "PatientName": text,
            "fuzzymatching": "true",
        }
        reply = search(site, "/studies", query).expect(200, 204)
        if "299" in reply.headers.get("warning", ""):
            return
        if given["latin"].study_uid in uids(reply.items) and text != FUZZY[0]:
            return
    raise reply.failed(f"Müller^Jürgen by one of {FUZZY}, or a Warning 299")


@rule("8.3.4.2", "may", "fuzzymatching=true finds names by sound, in any order of components.")
def fuzzy_matching_is_real(site: Site, given: Material) -> None:
    for text, name in (
        ("jürgen müller", "latin"),
        ("mueller", "latin"),
        ("zhang wei", "chinese"),
        ("wang xiaodong", "utf8"),
        ("yamada taro", "japanese"),
    ):
        query = {
            "PatientID": given.patient_id("names"),
            "PatientName": text,
            "fuzzymatching": "true",
        }
        reply = search(site, "/studies", query).expect(200, 204)
        if given.having(name).study_uid not in uids(reply.items):
            raise Unsupported(f"{reply.asked}: {given[name].dataset.PatientName} is not found")


@rule("8.3.4.2", "shall", "fuzzymatching=false is literal matching, without a warning.")
def literal_matching_has_no_warning(site: Site, given: Material) -> None:
    reply = days(site, given, fuzzymatching="false").expect(200)
    reply.require("fuzzy" not in reply.headers.get("warning", ""), "no Warning of fuzzymatching")


# --- empty and multiple values --------------------------------------------------------------------


@rule("8.3.4.5", "shall", "emptyvaluematching=true is done, or a Warning 299 says that it was not.")
def empty_value_matching_or_a_warning(site: Site, given: Material) -> None:
    given.having("bare")
    query = [
        ("PatientID", f"{given.token}-*"),
        ("AccessionNumber", '""'),
        ("emptyvaluematching", "true"),
    ]
    reply = search(site, "/studies", query).expect(200, 204)
    if "299" not in reply.headers.get("warning", ""):
        finds(reply, given, "bare")


@rule("PS3.4 C.2.2.2.7", "may", 'Empty value matching: "" matches absent and empty attributes.')
def empty_value_matching(site: Site, given: Material) -> None:
    given.having("bare")
    for keyword in ("AccessionNumber", "StudyDate", "PatientName", "ReferringPhysicianName"):
        query = [
            ("PatientID", f"{given.token}-*"),
            (keyword, '""'),
            ("emptyvaluematching", "true"),
        ]
        reply = search(site, "/studies", query).expect(200, 204)
        if "299" in reply.headers.get("warning", ""):
            raise Unsupported(f"{reply.asked}: {reply.headers['warning']}")
        finds(reply, given, "bare")


@rule(
    "8.3.4.6", "shall", "multiplevaluematching=true is done, or a Warning 299 says that it was not."
)
def multiple_value_matching_or_a_warning(site: Site, given: Material) -> None:
    query = {
        "PatientID": given.patient_id("ct"),
        "ModalitiesInStudy": "CT\\SR",
        "multiplevaluematching": "true",
    }
    reply = search(site, "/studies", query).expect(200, 204)
    if "299" not in reply.headers.get("warning", ""):
        finds(reply, given, "ct1")


@rule("PS3.4 C.2.2.2.8", "shall", "Multiple value matching, where done, wants every value: CT\\PT.")
def multiple_value_matching_is_and(site: Site, given: Material) -> None:
    query = {
        "PatientID": given.patient_id("ct"),
        "ModalitiesInStudy": "CT\\PT",
        "multiplevaluematching": "true",
    }
    reply = search(site, "/studies", query).expect(200, 204)
    if "299" in reply.headers.get("warning", ""):
        raise Unsupported(f"{reply.asked}: {reply.headers['warning']}")
    finds(reply, given)


@rule("8.3.4.1", "may", "A list of code strings, CT,MR, matches each of them (OHIF asks so).")
def a_list_of_modalities(site: Site, given: Material) -> None:
    reply = days(site, given, ModalitiesInStudy="CT,MR").expect(200, 204, 400)
    if len(uids(reply.items if reply.status != 400 else [])) != len(DAYS):
        raise Unsupported(f"{reply.asked}: {reply.said()}")


# --- time zones -----------------------------------------------------------------------------------


@rule("10.6.3.3", "shall", "A study stored with Timezone Offset From UTC returns it.")
def the_timezone_is_returned(site: Site, given: Material) -> None:
    reply = search(site, "/studies", {"PatientID": given.patient_id("ct")}).expect(200)
    reply.require(values(reply.items[0], "00080201") == ["+0100"], "+0100 in (0008,0201)")


# --- what comes back ------------------------------------------------------------------------------


def returned(
    site: Site, given: Material, path: str, query: dict[str, str], tags: Sequence[str]
) -> tuple[Reply, dict[str, Any]]:
    reply = search(site, path, query).expect(200)
    reply.require(len(reply.items) == 1, "one result")
    lacking = [tag for tag in tags if tag not in reply.items[0]]
    reply.require(not lacking, f"the attributes {lacking}")
    return reply, reply.items[0]


STUDY_TAGS = [
    *("00080020", "00080030", "00080050", "00080061", "00080090", "00081190"),
    *("00100010", "00100020", "00100030", "00100040"),
    *("0020000D", "00200010", "00201206", "00201208"),
]


@rule("10.6.3.3.1", "shall", "A study returns every attribute of Table 10.6.3-3 that it has.")
def a_study_returns_its_attributes(site: Site, given: Material) -> None:
    query = {"StudyInstanceUID": given.having("ct1").study_uid}
    reply, item = returned(site, given, "/studies", query, STUDY_TAGS)
    for tag, wanted in (
        ("00080020", ["20240131"]),
        ("00080030", ["101530"]),
        ("00080050", [f"A{given.token}CT"]),
        ("00100020", [given.patient_id("ct")]),
        ("00100010", [{"Alphabetic": f"Conf{given.token}^Ct"}]),
        ("00100030", ["19700203"]),
        ("00100040", ["O"]),
        ("00200010", ["SCT"]),
    ):
        reply.require(values(item, tag) == wanted, f"{wanted} in {tag}, not {values(item, tag)}")


@rule("10.6.3.3.1", "shall", "A study returns its numbers of series and instances.")
def a_study_returns_its_counts(site: Site, given: Material) -> None:
    query = {"StudyInstanceUID": given.having("ct1").study_uid}
    reply, item = returned(site, given, "/studies", query, ["00201206", "00201208"])
    counts = [int(first(item, "00201206")), int(first(item, "00201208"))]
    stored = stored_of_study(given, "ct1")
    wanted = [len({one.series_uid for one in stored}), len(stored)]
    reply.require(counts == wanted, f"{wanted[0]} series and {wanted[1]} instances, not {counts}")


@rule("10.6.3.3.1", "shall", "A study returns Modalities in Study, each once.")
def a_study_returns_its_modalities(site: Site, given: Material) -> None:
    query = {"StudyInstanceUID": given.having("ct1").study_uid}
    reply, item = returned(site, given, "/studies", query, ["00080061"])
    found = sorted(values(item, "00080061"))
    reply.require(found == ["CT", "SR"], f"CT and SR, not {found}")


@rule("10.6.3.3.1", "shall", "Attributes without a value are returned empty (type R).")
def required_attributes_are_returned_empty(site: Site, given: Material) -> None:
    query = {"StudyInstanceUID": given.having("bare").study_uid}
    tags = [tag for tag in STUDY_TAGS if tag != "00081190"]
    returned(site, given, "/studies", query, tags)


@rule("10.6.3.3.1", "should", "Instance Availability is returned, and is ONLINE.")
def a_study_returns_its_availability(site: Site, given: Material) -> None:
    query = {"StudyInstanceUID": given.having("ct1").study_uid}
    reply, item = returned(site, given, "/studies", query, ["00080056"])
    reply.require(values(item, "00080056") == ["ONLINE"], "ONLINE")


SERIES_TAGS = "00080060 0008103E 00081190 0020000E 00200011 00201209 00400244 00400245 00400275"


@rule("10.6.3.3.2", "shall", "A series returns every attribute of Table 10.6.3-4 that it has.")
def a_series_returns_its_attributes(site: Site, given: Material) -> None:
    sample = given.having("ct1")
    query = {"SeriesInstanceUID": sample.series_uid}
    reply, item = returned(site, given, sample.study + "/series", query, SERIES_TAGS.split())
    reply.require(values(item, "00080060") == ["CT"], "Modality CT")
    reply.require(values(item, "0008103E") == ["Thin slices"], "Series Description")
    reply.require([int(one) for one in values(item, "00200011")] == [2], "Series Number 2")
    reply.require([int(one) for one in values(item, "00201209")] == [5], "five instances")


@rule("10.6.3.3.2", "shall", "A series returns the items of its Request Attributes Sequence.")
def a_series_returns_its_requests(site: Site, given: Material) -> None:
    sample = given.having("ct1")
    query = {"SeriesInstanceUID": sample.series_uid}
    reply, item = returned(site, given, sample.study + "/series", query, ["00400275"])
    found = [first(one, "00400009") for one in values(item, "00400275")]
    wanted = [f"STEP1{given.token}", f"STEP2{given.token}"]
    reply.require(found == wanted, f"items with {wanted}, not {found}")


INSTANCE_TAGS = "00080016 00080018 00081190 00200013 00280010 00280011 00280100"


@rule("10.6.3.3.3", "shall", "An instance returns every attribute of Table 10.6.3-5 that it has.")
def an_instance_returns_its_attributes(site: Site, given: Material) -> None:
    sample = given.having("ct2")
    query = {"SOPInstanceUID": sample.uid}
    path = sample.series + "/instances"
    reply, item = returned(site, given, path, query, INSTANCE_TAGS.split())
    found = [int(first(item, tag)) for tag in ("00200013", "00280010", "00280011", "00280100")]
    reply.require(found == [2, 48, 64, 16], f"number, rows, columns, bits 2 48 64 16, not {found}")


@rule("10.6.3.3.3", "shall", "A multi-frame instance returns Number of Frames.")
def an_instance_returns_its_number_of_frames(site: Site, given: Material) -> None:
    sample = given.having("multi")
    query = {"SOPInstanceUID": sample.uid}
    reply, item = returned(site, given, sample.series + "/instances", query, ["00280008"])
    reply.require(int(first(item, "00280008")) == 4, "four frames")


@rule("10.6.3.3", "should", "An instance returns Available Transfer Syntax UID (0008,3002).")
def an_instance_returns_its_transfer_syntax(site: Site, given: Material) -> None:
    sample = given.having("jpeg-2000")
    query = {"SOPInstanceUID": sample.uid}
    reply, item = returned(site, given, sample.series + "/instances", query, ["00083002"])
    found = values(item, "00083002")
    reply.require(sample.transfer_syntax in found, f"{sample.transfer_syntax} in {found}")


@rule("10.6.3.3.2", "shall", "A search for all series returns the attributes of their studies too.")
def all_series_return_their_study(site: Site, given: Material) -> None:
    query = {"SeriesInstanceUID": given.having("ct1").series_uid}
    tags = [tag for tag in STUDY_TAGS if tag not in ("00081190", "00201206", "00201208")]
    returned(site, given, "/series", query, tags)


@rule("10.6.3.3.3", "shall", "A search for all instances returns study and series attributes too.")
def all_instances_return_study_and_series(site: Site, given: Material) -> None:
    query = {"SOPInstanceUID": given.having("ct1").uid}
    tags = "00080020 00080050 00100010 00100020 0020000D 00200010 00080060 0020000E 00200011"
    returned(site, given, "/instances", query, tags.split())


@rule("10.6.3.3.3", "shall", "Instances of a study return the attributes of their series too.")
def instances_of_a_study_return_their_series(site: Site, given: Material) -> None:
    query = {"SOPInstanceUID": given.having("ct1").uid}
    path = given["ct1"].study + "/instances"
    returned(site, given, path, query, ["00080060", "0020000E", "00200011"])


def retrieve_url_rule(level: str, path: str, query: str, attribute: str) -> None:
    def check(site: Site, given: Material) -> None:
        sample = given.having("ct1")
        where = {"": "/studies", "study": sample.study + "/series"}.get(
            path, sample.series + "/instances"
        )
        reply = search(site, where, {query: getattr(sample, attribute)}).expect(200)
        url = first(reply.items[0], "00081190")
        reply.require(isinstance(url, str), "a Retrieve URL")
        again = site.get(str(url), accept='multipart/related; type="application/dicom"')
        again.expect(200)

    check.__name__ = f"the_retrieve_url_of_a_{level}_resolves"
    rule("10.6.3.3", "shall", f"The Retrieve URL of a {level} gets it.")(check)


retrieve_url_rule("study", "", "StudyInstanceUID", "study_uid")
retrieve_url_rule("series", "study", "SeriesInstanceUID", "series_uid")
retrieve_url_rule("instance", "series", "SOPInstanceUID", "uid")


@rule("10.6.3.3", "shall", "Attributes that were matched are returned.")
def matched_attributes_are_returned(site: Site, given: Material) -> None:
    query = {"PatientID": given.patient_id("days"), "StudyDescription": "Head CT"}
    reply = search(site, "/studies", query).expect(200, 204)
    if not reply.items:
        raise Unsupported(f"{reply.asked}: Study Description is not matched")
    found = {tuple(values(item, "00081030")) for item in reply.items}
    reply.require(found == {("Head CT",)}, f"Study Description Head CT, not {found}")


@rule("10.6.3.3", "shall", "Attributes of Tables 10.6.3 come in UTF-8, their names in groups.")
def names_in_results(site: Site, given: Material) -> None:
    query = {"StudyInstanceUID": given.having("japanese").study_uid}
    reply = search(site, "/studies", query).expect(200)
    wanted = {"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎", "Phonetic": "やまだ^たろう"}
    found = first(reply.items[0], "00100010")
    reply.require(found == wanted, f"{wanted}, not {found}")


# --- includefield ---------------------------------------------------------------------------------


def included(
    site: Site, given: Material, path: str, query: Sequence[tuple[str, str]]
) -> tuple[Reply, dict[str, Any]]:
    reply = search(site, path, list(query)).expect(200)
    reply.require(len(reply.items) == 1, "one result")
    return reply, reply.items[0]


def of_ct(given: Material, *fields: str) -> list[tuple[str, str]]:
    study = ("StudyInstanceUID", given.having("ct1").study_uid)
    return [study, *(("includefield", field) for field in fields)]


@rule("8.3.4.3", "shall", "includefield names an attribute by keyword or tag.")
def includefield_by_keyword_and_tag(site: Site, given: Material) -> None:
    for field in ("StudyDescription", "00081030"):
        reply, item = included(site, given, "/studies", of_ct(given, field))
        reply.require(values(item, "00081030") == ["Conformance ct"], "Study Description")


@rule(
    "8.3.4.3", "shall", "includefield may be a list, separated by commas, or given several times."
)
def includefield_is_a_list(site: Site, given: Material) -> None:
    for fields in (("StudyDescription,PatientSex",), ("StudyDescription", "PatientSex")):
        reply, item = included(site, given, "/studies", of_ct(given, *fields))
        reply.require("00081030" in item and "00100040" in item, "both attributes")


@rule("8.3.4.3", "shall", "The commas of includefield may be percent-encoded (OHIF sends so).")
def includefield_with_encoded_commas(site: Site, given: Material) -> None:
    study = given.having("ct1").study_uid
    fields = quote("00081030,00100040", safe="")
    path = f"/studies?StudyInstanceUID={study}&includefield={fields}"
    reply = site.get(path, accept=JSON).expect(200)
    item = reply.items[0]
    reply.require("00081030" in item and "00100040" in item, "both attributes")


@rule("10.6.3.3.1", "shall", "includefield=all returns the optional attributes of the level.")
def includefield_all(site: Site, given: Material) -> None:
    reply, item = included(site, given, "/studies", of_ct(given, "all"))
    for tag in ("00081030", "00080061", "00100040"):
        reply.require(tag in item, f"the attribute {tag}")


@rule("10.6.3.3.2", "shall", "includefield=all on series returns Series Description and its like.")
def includefield_all_on_series(site: Site, given: Material) -> None:
    sample = given.having("ct1")
    query = [("SeriesInstanceUID", sample.series_uid), ("includefield", "all")]
    reply, item = included(site, given, sample.study + "/series", query)
    for tag in ("0008103E", "00080060", "00200011"):
        reply.require(tag in item, f"the attribute {tag}")


@rule("10.6.3.3.3", "should", "includefield=all on instances returns what else they hold.")
def includefield_all_on_instances(site: Site, given: Material) -> None:
    sample = given.having("ct1")
    query = [("SOPInstanceUID", sample.uid), ("includefield", "all")]
    reply, item = included(site, given, sample.series + "/instances", query)
    for tag in ("00080008", "00200032", "00280030"):
        reply.require(tag in item, f"the attribute {tag}")


@rule("10.6.3.3.1", "shall", "Series and instance attributes are not returned of studies.")
def lower_attributes_are_not_returned(site: Site, given: Material) -> None:
    reply, item = included(site, given, "/studies", of_ct(given, "SeriesNumber", "SOPInstanceUID"))
    odd = [tag for tag in ("00200011", "00080018") if tag in item]
    reply.require(not odd, f"no {odd}")


@rule("10.6.3.3.2", "shall", "Instance attributes are not returned of series.")
def instance_attributes_are_not_returned(site: Site, given: Material) -> None:
    sample = given.having("ct1")
    query = [("SeriesInstanceUID", sample.series_uid), ("includefield", "SOPInstanceUID,Rows")]
    reply, item = included(site, given, sample.study + "/series", query)
    odd = [tag for tag in ("00080018", "00280010") if tag in item]
    reply.require(not odd, f"no {odd}")


@rule("10.6.3.3.2", "shall", "Study attributes in includefield are returned of series.")
def study_attributes_are_returned_of_series(site: Site, given: Material) -> None:
    sample = given.having("ct1")
    query = [
        ("SeriesInstanceUID", sample.series_uid),
        ("includefield", "StudyDescription,PatientID"),
    ]
    reply, item = included(site, given, sample.study + "/series", query)
    for tag in ("00081030", "00100020"):
        reply.require(tag in item, f"the attribute {tag}")


@rule("10.6.3.3.3", "may", "A private attribute in includefield is returned with its creator.")
def private_attributes_can_be_included(site: Site, given: Material) -> None:
    sample = given.having("values")
    query = [
        ("SOPInstanceUID", sample.uid),
        ("00090010", PRIVATE_CREATOR),
        ("includefield", "00091001"),
    ]
    reply = search(site, sample.series + "/instances", query).expect(200, 204, 400)
    items = reply.items if reply.status == 200 else []
    if not items or "00091001" not in items[0]:
        raise Unsupported(f"{reply.asked}: {reply.said()}")
    reply.require(values(items[0], "00090010") == [PRIVATE_CREATOR], "the private creator")


# --- pages ----------------------------------------------------------------------------------------


@rule("8.3.4.4", "shall", "limit bounds the number of results.")
def limit_bounds_the_results(site: Site, given: Material) -> None:
    reply = days(site, given, limit="2").expect(200)
    reply.require(len(reply.items) == 2, "two studies")


@rule("8.3.4.4", "shall", "limit and offset walk through all results, each once.")
def pages_cover_everything(site: Site, given: Material) -> None:
    found: list[str] = []
    for offset in (0, 2, 4):
        reply = days(site, given, limit="2", offset=str(offset)).expect(200)
        found += uids(reply.items)
    wanted = sorted(given[name].study_uid for name in ALL_DAYS)
    reply.require(sorted(found) == wanted, "the six studies, each on one page")


@rule("8.3.4.4.1", "shall", "An offset beyond the last match is a 204.")
def an_offset_beyond_the_end(site: Site, given: Material) -> None:
    days(site, given, offset="6").expect(204)
    days(site, given, offset="100000").expect(204)


@rule("8.3.4.4.1", "shall", "limit=0 returns no results: 204.")
def a_limit_of_zero(site: Site, given: Material) -> None:
    days(site, given, limit="0").expect(204)


@rule("8.3.4.4.1", "shall", "The same search returns the same results in the same order.")
def searches_are_idempotent(site: Site, given: Material) -> None:
    one, other = days(site, given).expect(200), days(site, given).expect(200)
    other.require(uids(one.items) == uids(other.items), "the same order again")


@rule("8.3.4.4.1", "shall", "When more results remain a Warning 299 says so.")
def remaining_results_are_warned_of(site: Site, given: Material) -> None:
    reply = days(site, given, limit="2").expect(200)
    warning = reply.headers.get("warning", "")
    ok = warning.startswith("299 ") and "additional results that can be requested" in warning
    expected = "Warning: 299 ...: There are 4 additional results that can be requested"
    reply.require(ok, f"{expected}, not {warning!r}")


@rule("8.3.4.4.1", "should", "The Warning 299 has the number of the results that remain.")
def remaining_results_are_counted(site: Site, given: Material) -> None:
    reply = days(site, given, limit="2").expect(200)
    warning = reply.headers.get("warning", "")
    reply.require(
        "There are 4 additional" in warning, f"There are 4 additional..., not {warning!r}"
    )


@rule("8.3.4.4.1", "shall", "When nothing remains there is no such Warning.")
def no_warning_when_nothing_remains(site: Site, given: Material) -> None:
    for query in ({}, {"limit": "6"}, {"limit": "2", "offset": "4"}):
        reply = days(site, given, **query).expect(200)
        warning = reply.headers.get("warning", "")
        reply.require("additional results" not in warning, f"no Warning, not {warning!r}")


@rule("8.3.4.4", "shall", "limit and offset work on series and instances too.")
def pages_of_instances(site: Site, given: Material) -> None:
    path = given.having("ct1").series + "/instances"
    found: list[str] = []
    for offset in ("0", "2", "4"):
        reply = search(site, path, {"limit": "2", "offset": offset}).expect(200)
        found += uids(reply.items, INSTANCE)
    wanted = sorted(given[f"ct{n}"].uid for n in range(1, 6))
    reply.require(sorted(found) == wanted, "the five instances, each on one page")


# --- currency -------------------------------------------------------------------------------------


@rule("10.6.3.3.1", "shall", "Modalities in Study and the counts are current after each store.")
def counts_are_current(site: Site, given: Material) -> None:
    study = new_uid()
    wanted: set[str] = set()
    for number, modality in enumerate(("CT", "PT", "CT"), 1):
        sent(site, written(fresh(given, study, Modality=modality))).expect(200)
        wanted.add(modality)
        reply = search(site, "/studies", {"StudyInstanceUID": study}).expect(200)
        item = reply.items[0]
        found = sorted(values(item, "00080061"))
        reply.require(found == sorted(wanted), f"{sorted(wanted)}, not {found}")
        counts = [int(first(item, tag)) for tag in ("00201206", "00201208")]
        reply.require(counts == [number, number], f"{number} series and instances, not {counts}")


@rule("10.6.3.3.1", "should", "Modalities in Study and the counts are current after a deletion.")
def counts_are_current_after_a_deletion(site: Site, given: Material) -> None:
    study = new_uid()
    kept, gone = fresh(given, study, Modality="CT"), fresh(given, study, Modality="PT")
    sent(site, written(kept), written(gone)).expect(200)
    path = f"/studies/{study}/series/{gone.SeriesInstanceUID}"
    site.send("DELETE", path).optional(400, 403).expect(200, 202, 204)
    reply = search(site, "/studies", {"StudyInstanceUID": study}).expect(200)
    item = reply.items[0]
    reply.require(values(item, "00080061") == ["CT"], f"CT alone, not {values(item, '00080061')}")
    reply.require(int(first(item, "00201206")) == 1, "one series")
