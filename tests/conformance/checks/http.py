"""HTTP itself (RFC 9110, 9111, 9112, 9457), and what proxies do to URLs.

The standard builds on HTTP (PS3.18 §8.1, §8.4) and says little of validators and ranges: a server
may have them, and has to have them right.
"""

import gzip
from urllib.parse import urlsplit

import zstandard

from tests.conformance.checks.bulkdata import uri_of
from tests.conformance.checks.store import fresh, sent
from tests.conformance.material import Material, new_uid, written
from tests.conformance.reading import DICOM, JSON, OCTETS, bulk_uris, first, native
from tests.conformance.rules import HTTP, Failed, Registrar, Unsupported
from tests.conformance.site import Reply, Site

rule = Registrar(HTTP)

# --- methods --------------------------------------------------------------------------------------


def head_rule(name: str, path: str, accept: str) -> None:
    def check(site: Site, given: Material) -> None:
        place = given.having("ct1").path + path if path != "/studies" else path
        query = {"PatientID": given.patient_id("ct")} if path == "/studies" else {}
        full = site.get(place, accept=accept, query=query).expect(200)
        head = site.send("HEAD", place, accept=accept, query=query).optional().expect(200)
        head.require(not head.body, "no body")
        for field in ("content-type", "etag", "content-length"):
            said, wanted = head.headers.get(field), full.headers.get(field)
            ok = said == wanted or said is None or "boundary=" in str(wanted)
            head.require(ok, f"{field}: {wanted} as GET has, not {said}")

    check.__name__ = f"head_of_{name}"
    sentence = f"HEAD of {name.replace('_', ' ')} is GET without a body."
    rule("RFC 9110 9.3.2", "shall", sentence)(check)


head_rule("an_instance", "", DICOM)
head_rule("metadata", "/metadata", JSON)
head_rule("a_frame", "/frames/1", OCTETS)
head_rule("a_rendered_image", "/rendered", "image/jpeg")
head_rule("a_search", "/studies", JSON)


@rule("RFC 9110 15.5.6", "shall", "A method that a resource does not have is a 405 with Allow.")
def a_wrong_method_is_405(site: Site, given: Material) -> None:
    for method, path in (("PUT", "/studies"), ("PATCH", given.having("ct1").path + "/metadata")):
        reply = site.send(method, path, content=b"")
        if reply.status == 501:
            continue  # RFC 9110 §15.6.2: a method that the server has nowhere.
        reply.expect(405)
        reply.require("GET" in reply.headers.get("allow", ""), "Allow with GET")


@rule("RFC 9110 9.1", "should", "A method that nobody knows is a 501 or a 405.")
def an_unknown_method_is_refused(site: Site, given: Material) -> None:
    site.send("BREW", "/studies").expect(501, 405, 400)


@rule("RFC 9110 9.3.7", "may", "OPTIONS of a resource says its methods in Allow.")
def options_says_allow(site: Site, given: Material) -> None:
    reply = site.send("OPTIONS", "/studies").optional(400)
    reply.expect(200, 204)
    allow = reply.headers.get("allow", "") + reply.headers.get("access-control-allow-methods", "")
    reply.require("GET" in allow and "POST" in allow, f"GET and POST in Allow, not {allow!r}")


@rule("RFC 9110 15.5.5", "shall", "A path that is nothing is a 404.")
def a_path_that_is_nothing_is_404(site: Site, given: Material) -> None:
    site.get("/no-such-resource").expect(404)
    site.get(given.having("ct1").path + "/no-such-thing").expect(404)


@rule("RFC 9112 3.2", "shall", "A request without Host is a 400.")
def a_request_without_host_is_400(site: Site, given: Material) -> None:
    path = urlsplit(site.base).path + "/studies?limit=1"
    request = f"GET {path} HTTP/1.1\r\nAccept: */*\r\nConnection: close\r\n\r\n".encode()
    site.raw(request, asked="GET /studies without Host").expect(400)


@rule("RFC 9112 2.2", "should", "A request that is not HTTP is a 400, and the connection ends.")
def garbage_is_400(site: Site, given: Material) -> None:
    reply = site.raw(b"\x16\x03\x01 garbage\r\n\r\n", asked="garbage instead of a request")
    reply.expect(400)


