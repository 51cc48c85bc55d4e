"""The URI service, once called WADO-URI (PS3.18 §9): one instance, or a picture of it, named by
query parameters. What it does is what the resources of the RESTful service do; here its parameters
become theirs:

    contentType                  accept
    rows, columns, region        viewport
    windowCenter, windowWidth    window
    imageQuality                 quality
    frameNumber                  /frames/{frame}/rendered
    annotation, charset          the same

presentationUID with presentationSeriesUID names a presentation state of the same study. Nothing is
ever anonymized: who asks for that gets an error and not the names.
"""

from collections.abc import Mapping
from urllib.parse import urlencode

from starlette.types import Scope as ASGIScope

from dicomweb_server.archive import retrieve
from dicomweb_server.dicom.encode import encodable
from dicomweb_server.dicom.presentation import SOP_CLASSES
from dicomweb_server.dicom.report_text import is_report
from dicomweb_server.dicom.transfer_syntaxes import transfer_syntax
from dicomweb_server.dicom.uids import is_uid
from dicomweb_server.web import etags, offers, rendered
from dicomweb_server.web.bulkdata import ENCAPSULATED_DOCUMENT, document_of, media_type_of
from dicomweb_server.web.http import Reply, Request
from dicomweb_server.web.instances import alone
from dicomweb_server.web.negotiate import Representation, choose, parse_accept
from dicomweb_server.web.problems import Problem, not_acceptable
from dicomweb_server.web.service import Service
from storage.model import Instance, Scope

_UIDS = {"studyUID": "study", "seriesUID": "series", "objectUID": "instance"}
_PICTURES = tuple(Representation(each) for each in ("image/jpeg", "image/png", "image/gif"))
_DICOM = Representation(offers.DICOM)


async def wado(service: Service, request: Request) -> Reply:
    """Handler of GET /wado."""
    said = dict(request.query)
    if said.get("requestType") != "WADO":
        raise Problem(400, "requestType is not WADO (§9.1.2.1)", field="requestType")
    named = {variable: _uid(said, name) for name, variable in _UIDS.items()}
    if said.get("anonymize", "no") != "no":
        raise Problem(400, "nothing is anonymized here", field="anonymize")
    scope = Scope(named["study"], named["series"], named["instance"])
    instance = await service.workers.run(retrieve.instance, service.archive, scope)
    frame = _frame(said, instance)
    inner = _translated(request, said, instance)
    renderings = await service.workers.run(_renderings, service, instance)
    # Table 8.7.2: the default of a single frame is a picture, of several frames the instance.
    dicom_first = not renderings or (instance.frames.count > 1 and frame is None)
    offer = (_DICOM, *renderings) if dicom_first else (*renderings, _DICOM)
    chosen = offers.acceptable(inner, offers.of(offer))
    if chosen is None:
        raise not_acceptable(offer)
    if chosen == _DICOM:
        return await _instance(service, request, instance, said.get("transferSyntax"))
    inner.parameters = named if frame is None else {**named, "frames": str(frame)}
    if "presentationUID" in said:
        return await _presented(service, inner, instance, said, chosen)
    return await rendered.rendered(service, inner)


async def _instance(
    service: Service, request: Request, instance: Instance, syntax: str | None
) -> Reply:
    offer = offers.instances(instance.transfer_syntax_uid, encodable(instance.pixels), single=True)
    asked = offers.DICOM if syntax is None else f'{offers.DICOM}; transfer-syntax="{syntax}"'
    chosen = choose(parse_accept(asked, field="transferSyntax"), offer.representations)
    if chosen is None:
        raise not_acceptable(offer.representations)
    tag = etags.etag(instance.file_digest, chosen.content_type)
    if (reply := etags.not_modified(request, tag)) is not None:
        return reply
    return await alone(service, instance, chosen, tag)


