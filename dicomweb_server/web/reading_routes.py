"""Where the report module is under /api/v1 (REPORTS 4.5)."""

from dicomweb_server.web import exams, reports, working
from dicomweb_server.web.service import Handler

REPORTS = "/api/v1/reports"
REPORT = REPORTS + "/{report}"
REQUESTS = REPORT + "/amendment-requests"

READING_ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/api/v1/exams", exams.listed),
    ("PATCH", "/api/v1/exams/{exam}", exams.change),
    ("GET", "/api/v1/worklists/{worklist}", exams.worklist),
    ("POST", REPORTS, reports.create),
    ("GET", REPORTS, reports.listed),
    ("GET", REPORT, reports.one),
    ("GET", REPORT + "/working", working.working),
    ("PUT", REPORT + "/working", working.save),
    ("PATCH", REPORT + "/working", working.save),
    ("POST", REPORT + "/lease", working.hold),
    ("PUT", REPORT + "/lease", working.hold),
    ("DELETE", REPORT + "/lease", working.release),
    ("POST", REPORT + "/checks", reports.check),
    ("POST", REPORT + "/actions/{action}", reports.act),
    ("GET", REPORT + "/revisions", reports.revisions),
    ("GET", REPORT + "/revisions/{revision}", reports.revision),
    ("GET", REPORT + "/diff", reports.difference),
    ("GET", REPORT + "/conflicts", working.conflicts),
    ("GET", REPORT + "/conflicts/{conflict}", working.conflict),
    ("DELETE", REPORT + "/conflicts/{conflict}", working.handle_conflict),
    ("GET", REPORT + "/versions/{version}", reports.version),
    ("POST", REPORT + "/verify", reports.verify),
    ("GET", REQUESTS, reports.requests),
    ("POST", REQUESTS, reports.ask),
    ("POST", REQUESTS + "/{request}/actions/{decision}", reports.decide),
    ("GET", REPORT + "/annotations", reports.annotations),
    ("POST", REPORT + "/annotations", reports.annotate),
    ("GET", REPORT + "/timeline", reports.timeline),
)
