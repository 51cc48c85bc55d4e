"""Bulk data by URI, and the bulkdata and pixeldata resources (PS3.18 §10.4.1.1.5, §10.4.1.1.7)."""

from urllib.parse import urljoin

import numpy

from tests.conformance.checks.instances import stored_of_study
from tests.conformance.material import PDF, Material, Sample
from tests.conformance.reading import JSON, OCTETS, bulk_uris, native
from tests.conformance.rules import BULK_DATA, Failed, Registrar
from tests.conformance.site import Reply, Site

rule = Registrar(BULK_DATA)


def uri_of(site: Site, sample: Sample, path: str) -> str:
    """The URL of a value, as the metadata names it. Raises Failed when it names none."""
    reply = site.get(sample.path + "/metadata", accept=JSON).expect(200)
    found = bulk_uris(reply.items[0])
    reply.require(path in found, f"a BulkDataURI of {path}, not only of {sorted(found)}")
    return urljoin(site.base + sample.path + "/metadata", found[path])


def value(site: Site, sample: Sample, path: str, accept: str = OCTETS) -> Reply:
    return site.get(uri_of(site, sample, path), accept=accept)


@rule("10.4.1.1.5", "shall", "Every BulkDataURI in metadata can be retrieved.")
def every_bulk_data_uri_resolves(site: Site, given: Material) -> None:
    for name in ("ct1", "values", "pdf", "ecg", "palette", "jpeg-2000", "segmentation", "float"):
        sample = given.having(name)
        reply = site.get(sample.path + "/metadata", accept=JSON).expect(200)
        for path, uri in bulk_uris(reply.items[0]).items():
            url = urljoin(site.base + sample.path + "/metadata", uri)
            if site.get(url, accept=OCTETS + "; transfer-syntax=*").status != 200:
                again = site.get(url, accept="*/*")
                again.require(again.status == 200, f"200 for the BulkDataURI of {path} in {name}")


@rule("10.4.1.1.5", "shall", "Bulk data of pixels is the pixels.")
def bulk_data_of_pixels(site: Site, given: Material) -> None:
    sample = given.having("ct1")
    reply = value(site, sample, "7FE00010").expect(200)
    found = b"".join(part.content for part in reply.parts)
    reply.require(found == native(sample.frames[0]), "the samples that were stored")


@rule("10.4.1.1.5", "shall", "Bulk data of a private attribute is its value.")
def bulk_data_of_a_private_attribute(site: Site, given: Material) -> None:
    reply = value(site, given.having("values"), "00091002").expect(200)
    reply.require(reply.parts[0].content == bytes(range(256)) * 600, "the value that was stored")


@rule("10.4.1.1.5", "shall", "Bulk data within a sequence item is its value.")
def bulk_data_within_a_sequence(site: Site, given: Material) -> None:
    path = "00091006/0/00091002"
    reply = value(site, given.having("values"), path).expect(200)
    expected = bytes(reversed(range(256))) * 500
    reply.require(reply.parts[0].content == expected, "the value that was stored")


@rule("10.4.1.1.5", "shall", "Bulk data of a waveform is its samples, little endian.")
def bulk_data_of_a_waveform(site: Site, given: Material) -> None:
    reply = value(site, given.having("ecg"), "54000100/0/54001010").expect(200)
    expected = numpy.arange(40000, dtype="<i2").tobytes()
    reply.require(reply.parts[0].content == expected, "the samples that were stored")


@rule("10.4.4", "may", "Bulk data can be had as application/octet-stream without multipart.")
def bulk_data_without_multipart(site: Site, given: Material) -> None:
    sample = given.having("ecg")
    path = "54000100/0/54001010"
    reply = value(site, sample, path, "application/octet-stream").optional(400, 406).expect(200)
    reply.require(reply.body == numpy.arange(40000, dtype="<i2").tobytes(), "the samples")


@rule("8.7.3.3", "may", "An encapsulated document can be had in its own media type.")
def bulk_data_of_a_document(site: Site, given: Material) -> None:
    sample = given.having("pdf")
    reply = site.get(sample.path + "/metadata", accept=JSON).expect(200)
    if "00420011" not in bulk_uris(reply.items[0]):
        # Small enough to be inline, which the standard lets the server choose.
        reply.require("InlineBinary" in reply.items[0].get("00420011", {}), "the document")
        url = f"{site.base}{sample.path}/bulkdata/00420011"
    else:
        url = uri_of(site, sample, "00420011")
    # As OHIF asks.
    accept = 'multipart/related; type="application/pdf"'
    again = site.get(url, accept=accept).optional(400, 406).expect(200)
    again.require(again.parts[0].media_type.essence == "application/pdf", "application/pdf")
    again.require(again.parts[0].content.rstrip(b"\0") == PDF.rstrip(b"\0"), "the document")


