"""The URI service, once called WADO-URI (PS3.18 §9).

Where it is, the standard leaves open. Unless it is said, `/wado` at the server's root is tried, and
`/wado` below the DICOMweb root.
"""

from typing import Any

import numpy

from tests.conformance.material import (
    EXPLICIT,
    JPEG_2000_LOSSLESS,
    JPEG_BASELINE,
    Material,
    Sample,
    new_uid,
)
from tests.conformance.reading import data_set, grey, picture_of, same_pixels
from tests.conformance.rules import URI, Registrar, Unsupported
from tests.conformance.site import NOT_THERE, Reply, Site

rule = Registrar(URI)


def wado(site: Site, sample: Sample, *, accept: str = "*/*", **parameters: Any) -> Reply:
    """One request; a parameter that is None is left out."""
    asked = {
        "requestType": "WADO",
        "studyUID": sample.study_uid,
        "seriesUID": sample.series_uid,
        "objectUID": sample.uid,
    } | parameters
    query = {name: str(value) for name, value in asked.items() if value is not None}
    return site.get(_place(site, sample), accept=accept, query=query)


def _place(site: Site, sample: Sample) -> str:
    if site.wado_uri is None:
        whole = {
            "requestType": "WADO",
            "studyUID": sample.study_uid,
            "seriesUID": sample.series_uid,
            "objectUID": sample.uid,
            "contentType": "application/dicom",
        }
        site.wado_uri = ""
        for place in (site.origin + "/wado", site.base + "/wado"):
            if site.get(place, accept="*/*", query=whole).status not in NOT_THERE:
                site.wado_uri = place
                break
    if not site.wado_uri:
        raise Unsupported("no URI service at /wado of the server nor of the DICOMweb root")
    return site.wado_uri


@rule("9.4", "shall", "contentType=application/dicom gets the instance.")
def uri_gets_an_instance(site: Site, given: Material) -> None:
    sample = given.having("ct1")
    reply = wado(site, sample, contentType="application/dicom").expect(200)
    reply.require(reply.essence == "application/dicom", "application/dicom")
    found = data_set(reply, reply.body)
    reply.require(str(found.SOPInstanceUID) == sample.uid, "the instance")
    same_pixels(reply, found, sample)


@rule("9.4", "shall", "Without transferSyntax the instance comes in Explicit VR Little Endian.")
def uri_sends_explicit_by_default(site: Site, given: Material) -> None:
    for name in ("implicit", "jpeg-2000"):
        sample = given.having(name)
        reply = wado(site, sample, contentType="application/dicom").expect(200)
        syntax = str(data_set(reply, reply.body).file_meta.TransferSyntaxUID)
        reply.require(syntax == EXPLICIT, f"{EXPLICIT}, not {syntax}")


@rule("9.4", "may", "transferSyntax is honoured.")
def uri_honours_transfer_syntax(site: Site, given: Material) -> None:
    sample = given.having("jpeg-2000")
    reply = wado(
        site, sample, contentType="application/dicom", transferSyntax=JPEG_2000_LOSSLESS
    ).expect(200)
    syntax = str(data_set(reply, reply.body).file_meta.TransferSyntaxUID)
    if syntax != JPEG_2000_LOSSLESS:
        raise Unsupported(f"{reply.asked}: came in {syntax}")


@rule("9.3", "shall", "Without contentType, Accept */*, the instance comes as image/jpeg.")
def uri_renders_by_default(site: Site, given: Material) -> None:
    reply = wado(site, given.having("ct1")).expect(200)
    reply.require(reply.essence == "image/jpeg", "image/jpeg")
    reply.require(picture_of(reply).shape[:2] == (48, 64), "48 rows of 64 columns")


@rule("8.7.4", "may", "contentType=image/png gets a PNG.")
def uri_gets_a_png(site: Site, given: Material) -> None:
    reply = wado(site, given.having("ct1"), contentType="image/png").optional(406).expect(200)
    reply.require(reply.essence == "image/png", "image/png")
    picture_of(reply)


@rule("8.7.8.1", "shall", "A contentType that cannot be had is a 406.")
def uri_content_type_that_cannot_be_had(site: Site, given: Material) -> None:
    wado(site, given.having("ct1"), contentType="audio/basic", accept="audio/basic").expect(406)


@rule("9.1.2", "shall", "A request without requestType, or with another than WADO, is a 400.")
def uri_request_type_is_mandatory(site: Site, given: Material) -> None:
    wado(site, given.having("ct1"), requestType=None).expect(400)
    wado(site, given.having("ct1"), requestType="OTHER").expect(400)


