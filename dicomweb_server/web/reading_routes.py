"""Where the report module is under /api/v1 (REPORTS 4.5)."""

from dicomweb_server.web import exams, report_documents, reports, templates, working
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
    ("GET", REPORT + "/versions/{version}/pdf", report_documents.version_pdf),
    ("GET", REPORT + "/versions/{version}/sr", report_documents.version_sr),
    ("GET", REPORT + "/pdf", report_documents.current_pdf),
    ("POST", REPORT + "/verify", reports.verify),
    ("GET", REQUESTS, reports.requests),
    ("POST", REQUESTS, reports.ask),
    ("POST", REQUESTS + "/{request}/actions/{decision}", reports.decide),
    ("GET", REPORT + "/annotations", reports.annotations),
    ("POST", REPORT + "/annotations", reports.annotate),
    ("GET", REPORT + "/timeline", reports.timeline),
    ("GET", "/api/v1/verify/{code}", report_documents.verify),
    ("GET", "/api/v1/deliveries", report_documents.deliveries),
    ("POST", "/api/v1/deliveries/{delivery}/actions/retry", report_documents.retry),
    ("GET", "/api/v1/templates", templates.listed),
    ("POST", "/api/v1/templates", templates.create),
    ("GET", "/api/v1/templates/{template}", templates.one),
    ("PUT", "/api/v1/templates/{template}", templates.change),
    ("GET", "/api/v1/phrases", templates.phrases),
    ("POST", "/api/v1/phrases", templates.create_phrase),
    ("PUT", "/api/v1/phrases/{phrase}", templates.change_phrase),
    ("DELETE", "/api/v1/phrases/{phrase}", templates.retire_phrase),
)
