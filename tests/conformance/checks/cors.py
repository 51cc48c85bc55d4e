"""Requests from pages of another origin (the Fetch standard, §3.2).

PS3.18 says nothing of them; a viewer served from elsewhere cannot do without.
"""

from tests.conformance.material import Material, new_uid
from tests.conformance.reading import DICOM, JSON
from tests.conformance.rules import CORS, Registrar, Unsupported
from tests.conformance.site import Headers, Reply, Site

rule = Registrar(CORS)

ORIGIN = "https://viewer.example"


def allowed(site: Site, reply: Reply) -> Reply:
    """Raises Unsupported when the server lets no other origin in at all."""
    said = reply.headers.get("access-control-allow-origin")
    if said is None:
        raise Unsupported(f"{reply.asked}: no Access-Control-Allow-Origin")
    reply.require(said in ("*", ORIGIN), f"Access-Control-Allow-Origin: {ORIGIN} or *, not {said}")
    if said == ORIGIN:
        vary = reply.headers.get("vary", "").lower()
        reply.require("origin" in vary, "Vary: Origin, since the answer depends on it")
    return reply


def simple(site: Site, path: str, accept: str) -> Reply:
    return site.get(path, accept=accept, headers={"Origin": ORIGIN})


@rule("Fetch 3.2.3", "may", "A search is allowed to another origin.")
def a_search_is_allowed(site: Site, given: Material) -> None:
    reply = simple(site, f"/studies?PatientID={given.patient_id('ct')}", JSON).expect(200)
    allowed(site, reply)


@rule("Fetch 3.2.3", "may", "Every retrieve is allowed to another origin.")
def retrieves_are_allowed(site: Site, given: Material) -> None:
    sample = given.having("ct1")
    for path, accept in (
        (sample.path, DICOM),
        (sample.path + "/metadata", JSON),
        (sample.path + "/frames/1", "*/*"),
        (sample.path + "/rendered", "image/jpeg"),
    ):
        allowed(site, simple(site, path, accept).expect(200))


@rule("Fetch 3.2.3", "may", "Errors are allowed too, or the page sees only that something failed.")
def errors_are_allowed(site: Site, given: Material) -> None:
    for path, accept, status in (
        (f"/studies/{new_uid()}/metadata", JSON, 404),
        (given.having("ct1").path + "/metadata", "audio/basic", 406),
        ("/no-such-resource", JSON, 404),
    ):
        allowed(site, simple(site, path, accept).expect(status))


def preflight(site: Site, path: str, method: str, fields: str) -> Reply:
    headers: Headers = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": fields,
    }
    reply = site.send("OPTIONS", path, headers=headers)
    if reply.status >= 400:
        raise Unsupported(f"{reply.asked}: {reply.said()}")
    return allowed(site, reply.expect(200, 204))


@rule("Fetch 3.2.2", "may", "A preflight of a retrieve with Authorization is allowed.")
def a_preflight_of_a_retrieve(site: Site, given: Material) -> None:
    path = given.having("ct1").path + "/metadata"
    reply = preflight(site, path, "GET", "accept,authorization")
    fields = reply.headers.get("access-control-allow-headers", "").lower()
    reply.require("authorization" in fields, "authorization in Access-Control-Allow-Headers")


@rule("Fetch 3.2.2", "may", "A preflight of a store is allowed.")
def a_preflight_of_a_store(site: Site, given: Material) -> None:
    reply = preflight(site, "/studies", "POST", "content-type,accept")
    methods = reply.headers.get("access-control-allow-methods", "")
    reply.require("POST" in methods or methods == "*", "POST in Access-Control-Allow-Methods")
    fields = reply.headers.get("access-control-allow-headers", "").lower()
    reply.require("content-type" in fields or fields == "*", "content-type allowed")


@rule("Fetch 3.2.3", "may", "A page may read ETag, Warning and Content-Range.")
def headers_are_exposed(site: Site, given: Material) -> None:
    path = given.having("ct1").path + "/metadata"
    reply = allowed(site, simple(site, path, JSON).expect(200))
    exposed = reply.headers.get("access-control-expose-headers", "").lower()
    for field in ("etag", "warning", "content-range"):
        reply.require(field in exposed or exposed == "*", f"{field} exposed, not {exposed!r}")
