"""Store (STOW-RS): every outcome, in JSON and XML, of files and of metadata with bulk data.

PS3.18 §10.5, Annex I (the response), Tables I.2-1 and I.2-2 (reasons); RFC 2046 and 2387 (bodies).
"""

import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

import imagecodecs
import numpy
from pydicom import dcmread
from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.uid import UID

from tests.conformance.material import (
    JPEG_BASELINE,
    MPEG_4,
    PDF,
    VIDEO,
    Material,
    instance,
    new_uid,
    ramp,
    with_pixels,
    written,
)
from tests.conformance.reading import (
    DICOM,
    JSON,
    first,
    frames_of,
    only_file,
    uids,
    values,
    xml_of,
)
from tests.conformance.rules import STORE, Failed, Registrar
from tests.conformance.site import Reply, Site

rule = Registrar(STORE)

JSON_ANSWER = "application/dicom+json"
XML_ANSWER = "application/dicom+xml"
BOUNDARY = "conformance-suite-7d1f"

RETRIEVE_URL = "00081190"
FAILURE_REASON = "00081197"
FAILED = "00081198"
REFERENCED = "00081199"
OTHER_FAILURES = "0008119A"
SOP_CLASS = "00081150"
SOP_INSTANCE = "00081155"


def content_type_of(inner: str = "application/dicom", boundary: str = BOUNDARY) -> str:
    return f'multipart/related; type="{inner}"; boundary={boundary}'


def body_of(*files: bytes, boundary: str = BOUNDARY, inner: str = "application/dicom") -> bytes:
    head = f"--{boundary}\r\nContent-Type: {inner}\r\n\r\n".encode()
    return b"".join(head + one + b"\r\n" for one in files) + f"--{boundary}--\r\n".encode()


def answer(reply: Reply) -> dict[str, Any]:
    """The Store Instances Response of a JSON reply; servers wrap it in an array too."""
    found = reply.json
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    reply.require(isinstance(found, dict), "a response data set")
    return dict(found)


def stored_uids(reply: Reply) -> set[str]:
    """SOP Instance UIDs that the response says are stored; empty when there is no such response."""
    try:
        items = values(answer(reply), REFERENCED)
    except Exception:
        return set()
    return {str(first(item, SOP_INSTANCE)) for item in items if isinstance(item, dict)}


def failed_uids(reply: Reply) -> dict[str, Any]:
    """SOP Instance UID -> Failure Reason."""
    items = values(answer(reply), FAILED)
    return {str(first(item, SOP_INSTANCE)): first(item, FAILURE_REASON) for item in items}