@rule("RFC 9112 9.3", "shall", "A connection can be used for request after request.")
def connections_persist(site: Site, given: Material) -> None:
    head = site.head_of("GET", f"/studies?StudyInstanceUID={new_uid()}", f"Accept: {JSON}")
    last = site.head_of("GET", "/no-such-resource", "Connection: close")
    reply = site.raw(head + last, asked="two requests on one connection")
    reply.require(reply.status in (200, 204), "the first answered")


# --- validators -----------------------------------------------------------------------------------


def tagged(site: Site, path: str, accept: str) -> Reply:
    reply = site.get(path, accept=accept).expect(200)
    if reply.etag is None:
        raise Unsupported(f"{reply.asked}: no ETag")
    return reply


def etag_rule(name: str, path: str, accept: str) -> None:
    def place(given: Material) -> str:
        sample = given.having("multi")
        return {"study": sample.study, "series": sample.series}.get(path, sample.path + path)

    def check(site: Site, given: Material) -> None:
        reply = tagged(site, place(given), accept)
        tag = str(reply.etag)
        reply.require(tag.endswith('"') and tag.lstrip("W/").startswith('"'), "a quoted ETag")
        for asked in (tag, f'"other", {tag}', f"W/{tag.removeprefix('W/')}", "*"):
            again = site.get(place(given), accept=accept, headers={"If-None-Match": asked})
            again.expect(304).require(not again.body, "no body")
        again = site.get(place(given), accept=accept, headers={"If-None-Match": '"other"'})
        again.expect(200).require(again.body == reply.body, "the same bytes for the same ETag")

    check.__name__ = f"etag_of_{name}"
    sentence = f"The ETag of {name.replace('_', ' ')} validates: If-None-Match gets a 304."
    rule("RFC 9110 13.1.2", "may", sentence)(check)


etag_rule("an_instance", "", DICOM)
etag_rule("a_study", "study", DICOM + "; transfer-syntax=*")
etag_rule("metadata", "/metadata", JSON)
etag_rule("metadata_in_xml", "/metadata", 'multipart/related; type="application/dicom+xml"')
etag_rule("a_frame", "/frames/1", OCTETS)
etag_rule("several_frames", "/frames/1,2", OCTETS)
etag_rule("a_rendered_frame", "/frames/1/rendered", "image/png")
etag_rule("a_thumbnail", "/thumbnail", "image/jpeg")


@rule("RFC 9110 15.4.5", "shall", "A 304 repeats the ETag.")
def a_304_repeats_the_etag(site: Site, given: Material) -> None:
    path = given.having("ct1").path + "/metadata"
    tag = str(tagged(site, path, JSON).etag)
    reply = site.get(path, accept=JSON, headers={"If-None-Match": tag}).expect(304)
    reply.require(reply.etag == tag, f"ETag {tag}")


@rule("RFC 9110 8.8.3", "shall", "The ETag of different representations differs.")
def representations_have_their_own_etags(site: Site, given: Material) -> None:
    path = given.having("ct1").path + "/metadata"
    one = tagged(site, path, JSON)
    other = tagged(site, path, 'multipart/related; type="application/dicom+xml"')
    other.require(one.etag != other.etag, "another ETag than JSON has")


@rule("RFC 9110 8.8.1", "shall", "The ETags of a study change when a member is added.")
def etags_change_when_a_member_is_added(site: Site, given: Material) -> None:
    study = new_uid()
    path = f"/studies/{study}"
    sent(site, written(fresh(given, study))).expect(200)
    before = [tagged(site, path + "/metadata", JSON), tagged(site, path, DICOM)]
    sent(site, written(fresh(given, study))).expect(200)
    after = [tagged(site, path + "/metadata", JSON), tagged(site, path, DICOM)]
    for one, other in zip(before, after, strict=True):
        other.require(one.etag != other.etag, "another ETag than before")
        stale = site.get(
            urlsplit(path).path if other is after[1] else path + "/metadata",
            accept=DICOM if other is after[1] else JSON,
            headers={"If-None-Match": str(one.etag)},
        )
        stale.expect(200)


