"""Reports to make documents of: a CT of the chest, read and reviewed."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from dicomweb_server.reading.content import (
    SECTIONS,
    Content,
    Exam,
    IssuedVersion,
    Patient,
    Signature,
)

STUDY_UID = "1.2.826.0.1.3680043.8.498.1"
REPORT_ID = "01938e4e-7c00-7000-8000-000000000001"

PATIENT = Patient(
    patient_id="P0001",
    issuer="县医院",
    name="Zhang^Wei",
    ideographic="张^伟",
    birth_date="19800501",
    sex="M",
    age="045Y",
    visit="ZY20260101",
)
EXAM = Exam(
    accession="CT20260101001",
    study_uids=(STUDY_UID,),
    modality="CT",
    body_part="CHEST",
    description="胸部CT平扫",
    performed="20260101093000",
    institution="某某县人民医院",
    requesting_service="呼吸内科",
    requesting_physician="李^医生",
    reason="咳嗽两周",
)


def content(**changes: Any) -> Content:
    """Of a chest CT with a nodule; `findings` and `impression` may be given by name."""
    sections = {
        "history": "咳嗽两周。",
        "technique": "胸部CT平扫，层厚1mm。",
        "findings": "胸廓对称。右肺上叶见一实性结节，大小约8mm×6mm，边缘光整。余肺野清晰。\n"
        "纵隔未见肿大淋巴结。双侧胸腔未见积液。",
        "impression": "右肺上叶实性结节，建议6个月后复查。",
        "recommendation": "6个月后复查胸部CT。",
    }
    for name in SECTIONS:
        if name in changes:
            sections[name] = changes.pop(name)
    return Content(**{"sections": sections, "positive": True, "language": "zh-CN", **changes})


def signature(role: str, name: str, rank: int, at: datetime) -> Signature:
    return Signature(
        role=role,
        person_id=f"person-{name}",
        name=name,
        rank=rank,
        licence=f"1104200000{rank}",
        signed_at=at,
        algorithm="ecdsa-p256-sha256",
        covered="0" * 64,
        value=f"signature of {name}",
        certificate="",
    )


def issued(**changes: Any) -> IssuedVersion:
    """Version 1 of a report, with two signatures."""
    base = IssuedVersion(
        report_id=REPORT_ID,
        version=1,
        kind="original",
        base_version=0,
        reason="",
        issued_at=datetime(2026, 1, 1, 2, 30, tzinfo=UTC),
        content=content(),
        patient=PATIENT,
        exam=EXAM,
        signatures=(
            signature("initial", "王初诊", 1, datetime(2026, 1, 1, 2, 10, tzinfo=UTC)),
            signature("review", "赵审核", 3, datetime(2026, 1, 1, 2, 30, tzinfo=UTC)),
        ),
        author="王初诊",
    )
    return replace(base, **changes)
