"""`dicomweb-server dimse`: the bridge without DICOMweb, in several processes; and what it says
of itself."""

import signal
import socket
from pathlib import Path

from dicomweb_server.config import load
from dicomweb_server.dimse import status
from dicomweb_server.dimse.conformance import conformance
from dicomweb_server.dimse.sop_classes import SERVICES
from tests.dimse.programs import free_port, run, wait_for_port
from tests.dimse.test_transfers import files
from tests.servers import command, kill_session, session_of, wait_for


def test_the_bridge_runs_alone_in_several_processes_until_it_is_stopped(tmp_path: Path) -> None:
    port = free_port()
    process = command(
        "dimse", "--data", tmp_path / "archive", "--dimse-port", port, "--dimse-processes", 2,
        start_new_session=True,
    )  # fmt: skip
    try:
        wait_for_port(port)
        made = files(tmp_path / "made", 20)
        run("dcmsend", "127.0.0.1", port, *made)
        found = run(
            "findscu", "-S", "-k", "QueryRetrieveLevel=STUDY", "-k",
            "NumberOfStudyRelatedInstances", "127.0.0.1", port,
        )  # fmt: skip
        assert "[20]" in found
        wait_for(lambda: len(session_of(process)) >= 3)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        wait_for(lambda: not session_of(process))
    finally:
        kill_session(process)


def test_a_port_that_is_taken_is_a_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = command("dimse", "--data", tmp_path / "archive", "--dimse-port", port)
        _, complaint = process.communicate(timeout=30)
    assert process.returncode == 1
    assert f"port {port} of 127.0.0.1 is taken" in complaint


def test_the_conformance_statement_says_what_is_configured_in_the_order_of_ps3_2() -> None:
    """The chapters of the template of PS3.2 Annex N (2024d), which its annexes follow."""
    text = conformance(
        load(
            environment={},
            flags={
                "aet": "ARCHIVE7",
                "dimse_tls_port": 2762,
                "peers": '[{"aet": "CT1", "host": "10.0.0.1", "port": 104, "charset": "GBK"}]',
                "forward": '[{"to": "CT1", "modality": ["CT"], "priority": "urgent"}]',
            },
        )
    )
    chapters = [line for line in text.splitlines() if line.startswith("## ")]
    assert chapters == [
        "## 1 Overview",
        "## 2 Table of contents",
        "## 3 Introduction",
        "## 4 Implementation model",
        "## 5 Service and interoperability description",
        "## 6 Configuration",
        "## 7 Network and media communication details",
        "## 8 Security",
        "## 9 Annexes",
    ]
    assert "| CT1 | 10.0.0.1:104 |" in text
    assert "| CT1 | any | CT | any | urgent | no |" in text
    assert "`ARCHIVE7`" in text
    assert "1.2.840.10008.5.1.4.1.1.2 |" in text
    for uid in set().union(*SERVICES.values()):
        assert f"| {uid} |" in text, uid
    for code in {*status.OF_REFUSAL.values()}:
        assert f"| C-STORE | {code:04X} |" in text