def sent(
    site: Site,
    *files: bytes,
    path: str = "/studies",
    accept: str = JSON_ANSWER,
    content_type: str | None = None,
    body: bytes | Iterator[bytes] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    return site.send(
        "POST",
        path,
        accept=accept,
        headers={"Content-Type": content_type or content_type_of(), **(headers or {})},
        content=body_of(*files) if body is None else body,
    )


def fresh(given: Material, study_uid: str | None = None, **more: Any) -> Dataset:
    """A new small instance of a study that is deleted with the run."""
    uid = study_uid or new_uid()
    given.more_studies.add(uid)
    patient = {"PatientID": f"STORE-{given.token}", "PatientName": f"Store^{given.token}"}
    return instance(study_uid=uid, **{**patient, **more})


def path_of(dataset: Dataset) -> str:
    return (
        f"/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}"
        f"/instances/{dataset.SOPInstanceUID}"
    )


def is_stored(site: Site, reply: Reply, dataset: Dataset) -> None:
    """The reply says so, and the instance can be retrieved."""
    uid = str(dataset.SOPInstanceUID)
    reply.expect(200).require(uid in stored_uids(reply), "the instance among those stored")
    again = site.get(path_of(dataset), accept=DICOM + "; transfer-syntax=*")
    again.require(str(only_file(again).SOPInstanceUID) == uid, "the instance")


# --- the answer -----------------------------------------------------------------------------------


@rule("10.5.3.1", "shall", "When everything was stored the answer is 200.")
def all_stored_is_200(site: Site, given: Material) -> None:
    first_study = given["ct1"].study_uid
    given.answers[first_study].expect(200)


def _stores(name: str, what: str) -> None:
    def check(site: Site, given: Material) -> None:
        reply = given.answers[given[name].study_uid]
        reply.require(given[name].uid in stored_uids(reply), f"{name} among those stored")

    check.__name__ = f"stores_{name.replace('-', '_')}"
    rule("10.5.2", "should", f"{what} is stored.")(check)


for _name, _what in (
    ("sr", "A structured report"),
    ("rle", "An instance in RLE Lossless"),
    ("jpeg-ls", "An instance in JPEG-LS Lossless"),
    ("jpeg-2000", "An instance in JPEG 2000 Lossless"),
    ("htj2k", "An instance in HTJ2K Lossless"),
    ("jpeg", "An instance in JPEG Baseline"),
    ("implicit", "An instance in Implicit VR Little Endian"),
    ("big-endian", "An instance in Explicit VR Big Endian"),
    ("deflated", "An instance in Deflated Explicit VR Little Endian"),
    ("segmentation", "A segmentation of 1 bit"),
    ("float", "A parametric map of Float Pixel Data"),
    ("pdf", "An encapsulated PDF"),
    ("ecg", "A waveform"),
    ("values", "An instance with private attributes"),
    ("video", "A video"),
    ("presentation", "A presentation state"),
    ("bare", "An instance without optional attributes"),
):
    _stores(_name, _what)


@rule("10.5.3.3", "shall", "The answer is a Store Instances Response in application/dicom+json.")
def the_answer_is_dicom_json(site: Site, given: Material) -> None:
    reply = given.answers[given["ct1"].study_uid]
    reply.require(reply.essence == JSON_ANSWER, JSON_ANSWER)
    answer(reply)


@rule("I.1", "shall", "The answer in JSON is a data set, not an array of data sets.")
def the_answer_is_one_data_set(site: Site, given: Material) -> None:
    reply = given.answers[given["ct1"].study_uid]
    reply.require(isinstance(reply.json, dict), "a JSON object")


@rule("10.5.4", "shall", "The answer can be had as application/dicom+xml.")
def the_answer_as_xml(site: Site, given: Material) -> None:
    dataset = fresh(given)
    reply = sent(site, written(dataset), accept=XML_ANSWER).expect(200)
    reply.require(reply.essence == XML_ANSWER, XML_ANSWER)
    texts = {element.text for element in xml_of(reply).iter()}
    reply.require(str(dataset.SOPInstanceUID) in texts, "the SOP Instance UID in it")


@rule("8.7.8.1", "shall", "Accept */*, as OHIF sends, gets an answer in the default media type.")
def the_answer_with_a_wildcard(site: Site, given: Material) -> None:
    reply = sent(site, written(fresh(given)), accept="*/*").expect(200)
    reply.require(reply.essence in (JSON_ANSWER, XML_ANSWER), f"{JSON_ANSWER} or {XML_ANSWER}")


@rule("I.1", "shall", "Each stored instance is an item with class, instance and Retrieve URL.")
def stored_instances_are_referenced(site: Site, given: Material) -> None:
    reply = given.answers[given["ct1"].study_uid]
    items = {first(item, SOP_INSTANCE): item for item in values(answer(reply), REFERENCED)}
    for one in given.of_study("ct1"):
        reply.require(one.uid in items, f"an item for {one.name}")
        item = items[one.uid]
        sop_class = str(one.dataset.SOPClassUID)
        reply.require(first(item, SOP_CLASS) == sop_class, f"Referenced SOP Class UID {sop_class}")
        reply.require(RETRIEVE_URL in item, "a Retrieve URL (type 2) in the item")


@rule(
    "I.1", "shall", "The Retrieve URLs of the answer, where given, get the study and the instances."
)
def the_retrieve_urls_resolve(site: Site, given: Material) -> None:
    reply = given.answers[given["ct1"].study_uid]
    response = answer(reply)
    reply.require(RETRIEVE_URL in response, "a Retrieve URL (type 2)")
    urls = [first(response, RETRIEVE_URL), first(values(response, REFERENCED)[0], RETRIEVE_URL)]
    for url in filter(None, urls):
        site.get(str(url), accept=DICOM).expect(200)


@rule("I.1", "should", "Without failures there is no Failed SOP Sequence.")
def no_failures_no_sequence(site: Site, given: Material) -> None:
    reply = given.answers[given["ct1"].study_uid]
    for tag in (FAILED, OTHER_FAILURES):
        reply.require(not values(answer(reply), tag), f"no items in {tag}")


@rule("10.5.2", "should", "What was answered for is found and retrieved at once.")
def stored_is_found_at_once(site: Site, given: Material) -> None:
    dataset = fresh(given)
    is_stored(site, sent(site, written(dataset)), dataset)
    study = str(dataset.StudyInstanceUID)
    reply = site.get("/studies", accept=JSON, query={"StudyInstanceUID": study})
    reply.require(uids(reply.expect(200).items) == [study], "the study")


# --- studies --------------------------------------------------------------------------------------


@rule("10.5.1.1.1", "shall", "POST to a study stores instances of that study.")
def store_into_a_study(site: Site, given: Material) -> None:
    dataset = fresh(given)
    reply = sent(site, written(dataset), path=f"/studies/{dataset.StudyInstanceUID}")
    is_stored(site, reply, dataset)


@rule("10.5.3.1", "shall", "POST to a study of another study's instance stores nothing: 409.")
def store_into_another_study(site: Site, given: Material) -> None:
    dataset = fresh(given)
    other = new_uid()
    reply = sent(site, written(dataset), path=f"/studies/{other}").expect(409)
    site.get(path_of(dataset), accept=DICOM).expect(404)
    reply.require(
        isinstance(failed_uids(reply).get(str(dataset.SOPInstanceUID)), int),
        "a Failed SOP Sequence with a Failure Reason",
    )


@rule("10.5.3.1", "shall", "When some were stored and some not the answer is 202 and says which.")
def some_stored_is_202(site: Site, given: Material) -> None:
    good, bad = fresh(given), fresh(given)
    reply = sent(site, written(good), written(bad), path=f"/studies/{good.StudyInstanceUID}")
    reply.expect(202)
    reply.require(str(good.SOPInstanceUID) in stored_uids(reply), "the good one among the stored")
    reply.require(str(bad.SOPInstanceUID) in failed_uids(reply), "the other among the failed")


@rule("10.5.1.4", "shall", "One request may hold instances of several studies.")
def several_studies_at_once(site: Site, given: Material) -> None:
    one, other = fresh(given), fresh(given)
    reply = sent(site, written(one), written(other)).expect(200)
    wanted = {str(one.SOPInstanceUID), str(other.SOPInstanceUID)}
    reply.require(stored_uids(reply) == wanted, "both among the stored")


# --- failures -------------------------------------------------------------------------------------


@rule("10.5.3.1", "shall", "A part that is no DICOM does not keep its neighbours out: 202.")
def an_unreadable_part_fails_alone(site: Site, given: Material) -> None:
    dataset = fresh(given)
    reply = sent(site, b"this is no DICOM file" * 20, written(dataset)).expect(202)
    reply.require(str(dataset.SOPInstanceUID) in stored_uids(reply), "the good one stored")


@rule("I.1", "should", "A part without UIDs is told of in Other Failures Sequence (0008,119A).")
def unreadable_parts_are_other_failures(site: Site, given: Material) -> None:
    reply = sent(site, b"this is no DICOM file" * 20, written(fresh(given))).expect(202)
    items = values(answer(reply), OTHER_FAILURES)
    reply.require(len(items) == 1, "one item in (0008,119A)")
    reply.require(isinstance(first(items[0], FAILURE_REASON), int), "with a Failure Reason")


@rule("I.2.2", "should", "A part that is no DICOM has a reason Cxxx: cannot understand.")
def unreadable_parts_cannot_be_understood(site: Site, given: Material) -> None:
    reply = sent(site, b"this is no DICOM file" * 20, written(fresh(given))).expect(202)
    items = [*values(answer(reply), OTHER_FAILURES), *values(answer(reply), FAILED)]
    reasons = [first(item, FAILURE_REASON) for item in items]
    ok = len(reasons) == 1 and isinstance(reasons[0], int) and reasons[0] & 0xF000 == 0xC000
    reply.require(ok, f"one reason Cxxx, not {reasons}")


@rule("I.2.2", "shall", "Failure Reason is a number (US).")
def failure_reasons_are_numbers(site: Site, given: Material) -> None:
    dataset = fresh(given)
    reply = sent(site, written(dataset), path=f"/studies/{new_uid()}").expect(409)
    items = values(answer(reply), FAILED)
    reply.require(bool(items), "a Failed SOP Sequence")
    element = items[0].get(FAILURE_REASON, {})
    reply.require(element.get("vr") == "US", "VR US")
    reason = first(items[0], FAILURE_REASON)
    reply.require(isinstance(reason, int) and 0 < reason <= 0xFFFF, f"a number, not {reason!r}")


@rule("10.5.3.1", "should", "An instance cut short in its middle is not stored, its neighbour is.")
def a_truncated_instance_fails_alone(site: Site, given: Material) -> None:
    good, cut = fresh(given), fresh(given)
    with_pixels(cut, [ramp(64, 64)])
    reply = sent(site, written(cut)[:-3000], written(good)).expect(202)
    reply.require(str(good.SOPInstanceUID) in stored_uids(reply), "the good one stored")


def _without(keyword: str) -> None:
    def check(site: Site, given: Material) -> None:
        good, odd = fresh(given), fresh(given)
        delattr(odd, keyword)
        reply = sent(site, written(odd), written(good)).expect(202)
        reply.require(stored_uids(reply) == {str(good.SOPInstanceUID)}, "the good one alone stored")

    check.__name__ = f"an_instance_without_{keyword.lower()}_fails"
    rule("10.5.3", "should", f"An instance without {keyword} is refused, its neighbour stored.")(
        check
    )


_without("StudyInstanceUID")
_without("SeriesInstanceUID")


@rule("10.5.3.1", "shall", "A body that is not the multipart it says is a 400.")
def a_broken_body_is_400(site: Site, given: Material) -> None:
    sent(site, body=b"no delimiter anywhere in this body").expect(400)


@rule("10.5.1.4", "shall", "A request without payload is refused.")
def an_empty_body_is_refused(site: Site, given: Material) -> None:
    sent(site, body=b"").expect(400, 411)


@rule("10.5.3.1", "shall", "A Content-Type that is not supported is a 415.")
def an_unsupported_content_type_is_415(site: Site, given: Material) -> None:
    sent(site, content_type="text/plain", body=b"hello").expect(415)
    inner = content_type_of("text/plain")
    sent(site, content_type=inner, body=body_of(b"hello", inner="text/plain")).expect(415)


@rule("RFC 9110 15.5.16", "should", "A Content-Encoding that is not supported is a 415.")
def an_unknown_content_encoding_is_415(site: Site, given: Material) -> None:
    sent(site, written(fresh(given)), headers={"Content-Encoding": "x-none"}).expect(415)


@rule("8.7.8.1", "shall", "An answer in a media type there is none of is a 406.")
def an_answer_that_cannot_be_had(site: Site, given: Material) -> None:
    sent(site, written(fresh(given)), accept="audio/basic").expect(406)


# --- the same again -------------------------------------------------------------------------------


@rule("10.5.2", "should", "The same instance stored again is a success.")
def the_same_again_is_a_success(site: Site, given: Material) -> None:
    file = written(fresh(given))
    sent(site, file).expect(200)
    sent(site, file).expect(200)


@rule(
    "10.5.3",
    "should",
    "The same UID with other content: stored, or refused with a 409 that says so.",
)
def other_content_is_stored_or_refused(site: Site, given: Material) -> None:
    dataset = fresh(given, InstanceNumber=1)
    sent(site, written(dataset)).expect(200)
    dataset.InstanceNumber = 2
    reply = sent(site, written(dataset)).expect(200, 202, 409)
    found = only_file(site.get(path_of(dataset), accept=DICOM))
    if reply.status == 409:
        reply.require(int(found.InstanceNumber) == 1, "the first content kept after a 409")
        reply.require(str(dataset.SOPInstanceUID) in failed_uids(reply), "a Failed SOP Sequence")


# --- bodies ---------------------------------------------------------------------------------------


@rule("8.7.2", "shall", "The type of the body may be unquoted.")
def an_unquoted_type_is_taken(site: Site, given: Material) -> None:
    dataset = fresh(given)
    kind = f"multipart/related; type=application/dicom; boundary={BOUNDARY}"
    is_stored(site, sent(site, written(dataset), content_type=kind), dataset)


@rule("RFC 2046 5.1.1", "shall", "A quoted boundary with odd characters is taken.")
def an_odd_boundary_is_taken(site: Site, given: Material) -> None:
    dataset = fresh(given)
    boundary = "=_'()+,-./:=? odd"
    kind = f'multipart/related; type="application/dicom"; boundary="{boundary}"'
    body = body_of(written(dataset), boundary=boundary)
    is_stored(site, sent(site, content_type=kind, body=body), dataset)


@rule("RFC 2046 5.1.1", "shall", "A preamble and an epilogue are ignored.")
def preamble_and_epilogue_are_ignored(site: Site, given: Material) -> None:
    dataset = fresh(given)
    body = b"A preamble.\r\n" + body_of(written(dataset)) + b"An epilogue.\r\n"
    is_stored(site, sent(site, body=body), dataset)


@rule(
    "RFC 2046 5.1.1", "shall", "CRLF before the first and none after the last delimiter is taken."
)
def the_body_of_ohif_is_taken(site: Site, given: Material) -> None:
    dataset = fresh(given)
    body = b"\r\n" + body_of(written(dataset)).removesuffix(b"\r\n")
    is_stored(site, sent(site, body=body), dataset)


@rule("RFC 2045 5.1", "shall", "Headers of a part are case-insensitive, more of them are no harm.")
def part_headers_are_case_insensitive(site: Site, given: Material) -> None:
    dataset = fresh(given)
    file = written(dataset)
    body = (
        f"--{BOUNDARY}\r\ncontent-TYPE: Application/DICOM\r\nContent-Length: {len(file)}\r\n"
        "Content-ID: <1@example>\r\nMIME-Version: 1.0\r\nX-Odd: yes\r\n\r\n"
    ).encode()
    body += file + f"\r\n--{BOUNDARY}--\r\n".encode()
    is_stored(site, sent(site, body=body), dataset)


@rule("8.7.9", "shall", "A part may say its transfer syntax; the file's own counts.")
def a_part_may_say_its_transfer_syntax(site: Site, given: Material) -> None:
    dataset = fresh(given)
    inner = "application/dicom; transfer-syntax=1.2.840.10008.1.2.4.90"
    is_stored(site, sent(site, body=body_of(written(dataset), inner=inner)), dataset)


@rule("10.5.1.3", "shall", "A body with Transfer-Encoding: chunked is taken.")
def a_chunked_body_is_taken(site: Site, given: Material) -> None:
    dataset = fresh(given)
    body = body_of(written(dataset))
    pieces = (body[at : at + 97] for at in range(0, len(body), 97))
    is_stored(site, sent(site, body=pieces), dataset)


@rule(
    "RFC 9110 10.1.1", "shall", "Expect: 100-continue is answered before or with the final answer."
)
def expect_continue_is_answered(site: Site, given: Material) -> None:
    dataset = fresh(given)
    body = body_of(written(dataset))
    head = site.head_of(
        "POST",
        "/studies",
        f"Accept: {JSON_ANSWER}",
        f"Content-Type: {content_type_of()}",
        f"Content-Length: {len(body)}",
        "Expect: 100-continue",
        "Connection: close",
    )
    reply = site.raw(head + body, asked="POST /studies, Expect: 100-continue")
    reply.expect(200)


@rule("10.5.1", "may", "One instance can be sent as application/dicom without multipart.")
def a_single_part_body_is_taken(site: Site, given: Material) -> None:
    dataset = fresh(given)
    reply = sent(site, content_type="application/dicom", body=written(dataset)).optional(400, 415)
    is_stored(site, reply, dataset)


# --- metadata and bulk data -----------------------------------------------------------------------


def metadata_body(
    metadata: bytes, inner: str, *bulk: tuple[str, str, bytes], boundary: str = BOUNDARY
) -> bytes:
    """`bulk` is of Content-Type, Content-Location and content."""
    head = f"--{boundary}\r\nContent-Type: {inner}\r\n\r\n".encode()
    body = head + metadata + b"\r\n"
    for kind, location, content in bulk:
        body += (
            f"--{boundary}\r\nContent-Type: {kind}\r\nContent-Location: {location}\r\n\r\n"
        ).encode()
        body += content + b"\r\n"
    return body + f"--{boundary}--\r\n".encode()


def model(dataset: Dataset, bulk: Mapping[str, str]) -> dict[str, Any]:
    """DICOM JSON of the data set, `bulk` tags as URIs."""
    found: dict[str, Any] = dataset.to_json_dict()
    for tag, uri in bulk.items():
        found[tag] = {"vr": found.get(tag, {}).get("vr", "OB"), "BulkDataURI": uri}
    return dict(sorted(found.items()))


def xml_model(found: Mapping[str, Any]) -> bytes:
    """The same in native DICOM XML, for the few VRs that these rules send."""
    from xml.sax.saxutils import escape, quoteattr

    rows: list[str] = []
    for tag, element in found.items():
        vr = element["vr"]
        keyword = keyword_for_tag(int(tag, 16))
        rows.append(f'<DicomAttribute tag="{tag}" vr="{vr}" keyword="{keyword}">')
        if "BulkDataURI" in element:
            rows.append(f"<BulkData uri={quoteattr(element['BulkDataURI'])}/>")
        for number, value in enumerate(element.get("Value", []), 1):
            if vr == "PN":
                family, _, name = str(value["Alphabetic"]).partition("^")
                rows.append(
                    f'<PersonName number="{number}"><Alphabetic><FamilyName>{escape(family)}'
                    f"</FamilyName><GivenName>{escape(name)}</GivenName></Alphabetic></PersonName>"
                )
            else:
                rows.append(f'<Value number="{number}">{escape(str(value))}</Value>')
        rows.append("</DicomAttribute>")
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM">'
        + "".join(rows)
        + "</NativeDicomModel>"
    ).encode()


