"""What has to leave when a version is issued: rows written in the issuing transaction, delivered
afterwards by workers whose effect is the same however often they run."""

from sqlalchemy.orm import Session

from dicomweb_server.reading.content import IssuedVersion


def enqueue(session: Session, issued: IssuedVersion) -> None:
    """Queues every document and delivery of `issued`, in the transaction of `session`."""
    raise NotImplementedError