@rule("9.1.2", "shall", "A request without objectUID is a 400.")
def uri_object_uid_is_mandatory(site: Site, given: Material) -> None:
    wado(site, given.having("ct1"), objectUID=None).expect(400)


@rule("9.1.2", "shall", "A request without studyUID or seriesUID is a 400.")
def uri_study_and_series_are_mandatory(site: Site, given: Material) -> None:
    wado(site, given.having("ct1"), studyUID=None).expect(400)
    wado(site, given.having("ct1"), seriesUID=None).expect(400)


@rule("9.1.4", "shall", "An instance that is not there is a 404.")
def uri_unknown_instance(site: Site, given: Material) -> None:
    wado(site, given.having("ct1"), objectUID=new_uid()).expect(404)


@rule("9.1.2", "should", "An instance asked for under another study is a 404.")
def uri_instance_of_another_study(site: Site, given: Material) -> None:
    wado(site, given.having("ct1"), studyUID=given.having("multi").study_uid).expect(404)


@rule("9.5.1.2", "may", "rows and columns bound the picture, its proportions kept.")
def uri_rows_and_columns(site: Site, given: Material) -> None:
    reply = wado(site, given.having("ct1"), rows=24, columns=24).expect(200)
    shape = picture_of(reply).shape[:2]
    if shape == (48, 64):
        raise Unsupported(f"{reply.asked}: the picture keeps its size")
    reply.require(shape == (18, 24), f"18 rows of 24 columns, not {shape}")


@rule("9.5.1.2", "may", "windowCenter and windowWidth are applied.")
def uri_window(site: Site, given: Material) -> None:
    sample = given.having("ct1")
    whole = wado(site, sample, windowCenter="1024", windowWidth="4096")
    narrow = wado(site, sample, windowCenter="-1000", windowWidth="10")
    dark, bright = grey(picture_of(whole.expect(200))), grey(picture_of(narrow.expect(200)))
    if numpy.abs(dark - bright).max() < 8:
        raise Unsupported(f"{narrow.asked}: the window changes nothing")
    narrow.require(float(numpy.median(bright)) > 240, "most of the picture white")


@rule("9.5.1.2", "shall", "windowCenter without windowWidth is a 400, where they are supported.")
def uri_half_a_window(site: Site, given: Material) -> None:
    uri_window(site, given)
    wado(site, given.having("ct1"), windowCenter="40").expect(400)


@rule("9.5.2.2.1", "may", "frameNumber chooses the frame.")
def uri_frame_number(site: Site, given: Material) -> None:
    sample = given.having("multi")
    shown = [picture_of(wado(site, sample, frameNumber=n).expect(200)) for n in (1, 2)]
    if numpy.array_equal(shown[0], shown[1]):
        raise Unsupported("frameNumber changes nothing")


@rule("9.5.2.2.1", "shall", "A frameNumber beyond the last frame is a 400.")
def uri_frame_beyond_the_last(site: Site, given: Material) -> None:
    uri_frame_number(site, given)
    for number in ("5", "0", "x"):
        wado(site, given.having("multi"), frameNumber=number).expect(400)


@rule("9.5.1.2", "may", "imageQuality makes a JPEG smaller.")
def uri_image_quality(site: Site, given: Material) -> None:
    sample = given.having("rgb")
    high, low = (wado(site, sample, imageQuality=n).expect(200) for n in (95, 10))
    if len(low.body) >= len(high.body):
        raise Unsupported(f"{low.asked}: no smaller than at quality 95")


@rule("9.5.1.2", "may", "region cuts a part of the picture out.")
def uri_region(site: Site, given: Material) -> None:
    reply = wado(site, given.having("ct1"), region="0.25,0.25,0.75,0.75").expect(200)
    shape = picture_of(reply).shape[:2]
    if shape == (48, 64):
        raise Unsupported(f"{reply.asked}: the whole picture came")
    reply.require(shape == (24, 32), f"24 rows of 32 columns, not {shape}")


@rule("9.4", "shall", "A lossy instance asked for in its own transfer syntax comes as it is.")
def uri_lossy_instance_as_it_is(site: Site, given: Material) -> None:
    sample = given.having("jpeg")
    reply = wado(
        site, sample, contentType="application/dicom", transferSyntax=JPEG_BASELINE
    ).expect(200)
    syntax = str(data_set(reply, reply.body).file_meta.TransferSyntaxUID)
    reply.require(syntax == JPEG_BASELINE, f"{JPEG_BASELINE}, not {syntax}")