def split(
    site: Site,
    found: Mapping[str, Any],
    *bulk: tuple[str, str, bytes],
    xml: bool = False,
) -> Reply:
    """POST of metadata with its bulk data; Unsupported when the server takes no such thing."""
    inner = "application/dicom+xml" if xml else "application/dicom+json"
    metadata = xml_model(found) if xml else json.dumps([found]).encode()
    return sent(
        site, content_type=content_type_of(inner), body=metadata_body(metadata, inner, *bulk)
    ).optional(415)


def pictured(given: Material, *, described: bool = True) -> tuple[Dataset, numpy.ndarray]:
    """A data set without pixel data, and its 8 bit grey picture."""
    dataset = fresh(given, ConversionType="WSD")
    picture = numpy.add.outer(numpy.arange(32), numpy.arange(48)).astype("u1")
    with_pixels(dataset, [picture])
    del dataset.PixelData
    if not described:
        for keyword in ("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit"):
            delattr(dataset, keyword)
        for keyword in ("SamplesPerPixel", "PhotometricInterpretation", "PixelRepresentation"):
            delattr(dataset, keyword)
    return dataset, picture


def split_is_stored(
    site: Site, reply: Reply, dataset: Dataset, picture: numpy.ndarray, tolerance: int = 0
) -> Dataset:
    is_stored(site, reply, dataset)
    again = site.get(path_of(dataset), accept=DICOM + "; transfer-syntax=*")
    found = only_file(again)
    try:
        got = frames_of(found)[0]
    except Exception as error:
        raise again.failed(f"pixels that can be decoded ({error!r})") from None
    again.require(got.shape == picture.shape, f"a picture of shape {picture.shape}")
    apart = int(numpy.abs(got.astype(int) - picture.astype(int)).max())
    again.require(apart <= tolerance, f"pixels at most {tolerance} off, not {apart}")
    return found


