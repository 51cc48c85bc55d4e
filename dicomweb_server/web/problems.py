"""What went wrong, as HTTP says it: a status and an `application/problem+json` body (RFC 9457).

RFC 9457 §3.1: `status`, `title` ("a short, human-readable summary of the problem type"), `detail`
("specific to this occurrence"); §3.2 allows further members: `field` is the header, parameter,
attribute or resource that is at fault. `type` is there where a program may want to tell one problem
from another of the same status: a relative reference that never changes, `/problems/rank-too-low`;
where it is left out it means "about:blank".

The sentences are made where the fault is known; this table only says which status they have. It is
the one place where storage's and dicom's errors meet HTTP.
"""

import logging
import math
from dataclasses import dataclass
from http import HTTPStatus

import orjson

from dicomweb_server.access import errors as access
from dicomweb_server.dicom import errors as dicom
from dicomweb_server.reading import errors as reading
from dicomweb_server.records import errors as records
from dicomweb_server.web.http import QueryTooLong, Reply, header
from dicomweb_server.web.multipart import MultipartError
from dicomweb_server.web.negotiate import BadMediaType, Representation
from dicomweb_server.web.refusals import status_of
from dicomweb_server.web.routing import BadPathUid
from storage import errors as storage

log = logging.getLogger(__name__)

PROBLEM_JSON = "application/problem+json"


class Problem(Exception):
    """A request that is answered with `status` because of `field`.

    name  of the problem's type, `rank-too-low`; empty: there is none beyond the status
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        name: str = "",
        field: str | None = None,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        **members: object,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.name = name
        self.field = field
        self.headers = headers
        self.members = members


def not_acceptable(offered: tuple[Representation, ...]) -> Problem:
    """406, with what could be had (RFC 9110 §15.5.7)."""
    could = [
        f'multipart/related; type="{one.media_type}"'
        + (f"; transfer-syntax={one.transfer_syntax}" if one.transfer_syntax else "")
        if one.multipart
        else one.media_type
        + (f"; transfer-syntax={one.transfer_syntax}" if one.transfer_syntax else "")
        for one in offered
    ]
    return Problem(
        406,
        f"nothing acceptable: this resource can be had as {', '.join(could)}",
        field="Accept",
        available=could,
    )


@dataclass(frozen=True, slots=True)
class _Row:
    """`field` names the attribute of the error that says what is at fault, `name` is its type, or
    names the attribute that says it when it begins with a dot."""

    error: type[Exception]
    status: int
    field: str = ""
    name: str = ""


# Most special first: the first row whose class an error is of decides.
_ROWS = (
    _Row(BadPathUid, 400, "variable"),
    _Row(BadMediaType, 400, "field"),
    _Row(QueryTooLong, 414),
    _Row(MultipartError, 400),
    _Row(dicom.BadQuery, 400, "parameter"),
    _Row(dicom.BadEdit, 400, "field"),
    _Row(dicom.NotInDataSet, 404, "path"),
    _Row(dicom.NotDicom, 400),
    _Row(dicom.TooLarge, 413, "where"),
    _Row(dicom.UnsupportedEncoding, 406, "uid"),
    _Row(dicom.Malformed, 400, "where"),
    _Row(storage.NotFound, 404, "name"),
    _Row(storage.Conflict, 409, "name"),
    _Row(storage.OutOfSpace, 507),
    _Row(storage.Unavailable, 503),
    _Row(access.LoginFailed, 401, name="login-failed"),
    _Row(access.SecondFactorRequired, 401, name="second-factor-required"),
    _Row(access.Locked, 429, name="locked"),
    _Row(access.NotSignedIn, 401, name="login-required"),
    _Row(access.Denied, 403, name="denied"),
    _Row(access.Unknown, 404, "name", name="not-found"),
    _Row(access.Refused, 422, "field", name=".name"),
    _Row(access.Stale, 412, name="stale-revision"),
    _Row(access.AuditUnavailable, 503, name="audit-unavailable"),
    _Row(reading.Unknown, 404, "kind", name="not-found"),
    _Row(records.RecordsFull, 507),
    _Row(records.RecordsUnavailable, 503, name="records-unavailable"),
)


def problem_of(error: Exception) -> Problem:
    """Which problem an error is; one that nobody foresaw is logged and is a 500 without details."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, reading.Refused):
        return Problem(
            status_of(error),
            str(error),
            name=error.name,
            field=error.field or None,
            **error.members,
        )
    for row in _ROWS:
        if isinstance(error, row.error):
            headers: tuple[tuple[bytes, bytes], ...] = ()
            if isinstance(error, storage.Unavailable | access.AuditUnavailable | access.Locked):
                headers = (header("retry-after", str(math.ceil(error.retry_after_s))),)
            elif isinstance(error, access.NotSignedIn):
                # RFC 9110 §11.6.1, RFC 6750 §3; a browser asks for no password because of it.
                headers = (header("www-authenticate", 'Bearer realm="archive"'),)
            field = str(getattr(error, row.field)) if row.field else None
            name = getattr(error, row.name[1:]) if row.name.startswith(".") else row.name
            return Problem(row.status, str(error), name=name, field=field, headers=headers)
    log.error("a request failed in an unforeseen way", exc_info=error)
    return Problem(500, "the server failed in an unforeseen way; its log says how")


def reply_of(problem: Problem) -> Reply:
    body = {
        **({"type": f"/problems/{problem.name}"} if problem.name else {}),
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        **({"field": problem.field} if problem.field else {}),
        **problem.members,
    }
    headers = (
        header("content-type", PROBLEM_JSON),
        header("x-content-type-options", "nosniff"),
        *problem.headers,
    )
    return Reply(problem.status, headers, (orjson.dumps(body),))
