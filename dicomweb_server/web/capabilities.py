"""What this service can do, told to programs: Retrieve Capabilities (PS3.18 §8.9, Annex H) as a
WADL document, and the same as an OpenAPI 3.1 document. Both are made from the table of routes, so a
route cannot be missing; what is said of one beyond its path is the table here.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

import orjson

from dicomweb_server import __version__
from dicomweb_server.dicom.transfer_syntaxes import OCTET_STREAM
from dicomweb_server.web import described, etags, offers
from dicomweb_server.web.access_described import ACCESS_DESCRIBED
from dicomweb_server.web.http import Reply, Request, content
from dicomweb_server.web.negotiate import Representation
from dicomweb_server.web.problems import PROBLEM_JSON
from dicomweb_server.web.service import Service

WADL = "application/vnd.sun.wadl+xml"
_NAMESPACE = "http://wadl.dev.java.net/2009/02"
_DESCRIPTIONS = offers.Offer(
    (
        Representation(WADL),
        Representation("application/xml"),
        Representation("application/json"),
        Representation("application/openapi+json"),
    )
)

Route = tuple[str, str]
"""Method and pattern below the DICOMweb root."""


async def capabilities(service: Service, request: Request) -> Reply:
    """Handler of OPTIONS on the DICOMweb root."""
    media_type = offers.selected(request, _DESCRIPTIONS).media_type
    routes, root = service.routes, service.root(request)
    xml = media_type.endswith("xml")
    body = (
        _wadl(routes, root)
        if xml
        else _openapi(routes, root, service.api, service.config.public_url or request.origin)
    )
    return content(200, media_type, body)


async def openapi(service: Service, request: Request) -> Reply:
    """Handler of GET /openapi.json."""
    base = service.config.public_url or request.origin
    body = _openapi(service.routes, service.root(request), service.api, base)
    tag = etags.etag(body)
    if (reply := etags.not_modified(request, tag)) is not None:
        return reply
    return content(200, "application/json", body, etag=tag)


# --- what is said of a route ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Operation:
    """summary   in a sentence
    query     its parameters, each with a sentence and its JSON Schema
    takes     media types of the body of a request
    gives     media types of the body of a reply
    """

    summary: str
    query: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    takes: tuple[str, ...] = ()
    gives: tuple[str, ...] = ()


_TEXT: dict[str, Any] = {"type": "string"}
_COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}

_NEGOTIATED = {
    "accept": ("Media ranges, before those of the header (§8.3.3.1).", _TEXT),
    "charset": ("The character set; UTF-8 (§8.3.3.2).", _TEXT),
}
_LOWERED = _NEGOTIATED | {
    "resolution": (
        "So many times fewer rows and columns, as the beginning of each codestream"
        " (not of the standard; CONFORMANCE.md).",
        {"type": "integer", "enum": [1, 2, 4, 8, 16, 32]},
    ),
}
_SEARCHED = _NEGOTIATED | {
    "limit": ("Results at most (§8.3.4.4).", _COUNT),
    "offset": ("Results to skip (§8.3.4.4).", _COUNT),
    "includefield": ("Attributes to return besides the required; all (§8.3.4.3).", _TEXT),
    "fuzzymatching": (
        "Whether names are matched loosely (§8.3.4.2).",
        {"type": "string", "enum": ["true", "false"]},
    ),
    "PatientID": ("Any attribute by keyword or tag is a condition (§8.3.4.1).", _TEXT),
    "PatientName": ("With wildcards, without regard to case (§8.3.4.1).", _TEXT),
    "StudyDate": ("A day or a range, 20240101-20241231 (§8.3.4.1).", _TEXT),
}
_RENDERED = _NEGOTIATED | {
    "viewport": ("width,height or width,height,x,y,width,height (§8.3.5.1.3).", _TEXT),
    "window": ("center,width,function (§8.3.5.1.4).", _TEXT),
    "quality": ("Of a JPEG (§8.3.5.1.2).", {"type": "integer", "minimum": 1, "maximum": 100}),
    "annotation": ("patient, technique (§8.3.5.1.1).", _TEXT),
    "iccprofile": (
        "Profile in the picture (§8.3.5.1.5).",
        {"type": "string", "enum": ["no", "yes", "srgb", "adobergb", "rommrgb", "displayp3"]},
    ),
}


def _related(media_type: str) -> str:
    return f'multipart/related; type="{media_type}"'


_DATA_SETS = (offers.DICOM_JSON, "application/json", _related(offers.DICOM_XML))
_INSTANCES = (_related(offers.DICOM), _related(OCTET_STREAM), offers.ZIP)
_PIXELS = tuple(
    _related(each) for each in (OCTET_STREAM, "image/jphc", "image/jp2", "image/jls", "image/jpeg")
)
_PICTURES = ("image/jpeg", "image/png", "image/gif")
_RENDERINGS = (*_PICTURES, "application/pdf", "text/html", "text/plain", "text/xml", "video/mp4")

# By method and the last literal segment of the pattern; for instances, series and studies what is
# searched for is a resource of its own.
_OPERATIONS: dict[Route, Operation] = {
    ("OPTIONS", ""): Operation("What the service can do.", _NEGOTIATED, gives=(WADL,)),
    ("GET", "wado"): Operation(
        "One instance, or a picture of it, by query parameters (§9).",
        {
            name: (sentence, _TEXT)
            for name, sentence in (
                ("requestType", "WADO."),
                ("studyUID", "Of the study."),
                ("seriesUID", "Of the series."),
                ("objectUID", "Of the instance."),
                ("contentType", "Media types, before those of the header."),
                ("transferSyntax", "Of application/dicom."),
                ("frameNumber", "From 1."),
                ("rows", "Pixels at most."),
                ("columns", "Pixels at most."),
                ("region", "xmin,ymin,xmax,ymax, each 0.0 to 1.0."),
                ("windowCenter", "With windowWidth."),
                ("windowWidth", "With windowCenter."),
                ("imageQuality", "Of a JPEG, 1 to 100."),
                ("annotation", "patient, technique."),
                ("presentationUID", "Of a presentation state, with presentationSeriesUID."),
                ("presentationSeriesUID", "Of its series."),
            )
        },
        gives=(*_RENDERINGS, offers.DICOM),
    ),
    ("POST", "studies"): Operation(
        "Stores instances (§10.5).",
        _NEGOTIATED,
        takes=(_related(offers.DICOM), offers.DICOM),
        gives=(offers.DICOM_JSON, offers.DICOM_XML),
    ),
    ("SEARCH", "studies"): Operation("Searches for studies (§10.6).", _SEARCHED, gives=_DATA_SETS),
    ("SEARCH", "series"): Operation("Searches for series (§10.6).", _SEARCHED, gives=_DATA_SETS),
    ("SEARCH", "instances"): Operation(
        "Searches for instances (§10.6).", _SEARCHED, gives=_DATA_SETS
    ),
    ("GET", "studies"): Operation("The instances of a study.", _NEGOTIATED, gives=_INSTANCES),
    ("GET", "series"): Operation("The instances of a series.", _NEGOTIATED, gives=_INSTANCES),
    ("GET", "instances"): Operation("An instance.", _NEGOTIATED, gives=(*_INSTANCES, offers.DICOM)),
    ("GET", "metadata"): Operation("Data sets without bulk data.", _NEGOTIATED, gives=_DATA_SETS),
    ("GET", "frames"): Operation("Frames, by number from 1.", _LOWERED, gives=_PIXELS),
    ("GET", "bulkdata"): Operation("Values that metadata leaves out.", _NEGOTIATED, gives=_PIXELS),
    ("GET", "pixeldata"): Operation("All pixel data, in order.", _LOWERED, gives=_PIXELS),
    ("GET", "rendered"): Operation("A picture for the eye.", _RENDERED, gives=_RENDERINGS),
    ("GET", "thumbnail"): Operation("A small picture.", _RENDERED, gives=_PICTURES),
    ("DELETE", "studies"): Operation("Deletes a study."),
    ("DELETE", "series"): Operation("Deletes a series."),
    ("DELETE", "instances"): Operation("Deletes an instance."),
}


def operation(method: str, pattern: str) -> Operation:
    """What is said of a route; its path, when nothing more is."""
    segments = pattern.strip("/").split("/")
    literals = [each for each in segments if not each.startswith("{")]
    last = literals[-1] if literals else ""
    is_search = method == "GET" and segments[-1] in ("studies", "series", "instances")
    found = _OPERATIONS.get(("SEARCH" if is_search else method, last))
    return found or Operation(f"{method} {pattern or '/'}")


# --- documents ------------------------------------------------------------------------------------


def _wadl(routes: Iterable[Route], root: str) -> bytes:
    ElementTree.register_namespace("", _NAMESPACE)
    application = _element(None, "application")
    resources = _element(application, "resources", base=root)
    nodes: dict[tuple[str, ...], ElementTree.Element] = {}
    for method, pattern in routes:
        segments = tuple(each.replace("*}", "}") for each in pattern.split("/") if each)
        for end in range(1, len(segments) + 1):
            if segments[:end] not in nodes:
                parent = nodes[segments[: end - 1]] if end > 1 else resources
                name = segments[end - 1]
                nodes[segments[:end]] = node = _element(parent, "resource", path=name)
                if name.startswith("{"):
                    _element(node, "param", name=name[1:-1], style="template", type="xsd:string")
        if segments not in nodes:
            nodes[segments] = _element(resources, "resource", path="/")
        _describe(_element(nodes[segments], "method", name=method), method, pattern)
    document: bytes = ElementTree.tostring(application, encoding="utf-8", xml_declaration=True)
    return document


def _describe(node: ElementTree.Element, method: str, pattern: str) -> None:
    said = operation(method, pattern)
    _element(node, "doc", title=said.summary)
    request = _element(node, "request")
    for name, (sentence, _) in said.query.items():
        parameter = _element(request, "param", name=name, style="query", type="xsd:string")
        _element(parameter, "doc", title=sentence)
    for media_type in said.takes:
        _element(request, "representation", mediaType=media_type)
    response = _element(node, "response", status="200")
    for media_type in said.gives:
        _element(response, "representation", mediaType=media_type)


def _element(
    parent: ElementTree.Element | None, kind: str, /, **attributes: str
) -> ElementTree.Element:
    tag = f"{{{_NAMESPACE}}}{kind}"
    if parent is None:
        return ElementTree.Element(tag, {"xmlns:xsd": "http://www.w3.org/2001/XMLSchema"})
    return ElementTree.SubElement(parent, tag, attributes)


def _openapi(routes: Iterable[Route], root: str, api: Iterable[Route], base: str) -> bytes:
    """routes  below `root`, the DICOMweb root
    api     below `base`, where the server is
    """
    paths: dict[str, dict[str, Any]] = {}
    for method, pattern in routes:
        path = pattern.replace("*}", "}") or "/"
        paths.setdefault(path, {})[method.lower()] = _operation_object(method, pattern)
    for method, pattern in api:
        # A path has one server here, and DICOMweb's is another.
        path_item = paths.setdefault(pattern.replace("*}", "}"), {"servers": [{"url": base}]})
        path_item[method.lower()] = _api_operation(method, pattern)
    return orjson.dumps(
        {
            "openapi": "3.1.0",
            "info": {"title": "DICOMweb", "version": __version__},
            "servers": [{"url": root}],
            "paths": paths,
            "components": {"schemas": {"Problem": _PROBLEM}},
        }
    )


_PROBLEM = {
    "description": "RFC 9457",
    "type": "object",
    "required": ["title", "status", "detail"],
    "properties": {
        "type": _TEXT,
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": _TEXT,
        "field": _TEXT,
    },
}


_PROBLEM_RESPONSE = {
    "description": "What was wrong with the request.",
    "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


def _operation_object(method: str, pattern: str) -> dict[str, Any]:
    said = operation(method, pattern)
    variables = [each[1:-1].rstrip("*") for each in pattern.split("/") if each.startswith("{")]
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": _SCHEMAS.get(name, _UID)}
        for name in variables
    ] + [
        {"name": name, "in": "query", "description": sentence, "schema": schema}
        for name, (sentence, schema) in said.query.items()
    ]
    answer: dict[str, Any] = {"description": said.summary}
    if said.gives:
        answer["content"] = {each: {} for each in said.gives}
    found: dict[str, Any] = {
        "summary": said.summary,
        "parameters": parameters,
        "responses": {"2XX": answer, "4XX": _PROBLEM_RESPONSE},
    }
    if said.takes:
        found["requestBody"] = {"required": True, "content": {each: {} for each in said.takes}}
    return found


def _api_operation(method: str, pattern: str) -> dict[str, Any]:
    said = _DESCRIBED.get((method, pattern), described.Described(f"{method} {pattern}"))
    variables = [each[1:-1].rstrip("*") for each in pattern.split("/") if each.startswith("{")]
    schemas = {"study": _UID, "series": _UID, "instance": _UID, **described.VARIABLES}
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": schemas.get(name, _TEXT)}
        for name in variables
    ] + [{"name": name, "in": "query", "schema": schema} for name, schema in said.query.items()]
    if said.if_match:
        parameters.append({"name": "If-Match", "in": "header", "required": True, "schema": _TEXT})
    if method == "POST":
        parameters.append({"name": "Idempotency-Key", "in": "header", "schema": _TEXT})
    found: dict[str, Any] = {
        "summary": said.summary,
        "parameters": parameters,
        "responses": {"2XX": {"description": said.summary}, "4XX": _PROBLEM_RESPONSE},
    }
    if said.body is not None:
        schema = {"type": "object", "properties": dict(said.body)}
        found["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    return found


_DESCRIBED = {**described.DESCRIBED, **ACCESS_DESCRIBED}
_UID = {"type": "string", "pattern": r"^[0-9.]{1,64}$"}
_SCHEMAS: dict[str, dict[str, Any]] = {
    "frames": {"type": "string", "pattern": r"^[0-9]+(,[0-9]+)*$"},
    "path": _TEXT,
}