OCTET_STREAM = "application/octet-stream"


def _split_rule(xml: bool) -> None:
    title = "XML" if xml else "JSON"

    def check(site: Site, given: Material) -> None:
        dataset, picture = pictured(given)
        found = model(dataset, {"7FE00010": "bulk/pixels"})
        part = (OCTET_STREAM, "bulk/pixels", picture.tobytes())
        split_is_stored(site, split(site, found, part, xml=xml), dataset, picture)

    check.__name__ = f"metadata_in_{title.lower()}_with_octets"
    rule(
        "10.5.1.4",
        "shall",
        f"Metadata in {title} with pixels as application/octet-stream is stored.",
    )(check)


_split_rule(False)
_split_rule(True)


def _compressed_rule(media_type: str, syntax: str, encode: Any, tolerance: int) -> None:
    def check(site: Site, given: Material) -> None:
        dataset, picture = pictured(given)
        found = model(dataset, {"7FE00010": "pixels"})
        kind = f"{media_type}; transfer-syntax={syntax}"
        reply = split(site, found, (kind, "pixels", bytes(encode(picture))))
        split_is_stored(site, reply, dataset, picture, tolerance)

    check.__name__ = f"metadata_with_{media_type.replace('/', '_')}"
    rule("10.5.2", "shall", f"Metadata with pixels as {media_type} is stored, encapsulated.")(check)