async def _presented(
    service: Service,
    inner: Request,
    instance: Instance,
    said: Mapping[str, str],
    chosen: Representation,
) -> Reply:
    scope = Scope(
        instance.study_uid, _uid(said, "presentationSeriesUID"), _uid(said, "presentationUID")
    )
    state = await service.workers.run(retrieve.instance, service.archive, scope)
    subject = await service.workers.run(rendered.presented, service.archive, state, instance)
    drawing = rendered.drawing_of(inner.query, chosen.media_type, viewport=None)
    return await service.workers.run(rendered.pictured, service, inner, subject, drawing, chosen)


def _renderings(service: Service, instance: Instance) -> tuple[Representation, ...]:
    """What can be had of an instance besides itself."""
    archive = service.archive
    if instance.frames.count or instance.sop_class_uid.startswith(SOP_CLASSES):
        return _PICTURES
    if transfer_syntax(instance.transfer_syntax_uid).video:
        return (Representation(media_type_of(archive, instance, "7FE00010")),)
    document = document_of(archive, instance)
    if ENCAPSULATED_DOCUMENT in document:
        return (Representation(media_type_of(archive, instance, ENCAPSULATED_DOCUMENT)),)
    return offers.REPORTS.representations if is_report(document) else ()


def _translated(request: Request, said: Mapping[str, str], instance: Instance) -> Request:
    """The request with the parameters of the RESTful service. Raises Problem (400)."""
    query: dict[str, str] = {}
    for name, other in (
        ("contentType", "accept"),
        ("charset", "charset"),
        ("annotation", "annotation"),
        ("imageQuality", "quality"),
    ):
        if name in said:
            query[other] = said[name]
    center, width = said.get("windowCenter"), said.get("windowWidth")
    if (center is None) != (width is None):
        missing = "windowCenter" if center is None else "windowWidth"
        raise Problem(400, f"{missing} is missing (§9.5.1.2)", field=missing)
    if center is not None:
        query["window"] = f"{center},{width}"
    viewport = _viewport(said, instance)
    if viewport:
        query["viewport"] = viewport
    scope: ASGIScope = dict(request.scope)
    scope["query_string"] = urlencode(query).encode("ascii")
    return request.like(scope)


def _viewport(said: Mapping[str, str], instance: Instance) -> str:
    pixels = instance.pixels
    sides = [_whole(said, name, rendered.LARGEST) for name in ("columns", "rows")]
    if not ({"columns", "rows", "region"} & set(said)) or pixels is None:
        return ""
    if "region" not in said:
        return f"{sides[0]},{sides[1]}"
    try:
        left, top, right, bottom = (float(each) for each in said["region"].split(","))
        if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
            raise ValueError
    except ValueError:
        detail = f"region={said['region'][:60]} is not xmin,ymin,xmax,ymax, each 0.0 to 1.0"
        raise Problem(400, detail, field="region") from None
    x, y = round(left * pixels.columns), round(top * pixels.rows)
    width = max(round(right * pixels.columns) - x, 1)
    height = max(round(bottom * pixels.rows) - y, 1)
    if not {"columns", "rows"} & set(said):
        sides = [width, height]
    return f"{sides[0]},{sides[1]},{x},{y},{width},{height}"


def _frame(said: Mapping[str, str], instance: Instance) -> int | None:
    if "frameNumber" not in said:
        return None
    number = _whole(said, "frameNumber", 0)
    if not 1 <= number <= instance.frames.count:
        detail = f"frameNumber={number} is none of the {instance.frames.count} frames"
        raise Problem(400, detail, field="frameNumber")
    return number


def _whole(said: Mapping[str, str], name: str, default: int) -> int:
    text = said.get(name)
    if text is None:
        return default
    if not (text.isdecimal() and text.isascii() and len(text) < 10):
        raise Problem(400, f"{name}={text[:40]} is no whole number", field=name)
    return int(text)


def _uid(said: Mapping[str, str], name: str) -> str:
    uid = said.get(name, "")
    if not is_uid(uid):
        raise Problem(400, f"{name}={uid[:80]!r} is no UID (§9.1.2)", field=name)
    return uid
