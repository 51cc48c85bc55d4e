"""Retrieve Capabilities (PS3.18 §8.9, Annex H)."""

from tests.conformance.material import Material
from tests.conformance.reading import xml_of
from tests.conformance.rules import CAPABILITIES, Registrar
from tests.conformance.site import Reply, Site

rule = Registrar(CAPABILITIES)

WADL = "application/vnd.sun.wadl+xml"
NAMESPACE = "{http://wadl.dev.java.net/2009/02}"


def described(site: Site, accept: str | None = WADL) -> Reply:
    return site.send("OPTIONS", "/", accept=accept).optional(400).expect(200)


@rule("8.9", "shall", "OPTIONS on the base URI answers with a capabilities description.")
def options_describes_the_service(site: Site, given: Material) -> None:
    reply = site.send("OPTIONS", "/", accept=WADL).expect(200)
    reply.require(bool(reply.body), "a payload")


@rule("8.9", "should", "OPTIONS on the base URI without its slash answers too.")
def options_without_the_slash(site: Site, given: Material) -> None:
    reply = site.send("OPTIONS", "", accept=WADL).expect(200)
    reply.require(bool(reply.body), "a payload")


@rule("H", "shall", "The description is a WADL document with one application element at its top.")
def the_description_is_wadl(site: Site, given: Material) -> None:
    reply = described(site)
    reply.require(reply.essence == WADL, WADL)
    root = xml_of(reply)
    reply.require(root.tag == NAMESPACE + "application", f"a WADL application, not {root.tag}")


@rule("H", "shall", "It has one resources element whose base is the URL of the service.")
def the_description_has_the_base(site: Site, given: Material) -> None:
    reply = described(site)
    found = xml_of(reply).findall(NAMESPACE + "resources")
    reply.require(len(found) == 1, f"one resources element, not {len(found)}")
    base = (found[0].get("base") or "").rstrip("/")
    reply.require(base == site.base, f"base={site.base!r}, not {base!r}")


@rule("H", "shall", "It has the methods of the resource studies: search and store.")
def the_description_has_studies(site: Site, given: Material) -> None:
    reply = described(site)
    found = [
        one
        for one in xml_of(reply).iter(NAMESPACE + "resource")
        if (one.get("path") or "").strip("/") == "studies"
    ]
    reply.require(bool(found), "a resource studies")
    methods = {one.get("name") for node in found for one in node.findall(NAMESPACE + "method")}
    reply.require(
        {"GET", "POST"} <= methods, f"GET and POST on studies, not {sorted(map(str, methods))}"
    )


@rule("H", "shall", "It has the resources below a study: metadata, rendered, series, instances.")
def the_description_has_the_tree(site: Site, given: Material) -> None:
    reply = described(site)
    paths = {
        piece
        for one in xml_of(reply).iter(NAMESPACE + "resource")
        for piece in (one.get("path") or "").strip("/").split("/")
    }
    wanted = {"studies", "series", "instances", "metadata", "frames"}
    reply.require(wanted <= paths, f"resources {sorted(wanted - paths)}")


@rule("8.9.4", "should", "A client that asks for JSON gets the description as JSON.")
def the_description_in_json(site: Site, given: Material) -> None:
    reply = described(site, "application/json")
    reply.require(reply.essence.endswith("json"), "JSON")
    reply.require(bool(reply.json), "a description")


@rule("8.7.8.1", "shall", "A description in a media type there is none of is a 406.")
def a_description_that_cannot_be_had(site: Site, given: Material) -> None:
    described(site)
    site.send("OPTIONS", "/", accept="audio/basic").expect(406)