def _jpeg(picture: numpy.ndarray) -> bytes:
    return bytes(imagecodecs.jpeg8_encode(picture, level=95))


def _jp2(picture: numpy.ndarray) -> bytes:
    return bytes(imagecodecs.jpeg2k_encode(picture, level=0, reversible=True, codecformat="j2k"))


def _jphc(picture: numpy.ndarray) -> bytes:
    return bytes(imagecodecs.htj2k_encode(picture, reversible=True))


_compressed_rule("image/jpeg", JPEG_BASELINE, _jpeg, 4)
_compressed_rule("image/jls", "1.2.840.10008.1.2.4.80", imagecodecs.jpegls_encode, 0)
_compressed_rule("image/jp2", "1.2.840.10008.1.2.4.90", _jp2, 0)
_compressed_rule("image/jphc", "1.2.840.10008.1.2.4.201", _jphc, 0)


@rule("10.5.2", "shall", "Metadata with a video as video/mp4 is stored, encapsulated.")
def metadata_with_video_mp4(site: Site, given: Material) -> None:
    dataset = dcmread(io.BytesIO(given["video"].file))
    dataset.SOPInstanceUID, dataset.StudyInstanceUID = UID(new_uid()), UID(new_uid())
    dataset.SeriesInstanceUID = UID(new_uid())
    given.more_studies.add(str(dataset.StudyInstanceUID))
    del dataset.PixelData
    found = model(dataset, {"7FE00010": "video"})
    reply = split(site, found, (f"video/mp4; transfer-syntax={MPEG_4}", "video", VIDEO))
    is_stored(site, reply, dataset)
    again = site.get(path_of(dataset), accept=DICOM + "; transfer-syntax=*")
    again.require(VIDEO in only_file(again).PixelData, "the stream that was sent")