@rule("RFC 9110 12.5.5", "should", "What is negotiated says so: Vary has Accept.")
def vary_has_accept(site: Site, given: Material) -> None:
    sample = given.having("ct1")
    for path, accept in (
        (sample.path + "/metadata", JSON),
        (sample.path + "/frames/1", OCTETS),
        (sample.path, DICOM),
        (sample.path + "/rendered", "image/jpeg"),
    ):
        reply = site.get(path, accept=accept).expect(200)
        vary = reply.headers.get("vary", "").lower()
        reply.require(
            "accept" in [one.strip() for one in vary.split(",")] or vary == "*", "Vary: Accept"
        )


@rule("RFC 9110 12.5.5", "should", "A 304 and a 406 have Vary too.")
def other_answers_vary_too(site: Site, given: Material) -> None:
    path = given.having("ct1").path + "/metadata"
    reply = site.get(path, accept="audio/basic").expect(406)
    reply.require("accept" in reply.headers.get("vary", "").lower(), "Vary: Accept on the 406")
    tag = str(tagged(site, path, JSON).etag)
    reply = site.get(path, accept=JSON, headers={"If-None-Match": tag}).expect(304)
    reply.require("accept" in reply.headers.get("vary", "").lower(), "Vary: Accept on the 304")


# --- ranges ---------------------------------------------------------------------------------------

SINGLE = "application/octet-stream"


class Ranged:
    """A resource of which ranges can be asked: URL, Accept and the whole."""

    def __init__(self, site: Site, path: str, accept: str) -> None:
        self.site, self.path, self.accept = site, path, accept
        self.whole = site.get(path, accept=accept).optional(400, 406).expect(200)

    def get(self, text: str, **headers: str) -> Reply:
        return self.site.get(self.path, accept=self.accept, headers={"Range": text, **headers})

    def part(self, text: str, first_byte: int, last_byte: int) -> Reply:
        reply = self.get(text)
        if reply.status == 200:
            raise Unsupported(f"{reply.asked}: Range is ignored")
        reply.expect(206)
        wanted = self.whole.body[first_byte : last_byte + 1]
        reply.require(reply.body == wanted, f"bytes {first_byte} to {last_byte}")
        said = reply.headers.get("content-range", "")
        expected = f"bytes {first_byte}-{last_byte}/{len(self.whole.body)}"
        reply.require(said == expected, f"Content-Range: {expected}, not {said!r}")
        return reply


def ranged(site: Site, given: Material, name: str) -> Ranged:
    if name == "bulk_data":
        return Ranged(site, uri_of(site, given.having("values"), "00091002"), SINGLE)
    path, accept = {
        "a_frame": (given.having("ct1").path + "/frames/1", SINGLE),
        "an_instance": (given.having("ct1").path, "application/dicom"),
    }[name]
    return Ranged(site, path, accept)


def range_rules(name: str) -> None:
    what = name.replace("_", " ")

    def check(site: Site, given: Material) -> None:
        resource = ranged(site, given, name)
        size = len(resource.whole.body)
        resource.part("bytes=0-99", 0, 99)
        resource.part("bytes=100-", 100, size - 1)
        resource.part("bytes=-50", size - 50, size - 1)
        resource.part(f"bytes={size - 10}-{size + 1000}", size - 10, size - 1)

    check.__name__ = f"ranges_of_{name}"
    sentence = f"A range of {what} is a 206 with Content-Range: from, to, open and suffix."
    rule("RFC 9110 14.2", "may", sentence)(check)

    def beyond(site: Site, given: Material) -> None:
        resource = ranged(site, given, name)
        resource.part("bytes=0-0", 0, 0)
        size = len(resource.whole.body)
        for text in (f"bytes={size}-", "bytes=-0"):
            reply = resource.get(text).expect(416)
            said = reply.headers.get("content-range", "")
            reply.require(said == f"bytes */{size}", f"Content-Range: bytes */{size}, not {said!r}")

    beyond.__name__ = f"ranges_beyond_{name}"
    sentence = f"A range beyond the end of {what} is a 416 that says the length."
    rule("RFC 9110 15.5.17", "should", sentence)(beyond)


range_rules("bulk_data")
range_rules("a_frame")
range_rules("an_instance")


