"""What a version has in the archive."""

from typing import Any

from sqlalchemy.orm import Session


def emitted(session: Session, report_id: str, version: int) -> dict[str, Any]:
    return {"sr_uid": None, "pdf_uid": None, "archived": False, "verification_code": None}
