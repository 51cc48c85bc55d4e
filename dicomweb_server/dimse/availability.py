"""Instance Availability Notification as SCU (PS3.4 §R): a peer is told that a study can be had."""

from pydicom.uid import generate_uid

from dicomweb_server.archive import retrieve
from dicomweb_server.archive.archive import Archive
from dicomweb_server.dicom.json_model import Json
from dicomweb_server.dimse import commands, identifiers, status
from dicomweb_server.dimse.errors import Refused
from dicomweb_server.dimse.negotiation import UNCOMPRESSED
from dicomweb_server.dimse.peers import Peer
from dicomweb_server.dimse.requestor import association_with, request
from dicomweb_server.dimse.sop_classes import AVAILABILITY
from storage.model import Instance, Scope


def notify(archive: Archive, peer: Peer, study_uid: str) -> None:
    """N-CREATE with all instances of a study. Raises DimseError, NotFound when it is gone."""
    series: dict[str, list[Instance]] = {}
    for each in retrieve.instances(archive, Scope(study_uid)):
        series.setdefault(each.series_uid, []).append(each)
    notification: Json = {
        "00081111": {"vr": "SQ"},
        "0020000D": {"vr": "UI", "Value": [study_uid]},
        "00081115": {
            "vr": "SQ",
            "Value": [
                {
                    "0020000E": {"vr": "UI", "Value": [series_uid]},
                    "00081199": {
                        "vr": "SQ",
                        "Value": [_available(archive, each) for each in instances],
                    },
                }
                for series_uid, instances in series.items()
            ],
        },
    }
    with association_with(archive, peer, [(AVAILABILITY, UNCOMPRESSED)]) as association:
        context = next(iter(association.contexts.values()))
        answered = request(
            association,
            context,
            {
                commands.COMMAND_FIELD: commands.N_CREATE,
                commands.MESSAGE_ID: association.new_id(),
                commands.AFFECTED_CLASS: AVAILABILITY,
                commands.AFFECTED_INSTANCE: str(generate_uid(prefix=None)),
            },
            (identifiers.write(notification, transfer_syntax_uid=context.transfer_syntax),),
        )
        answered.discard()
        if status.is_failure(answered.status):
            comment = commands.text(answered.command, commands.ERROR_COMMENT)
            raise Refused("N-CREATE", status=answered.status, comment=comment)


def _available(archive: Archive, instance: Instance) -> Json:
    return {
        "00080054": {"vr": "AE", "Value": [archive.config.aet]},
        "00080056": {"vr": "CS", "Value": ["ONLINE"]},
        "00081150": {"vr": "UI", "Value": [instance.sop_class_uid]},
        "00081155": {"vr": "UI", "Value": [instance.instance_uid]},
    }