@rule("RFC 9110 14.2", "shall", "A Range in another unit is ignored, a broken one gets no 206.")
def odd_ranges_are_ignored(site: Site, given: Material) -> None:
    resource = ranged(site, given, "bulk_data")
    for text in ("lines=1-2", "bytes=5-2", "bytes=a-b", "bytes"):
        reply = resource.get(text)
        reply.expect(*((200,) if text.startswith("lines") else (200, 400, 416)))


@rule("RFC 9110 14.2", "may", "Several ranges come as multipart/byteranges, or the whole comes.")
def several_ranges(site: Site, given: Material) -> None:
    resource = ranged(site, given, "bulk_data")
    resource.part("bytes=0-0", 0, 0)
    reply = resource.get("bytes=0-9,20-29").expect(200, 206)
    if reply.status == 206:
        reply.require(
            reply.essence in ("multipart/byteranges", SINGLE), "multipart/byteranges or one range"
        )


@rule("RFC 9110 13.1.5", "shall", "If-Range with the ETag gets the range, with another the whole.")
def if_range_decides(site: Site, given: Material) -> None:
    resource = ranged(site, given, "bulk_data")
    resource.part("bytes=0-0", 0, 0)
    tag = resource.whole.etag
    if tag is None:
        raise Unsupported(f"{resource.whole.asked}: no ETag")
    resource.get("bytes=0-9", **{"If-Range": tag}).expect(206)
    resource.get("bytes=0-9", **{"If-Range": '"other"'}).expect(200)


@rule("RFC 9110 14.3", "should", "What ranges can be asked of says so: Accept-Ranges: bytes.")
def accept_ranges_is_said(site: Site, given: Material) -> None:
    resource = ranged(site, given, "bulk_data")
    resource.part("bytes=0-0", 0, 0)
    said = resource.whole.headers.get("accept-ranges")
    resource.whole.require(said == "bytes", f"Accept-Ranges: bytes, not {said}")


# --- problems -------------------------------------------------------------------------------------


def problem_rule(status: int, name: str, path: str, accept: str) -> None:
    def check(site: Site, given: Material) -> None:
        place = path.format(unknown=new_uid(), ct=given.having("ct1"))
        reply = site.get(place, accept=accept)
        if reply.status != status:
            raise Unsupported(f"{reply.asked}: {reply.said()}")
        reply.require(reply.essence == "application/problem+json", "application/problem+json")
        found = reply.json
        reply.require(found.get("status") == status, f"status {status} in the body")
        reply.require(bool(found.get("title") or found.get("detail")), "a title or a detail")

    check.__name__ = f"a_{name}_is_a_problem"
    rule("RFC 9457 3", "may", f"A {status} is an application/problem+json that says why.")(check)


problem_rule(404, "missing_study", "/studies/{unknown}/metadata", JSON)
problem_rule(406, "media_type_there_is_none_of", "{ct.path}/metadata", "audio/basic")
problem_rule(400, "bad_parameter", "/studies?limit=many", JSON)


@rule("8.6.3", "should", "A 400 says which parameter is wrong.")
def a_400_names_the_parameter(site: Site, given: Material) -> None:
    reply = site.get("/studies", accept=JSON, query={"limit": "many"}).expect(400)
    reply.require(b"limit" in reply.body, "limit in the body")


# --- content encoding -----------------------------------------------------------------------------


@rule("RFC 9110 12.5.3", "may", "Metadata comes in gzip when that is accepted.")
def metadata_in_gzip(site: Site, given: Material) -> None:
    encoded(site, given, "gzip")


@rule("RFC 9110 12.5.3", "may", "Metadata comes in zstd when that is accepted.")
def metadata_in_zstd(site: Site, given: Material) -> None:
    encoded(site, given, "zstd")


def encoded(site: Site, given: Material, coding: str) -> None:
    path = given.having("multi").study + "/metadata"
    plain = site.get(path, accept=JSON).expect(200)
    reply = site.get(path, accept=JSON, headers={"Accept-Encoding": coding}).expect(200)
    if reply.headers.get("content-encoding") != coding:
        raise Unsupported(f"{reply.asked}: not encoded")
    decode = gzip.decompress if coding == "gzip" else unzstd
    reply.require(decode(reply.body) == plain.body, "the same metadata, encoded")
    reply.require(
        "accept-encoding" in reply.headers.get("vary", "").lower(), "Vary: Accept-Encoding"
    )
    if reply.etag is not None and not reply.etag.startswith("W/"):
        reply.require(reply.etag != plain.etag, "another strong ETag than without encoding")