@rule("10.5.2", "shall", "Image Pixel attributes left out are derived from a JPEG.")
def image_pixel_attributes_are_derived(site: Site, given: Material) -> None:
    dataset, picture = pictured(given, described=False)
    found = model(dataset, {"7FE00010": "pixels"})
    kind = f"image/jpeg; transfer-syntax={JPEG_BASELINE}"
    reply = split(site, found, (kind, "pixels", _jpeg(picture)))
    stored = split_is_stored(site, reply, dataset, picture, 4)
    described = (int(stored.Rows), int(stored.Columns), int(stored.BitsAllocated))
    reply.require(described == (*picture.shape, 8), f"Rows, Columns, Bits of the JPEG: {described}")


@rule("10.5.1.4", "shall", "Metadata with an encapsulated document as application/pdf is stored.")
def metadata_with_a_document(site: Site, given: Material) -> None:
    dataset = dcmread(io.BytesIO(given["pdf"].file))
    dataset.SOPInstanceUID, dataset.StudyInstanceUID = UID(new_uid()), UID(new_uid())
    dataset.SeriesInstanceUID = UID(new_uid())
    given.more_studies.add(str(dataset.StudyInstanceUID))
    del dataset.EncapsulatedDocument
    found = model(dataset, {"00420011": "document"})
    reply = split(site, found, ("application/pdf", "document", PDF))
    is_stored(site, reply, dataset)
    stored = only_file(site.get(path_of(dataset), accept=DICOM))
    same = bytes(stored.EncapsulatedDocument).rstrip(b"\0") == PDF.rstrip(b"\0")
    reply.require(same, "the document")


@rule("10.5.1.4", "shall", "Metadata alone, of an object without bulk data, is stored.")
def metadata_alone_is_stored(site: Site, given: Material) -> None:
    dataset = fresh(given, PatientName="张^伟")
    is_stored(site, split(site, model(dataset, {})), dataset)
    stored = only_file(site.get(path_of(dataset), accept=DICOM))
    if str(stored.PatientName) != "张^伟":
        raise Failed(f"expected the name 张^伟, seen {stored.PatientName}")


@rule("10.5.2", "shall", "Metadata whose bulk data is missing is refused, its neighbour stored.")
def missing_bulk_data_fails_alone(site: Site, given: Material) -> None:
    bad, _ = pictured(given)
    good = fresh(given)
    metadata = json.dumps([model(bad, {"7FE00010": "nowhere"}), model(good, {})]).encode()
    inner = "application/dicom+json"
    reply = sent(
        site, content_type=content_type_of(inner), body=metadata_body(metadata, inner)
    ).optional(415)
    reply.expect(202).require(
        stored_uids(reply) == {str(good.SOPInstanceUID)}, "the good one alone"
    )
