"""Query parameters in general (PS3.18 §8.3)."""

from tests.conformance.material import Material
from tests.conformance.reading import JSON, uids
from tests.conformance.rules import QUERY, Registrar
from tests.conformance.site import Site

rule = Registrar(QUERY)


@rule("8.3", "shall", "A search with an unsupported query parameter is answered as if without it.")
def a_search_ignores_unknown_parameters(site: Site, given: Material) -> None:
    study = given.having("ct1").study_uid
    reply = site.get(
        "/studies", accept=JSON, query={"StudyInstanceUID": study, "x-no-such-parameter": "1"}
    )
    reply.require(uids(reply.expect(200).items) == [study], "the one study")


@rule(
    "8.3", "shall", "A retrieve with an unsupported query parameter is answered as if without it."
)
def a_retrieve_ignores_unknown_parameters(site: Site, given: Material) -> None:
    path = given.having("ct1").path + "/metadata"
    reply = site.get(path, accept=JSON, query={"nosuchparameter": "x"})
    reply.require(len(reply.expect(200).items) == 1, "the instance")


@rule("8.3", "shall", "An invalid value of a supported parameter is a 400: limit.")
def a_limit_that_is_no_number_is_refused(site: Site, given: Material) -> None:
    site.get("/studies", accept=JSON, query={"limit": "many"}).expect(400)


@rule("8.3", "shall", "An invalid value of a supported parameter is a 400: offset.")
def a_negative_offset_is_refused(site: Site, given: Material) -> None:
    site.get("/studies", accept=JSON, query={"offset": "-1"}).expect(400)


@rule("8.3", "shall", "An invalid value of a supported parameter is a 400: fuzzymatching.")
def fuzzymatching_is_true_or_false(site: Site, given: Material) -> None:
    query = {"PatientID": given.patient_id("ct"), "fuzzymatching": "perhaps"}
    site.get("/studies", accept=JSON, query=query).expect(400)


@rule("8.3", "shall", "An invalid value of a supported parameter is a 400: a date.")
def a_date_that_is_none_is_refused(site: Site, given: Material) -> None:
    query = {"PatientID": given.patient_id("ct"), "StudyDate": "yesterday"}
    site.get("/studies", accept=JSON, query=query).expect(400)


@rule("8.3", "shall", "An invalid value of a supported parameter is a 400: a day no month has.")
def a_day_that_no_month_has_is_refused(site: Site, given: Material) -> None:
    query = {"PatientID": given.patient_id("ct"), "StudyDate": "20241341"}
    site.get("/studies", accept=JSON, query=query).expect(400)


@rule("8.3.1", "shall", "Names and values of parameters are percent-decoded.")
def parameters_are_percent_decoded(site: Site, given: Material) -> None:
    study = given.having("ct1").study_uid
    encoded = "".join(f"%{byte:02x}" for byte in study.encode())
    reply = site.get(f"/studies?StudyInstance%55ID={encoded}", accept=JSON)
    reply.require(uids(reply.expect(200).items) == [study], "the one study")


@rule("8.3.3.1", "shall", "Names of parameters are told apart by case: ACCEPT is not accept.")
def parameter_names_are_case_sensitive(site: Site, given: Material) -> None:
    path = given.having("ct1").path + "/metadata"
    reply = site.get(path, accept=JSON, query={"ACCEPT": "image/no-such-type"})
    reply.expect(200)


@rule("8.3.3.2", "shall", "A charset parameter with an unsupported character set is a 400.")
def an_unknown_charset_parameter_is_refused(site: Site, given: Material) -> None:
    path = given.having("ct1").path + "/metadata"
    site.get(path, accept=JSON, query={"charset": "no-such-charset"}).expect(400)