def unzstd(body: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj(read_across_frames=True).decompress(body)


@rule("RFC 9110 12.5.3", "shall", "Without Accept-Encoding, or with it at q=0, nothing is encoded.")
def nothing_is_encoded_unasked(site: Site, given: Material) -> None:
    path = given.having("multi").study + "/metadata"
    for headers in ({}, {"Accept-Encoding": "identity"}, {"Accept-Encoding": "gzip;q=0, zstd;q=0"}):
        reply = site.get(path, accept=JSON, headers=headers).expect(200)
        coding = reply.headers.get("content-encoding", "identity")
        reply.require(coding == "identity", f"no Content-Encoding, not {coding}")


# --- proxies --------------------------------------------------------------------------------------


def forwarded(site: Site, given: Material, headers: dict[str, str], expected: str) -> None:
    sample = given.having("ct1")
    query = {"StudyInstanceUID": sample.study_uid}
    reply = site.get("/studies", accept=JSON, query=query, headers=headers).expect(200)
    url = str(first(reply.items[0], "00081190"))
    if not url.startswith(expected):
        raise Unsupported(f"{reply.asked}: Retrieve URL {url}")
    reply = site.get(sample.path + "/metadata", accept=JSON, headers=headers).expect(200)
    for uri in bulk_uris(reply.items[0]).values():
        if uri.startswith(("http:", "https:")) and not uri.startswith(expected):
            raise Failed(f"{reply.asked}: expected a BulkDataURI at {expected}, seen {uri}")


@rule("RFC 7239 4", "may", "Forwarded is respected in every URL that leaves.")
def forwarded_is_respected(site: Site, given: Material) -> None:
    headers = {"Forwarded": 'for=192.0.2.1;proto=https;host="pacs.example:8443"'}
    forwarded(site, given, headers, "https://pacs.example:8443/")


@rule("RFC 7239 7.4", "may", "X-Forwarded-Proto and -Host are respected in every URL that leaves.")
def x_forwarded_is_respected(site: Site, given: Material) -> None:
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "pacs.example"}
    forwarded(site, given, headers, "https://pacs.example/")


@rule("RFC 7239 7.4", "may", "X-Forwarded-Prefix is respected in every URL that leaves.")
def x_forwarded_prefix_is_respected(site: Site, given: Material) -> None:
    headers = {"X-Forwarded-Host": "pacs.example", "X-Forwarded-Prefix": "/archive"}
    scheme = urlsplit(site.base).scheme
    forwarded(site, given, headers, f"{scheme}://pacs.example/archive/")


@rule("RFC 9110 7.2", "shall", "URLs that leave have the host that the client used.")
def urls_have_the_host_of_the_client(site: Site, given: Material) -> None:
    sample = given.having("ct1")
    reply = site.get(sample.path + "/metadata", accept=JSON).expect(200)
    for uri in bulk_uris(reply.items[0]).values():
        ok = not uri.startswith("http") or uri.startswith(site.base + "/")
        reply.require(ok, f"a BulkDataURI below {site.base}, not {uri}")
    query = {"StudyInstanceUID": sample.study_uid}
    reply = site.get("/studies", accept=JSON, query=query).expect(200)
    url = str(first(reply.items[0], "00081190"))
    reply.require(url.startswith(site.base + "/"), f"a Retrieve URL below {site.base}, not {url}")


@rule("RFC 9110 8.6", "should", "A frame and an instance say their Content-Length.")
def lengths_are_said(site: Site, given: Material) -> None:
    sample = given.having("ct1")
    for path, accept in ((sample.path + "/frames/1", OCTETS), (sample.path, DICOM)):
        reply = site.get(path, accept=accept).expect(200)
        said = reply.headers.get("content-length")
        reply.require(said == str(len(reply.body)), f"Content-Length {len(reply.body)}, not {said}")
    reply = site.get(sample.path + "/frames/1", accept=OCTETS)
    reply.require(native(sample.frames[0]) in reply.body, "the frame")
