"""/api/v1/exports: a page tells that it is about to print or save pictures, for the audit.
What the server itself hands out, files and zips, it writes down by itself.

```json
{"study": "1.2.3", "form": "print", "panes": 2}
```
"""

from dicomweb_server.archive.export import FORMS, note_pictures
from dicomweb_server.web.http import Reply, Request
from dicomweb_server.web.orders import read_object
from dicomweb_server.web.problems import Problem
from dicomweb_server.web.service import Service
from dicomweb_server.web.wishes import only, text

MOST_PANES = 16


async def note(service: Service, request: Request) -> Reply:
    """Handler of POST /api/v1/exports; answered when the event is written."""
    wish = await read_object(request)
    only(wish, "study", "form", "panes")
    study_uid, form, panes = text(wish, "study"), text(wish, "form"), wish.get("panes", 1)
    if form not in FORMS:
        raise Problem(
            400,
            f"{form[:80]!r} is no form, only {', '.join(FORMS)}",
            name="malformed",
            field="form",
        )
    if type(panes) is not int or not 1 <= panes <= MOST_PANES:
        raise Problem(400, f"panes are 1 to {MOST_PANES}", name="malformed", field="panes")
    await service.workers.run(note_pictures, service.archive, study_uid, form=form, panes=panes)
    return Reply(204)