@rule("10.4.3.1", "shall", "Bulk data that is not there is a 404.")
def bulk_data_of_nothing(site: Site, given: Material) -> None:
    url = uri_of(site, given.having("values"), "00091002")
    for odd in ("00091077", "FFFFFFFE", "00091006/7/00091002"):
        site.get(url.replace("00091002", odd), accept=OCTETS).expect(404, 400)


@rule("10.4.3.3", "should", "A part of bulk data has its URI as Content-Location.")
def bulk_data_has_a_content_location(site: Site, given: Material) -> None:
    url = uri_of(site, given.having("values"), "00091002")
    reply = site.get(url, accept=OCTETS).expect(200)
    location = reply.parts[0].headers.get("content-location", "")
    reply.require(urljoin(site.base, location) == url, f"Content-Location {url}, not {location!r}")


# --- the resources --------------------------------------------------------------------------------


def resource(site: Site, path: str) -> Reply:
    return site.get(path, accept=OCTETS).optional().expect(200)


@rule("10.4.1.1.5", "shall", "The bulkdata resource of an instance holds all its bulk data.")
def bulkdata_of_an_instance(site: Site, given: Material) -> None:
    reply = resource(site, given.having("values").path + "/bulkdata")
    found = {part.content for part in reply.parts}
    for wanted in (bytes(range(256)) * 600, bytes(reversed(range(256))) * 500):
        reply.require(wanted in found, "a part for each value that is bulk data")


@rule(
    "10.4.1.1.5", "shall", "The bulkdata resource of a series holds the bulk data of each instance."
)
def bulkdata_of_a_series(site: Site, given: Material) -> None:
    series_holds(site, given, "/bulkdata")


@rule(
    "10.4.1.1.5", "shall", "The bulkdata resource of a study holds the bulk data of each instance."
)
def bulkdata_of_a_study(site: Site, given: Material) -> None:
    reply = resource(site, given.having("ct1").study + "/bulkdata")
    found = {part.content for part in reply.parts}
    wanted = {native(one.frames[0]) for one in stored_of_study(given, "ct1") if one.frames}
    reply.require(wanted <= found, f"{len(wanted)} parts with the pixels")


def series_holds(site: Site, given: Material, suffix: str) -> None:
    sample = given.having("ct1")
    reply = resource(site, sample.series + suffix)
    found = [part.content for part in reply.parts]
    mine = [one for one in stored_of_study(given, "ct1") if one.series == sample.series]
    wanted = {native(one.frames[0]) for one in mine}
    reply.require(wanted <= set(found), f"{len(wanted)} parts with the pixels")


@rule("10.4.3.3.6", "shall", "The pixeldata resource of an instance holds its pixel data.")
def pixeldata_of_an_instance(site: Site, given: Material) -> None:
    for name in ("ct1", "multi", "float"):
        sample = given.having(name)
        reply = resource(site, sample.path + "/pixeldata")
        found = b"".join(part.content for part in reply.parts)
        reply.require(found == b"".join(map(native, sample.frames)), f"the pixels of {name}")


@rule("10.4.3.3.6", "shall", "The pixeldata resource of a series holds that of each instance.")
def pixeldata_of_a_series(site: Site, given: Material) -> None:
    series_holds(site, given, "/pixeldata")


@rule("10.4.3.3.6", "shall", "The pixeldata resource of a study holds that of each instance.")
def pixeldata_of_a_study(site: Site, given: Material) -> None:
    reply = resource(site, given.having("ct1").study + "/pixeldata")
    wanted = {native(one.frames[0]) for one in stored_of_study(given, "ct1") if one.frames}
    found = {part.content for part in reply.parts}
    reply.require(wanted == found, f"{len(wanted)} parts with the pixels and no other")


@rule(
    "10.4.3.3.6", "shall", "Each part of pixeldata has the URI of the metadata as Content-Location."
)
def pixeldata_has_a_content_location(site: Site, given: Material) -> None:
    sample = given.having("ct1")
    reply = resource(site, sample.path + "/pixeldata")
    location = reply.parts[0].headers.get("content-location")
    if location is None:
        raise Failed(f"{reply.asked}: expected a Content-Location, seen {reply.parts[0].headers}")
    expected = uri_of(site, sample, "7FE00010")
    found = urljoin(site.base, location)
    reply.require(found == expected, f"Content-Location {expected}, not {found}")


@rule("10.4.3.3.6", "should", "The parts of a series' pixeldata are in the order of its instances.")
def pixeldata_is_in_order(site: Site, given: Material) -> None:
    sample = given.having("ct1")
    reply = resource(site, sample.series + "/pixeldata")
    mine = [one for one in stored_of_study(given, "ct1") if one.series == sample.series]
    wanted = [
        native(one.frames[0]) for one in sorted(mine, key=lambda one: one.dataset.InstanceNumber)
    ]
    reply.require([part.content for part in reply.parts] == wanted, "them in order")
