"""The self-checks: for each rule, reports it must find something in, and those it must not."""

import time
from dataclasses import replace
from typing import Any

import pytest

from dicomweb_server.reading.checks import Finding, check, rules
from dicomweb_server.reading.clauses import clauses
from dicomweb_server.reading.content import MeasurementReference
from dicomweb_server.reading.evaluators import EVALUATORS
from dicomweb_server.reading.rule import NOTHING, Context
from tests.reading.examples import EXAM, PATIENT, content

WOMAN = replace(PATIENT, sex="F", name="Li^Na", ideographic="李^娜")
CHILD = replace(PATIENT, age="006Y", birth_date="20200101")
OLD_WOMAN = replace(WOMAN, age="072Y", birth_date="19540101")
KNEE = replace(EXAM, modality="MR", body_part="KNEE", description="右膝关节MR平扫")
LEFT_KNEE = replace(KNEE, description="MR left knee without contrast")
PELVIS = replace(EXAM, body_part="PELVIS", description="盆腔CT平扫")
CONTRAST = replace(EXAM, description="胸部CT平扫+增强")
HEAD = replace(EXAM, body_part="HEAD", description="头颅CT平扫")
TEMPLATE = (
    "双肺纹理清晰，未见实变。纵隔未见肿大淋巴结，双侧胸腔未见积液，"
    "心影大小形态正常，气管及支气管通畅。"
)


def measured(value: float, unit: str = "mm") -> MeasurementReference:
    return MeasurementReference("1.2.3", "结节", "length", value, unit)


def found(
    rule: str, *, patient: Any = PATIENT, exam: Any = EXAM, context: Context = NOTHING, **said: Any
) -> list[Finding]:
    everything = check(content(**said), patient=patient, exam=exam, context=context)
    return [each for each in everything if each.rule == rule]


# rule, what the report says, and the words that are found
TRUE: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("header-missing", {"patient": replace(PATIENT, visit="")}, ""),
    ("header-missing", {"patient": replace(PATIENT, sex="")}, ""),
    ("header-missing", {"patient": replace(PATIENT, name="", ideographic="")}, ""),
    ("header-missing", {"patient": replace(PATIENT, age="", birth_date="")}, ""),
    ("header-missing", {"exam": replace(EXAM, institution=" ")}, ""),
    ("empty-section", {"impression": " \n"}, ""),
    ("empty-section", {"findings": ""}, ""),
    ("required-field", {"context": Context(required=(("size", "大小"),))}, ""),
    (
        "required-field",
        {"context": Context(required=(("size", "大小"),)), "fields": {"size": ""}},
        "",
    ),
    ("placeholder", {"findings": "右肺上叶见结节，大小约[ ]mm。"}, "[ ]"),
    ("placeholder", {"findings": "大小约__mm。"}, "__"),
    ("placeholder", {"findings": "大小约XXmm。"}, ""),
    ("placeholder", {"impression": "【左/右】肺结节。"}, "【左/右】"),
    ("placeholder", {"impression": "[left/right] lung nodule."}, "[left/right]"),
    ("placeholder", {"impression": "右肺{部位}结节。"}, "{部位}"),
    ("placeholder", {"impression": "右肺结节（ ）。"}, "（ ）"),
    ("placeholder", {"impression": "右肺结节???"}, "???"),
    ("placeholder", {"impression": "右肺结节，大小待补充"}, "待补充"),
    (
        "template-untouched",
        {"findings": TEMPLATE, "context": Context(defaults={"findings": TEMPLATE})},
        TEMPLATE,
    ),
    ("normal-positive", {"impression": "胸部CT平扫未见明显异常。"}, "胸部CT平扫未见明显异常"),
    ("normal-positive", {"impression": "No acute abnormality."}, "No acute abnormality"),
    ("normal-positive", {"impression": "Normal chest CT."}, "Normal chest CT"),
    ("abnormal-negative", {"impression": "右肺上叶结节。", "positive": False}, "结节"),
    (
        "abnormal-negative",
        {"impression": "Fracture of the third rib.", "positive": False},
        "Fracture",
    ),
    ("side-sections", {"findings": "左肺下叶见结节。", "impression": "右肺下叶结节。"}, "右肺"),
    (
        "side-sections",
        {"findings": "左肾见结石，右肾未见异常。", "impression": "右肾结石。"},
        "右肾",
    ),
    (
        "side-sections",
        {"findings": "右侧乳腺外上象限见肿块。", "impression": "左乳腺癌可能。"},
        "左乳腺",
    ),
    (
        "side-sections",
        {
            "findings": "There is a calculus in the left kidney.",
            "impression": "Right kidney calculus.",
        },
        "Right kidney",
    ),
    (
        "side-sections",
        {
            "findings": "A nodule in the right lower lobe. Left lung is clear.",
            "impression": "Left lower lobe nodule.",
        },
        "Left lower lobe",
    ),
    (
        "side-order",
        {
            "exam": KNEE,
            "findings": "左膝关节内侧半月板后角信号增高。",
            "impression": "左膝内侧半月板撕裂。",
        },
        "左膝",
    ),
    (
        "side-order",
        {
            "exam": LEFT_KNEE,
            "findings": "The right knee shows an effusion.",
            "impression": "Effusion.",
        },
        "right knee",
    ),
    (
        "side-order",
        {
            "exam": replace(KNEE, description="膝关节MR平扫"),
            "context": Context(laterality="R"),
            "findings": "左膝积液。",
        },
        "左膝",
    ),
    ("organ-of-other-sex", {"exam": PELVIS, "findings": "子宫大小正常。"}, "子宫"),
    (
        "organ-of-other-sex",
        {"exam": PELVIS, "patient": WOMAN, "findings": "前列腺未见增大。"},
        "前列腺",
    ),
    ("organ-of-other-sex", {"exam": PELVIS, "findings": "The uterus is normal."}, "uterus"),
    (
        "organ-of-other-sex",
        {"exam": PELVIS, "patient": WOMAN, "findings": "Prostate not enlarged."},
        "Prostate",
    ),
    ("pregnancy", {"findings": "宫内妊娠。"}, "妊娠"),
    ("pregnancy", {"patient": OLD_WOMAN, "findings": "宫内见孕囊。"}, "孕囊"),
    ("pregnancy", {"patient": OLD_WOMAN, "findings": "Gravid uterus."}, "Gravid"),
    ("wording-for-a-child", {"findings": "患儿双肺纹理增多。"}, "患儿"),
    ("wording-for-a-child", {"findings": "The infant lungs are clear."}, "infant"),
    ("wording-for-the-old", {"patient": CHILD, "findings": "胸椎退行性变。"}, "退行性"),
    (
        "wording-for-the-old",
        {"patient": CHILD, "findings": "Degenerative change of the spine."},
        "Degenerative",
    ),
    ("contrast-in-plain-exam", {"findings": "病灶动脉期明显强化。"}, "动脉期"),
    (
        "contrast-in-plain-exam",
        {
            "exam": replace(EXAM, description="CT chest without contrast"),
            "findings": "The nodule enhances avidly.",
        },
        "enhances",
    ),
    ("implausible-number", {"findings": "右肺结节，直径约80cm。"}, ""),
    ("implausible-number", {"findings": "Nodule of 1200 mm."}, ""),
    ("implausible-number", {"findings": "CT值约9000HU。"}, ""),
    (
        "number-not-as-measured",
        {"findings": "右肺结节，直径约8cm。", "measurements": (measured(8.1),)},
        "",
    ),
    (
        "number-not-as-measured",
        {"findings": "Nodule of 0.8 mm.", "measurements": (measured(8.0),)},
        "",
    ),
    (
        "finding-without-impression",
        {"findings": "右肺见结节。右侧第3肋骨骨折。", "impression": "右肺结节。"},
        "骨折",
    ),
    (
        "finding-without-impression",
        {"findings": "Small pneumothorax on the left.", "impression": "Pneumonia."},
        "pneumothorax",
    ),
    (
        "finding-without-impression",
        {"findings": "不除外右肺结节。", "impression": "慢性支气管病变。"},
        "结节",
    ),
    ("impression-without-finding", {"findings": "双肺清晰。", "impression": "右侧气胸。"}, "气胸"),
    (
        "impression-without-finding",
        {"findings": "The lungs are clear.", "impression": "Fracture of a rib."},
        "Fracture",
    ),
    ("other-body-part", {"exam": HEAD, "findings": "内侧半月板后角信号异常。"}, "半月板"),
    ("other-body-part", {"exam": KNEE, "findings": "肝右叶见低密度灶。"}, "肝"),
    ("other-body-part", {"exam": LEFT_KNEE, "findings": "The liver shows a lesion."}, "liver"),
    ("prior-not-listed", {"findings": "右肺结节较前增大。"}, "较前"),
    ("prior-not-listed", {"impression": "与2025-01-01胸部CT比较，结节稳定。"}, ""),
    ("prior-not-listed", {"impression": "Nodule, stable compared with the prior study."}, ""),
    (
        "copied-forward",
        {
            "findings": TEMPLATE + "右肺上叶见一实性结节，直径约八毫米，边缘可见毛刺。",
            "context": Context(elsewhere=("R-7",)),
        },
        "",
    ),
)

FALSE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("header-missing", {}),
    ("header-missing", {"patient": replace(PATIENT, age="")}),
    ("header-missing", {"patient": replace(PATIENT, name="")}),
    ("empty-section", {"recommendation": ""}),
    ("required-field", {"context": Context(required=(("size", "大小"),)), "fields": {"size": 8}}),
    (
        "required-field",
        {"context": Context(required=(("seen", "可见"),)), "fields": {"seen": False}},
    ),
    ("placeholder", {"findings": "大小约8mm（图像12），边缘[光整]。"}),
    ("placeholder", {"findings": "大小约8×6mm，SXX线。BI-RADS 2。核型46,XX。"}),
    ("placeholder", {"findings": "Nodule (series 3/12) of 8 mm [see image]."}),
    (
        "template-untouched",
        {
            "findings": TEMPLATE,
            "positive": False,
            "context": Context(defaults={"findings": TEMPLATE}),
        },
    ),
    (
        "template-untouched",
        {"findings": TEMPLATE + "右肺结节。", "context": Context(defaults={"findings": TEMPLATE})},
    ),
    ("normal-positive", {"impression": "胸部CT未见明显异常。", "positive": False}),
    ("normal-positive", {"impression": "右肺结节。余胸部CT未见明显异常。"}),
    ("normal-positive", {"impression": "Fracture of a rib. Otherwise unremarkable."}),
    ("abnormal-negative", {"impression": "未见骨折、出血。", "positive": False}),
    ("abnormal-negative", {"impression": "No fracture or haemorrhage.", "positive": False}),
    ("abnormal-negative", {"impression": "右肺结节。", "positive": True}),
    ("side-sections", {"findings": "左肺下叶见结节，右肺清晰。", "impression": "左肺下叶结节。"}),
    ("side-sections", {"findings": "双肺见多发结节。", "impression": "右肺结节。"}),
    ("side-sections", {"findings": "左肺见结节。", "impression": "左肺结节。右肺未见异常。"}),
    ("side-sections", {"findings": "左肾结石。右肺结节。", "impression": "右肺结节，左肾结石。"}),
    (
        "side-sections",
        {
            "findings": "Left kidney calculus. Right kidney is normal.",
            "impression": "Left kidney calculus.",
        },
    ),
    ("side-order", {"exam": KNEE, "findings": "右膝关节积液。"}),
    ("side-order", {"exam": KNEE, "findings": "右膝关节积液，与左膝对比明显。"}),
    (
        "side-order",
        {"exam": replace(KNEE, description="双膝关节MR平扫"), "findings": "左膝关节积液。"},
    ),
    ("side-order", {"findings": "左肺结节。"}),
    ("side-order", {"exam": LEFT_KNEE, "findings": "The left knee shows an effusion."}),
    ("organ-of-other-sex", {"exam": PELVIS, "findings": "前列腺增大。"}),
    ("organ-of-other-sex", {"findings": "椎体及附件骨质未见异常。"}),
    (
        "organ-of-other-sex",
        {
            "exam": replace(EXAM, description="CT cervical spine"),
            "findings": "Cervical vertebrae normal.",
        },
    ),
    ("organ-of-other-sex", {"patient": replace(PATIENT, sex="O"), "findings": "子宫正常。"}),
    ("pregnancy", {"patient": WOMAN, "findings": "宫内妊娠。"}),
    ("pregnancy", {"patient": OLD_WOMAN, "findings": "未见妊娠征象。"}),
    ("wording-for-a-child", {"patient": CHILD, "findings": "患儿双肺纹理增多。"}),
    ("wording-for-the-old", {"findings": "胸椎退行性变。"}),
    ("contrast-in-plain-exam", {"exam": CONTRAST, "findings": "病灶动脉期明显强化。"}),
    ("contrast-in-plain-exam", {"impression": "右肺结节，建议增强扫描。"}),
    ("contrast-in-plain-exam", {"impression": "Nodule; enhanced CT is recommended."}),
    (
        "contrast-in-plain-exam",
        {"exam": replace(EXAM, description="CT chest with contrast"), "findings": "It enhances."},
    ),
    (
        "implausible-number",
        {"findings": "直径约8mm，CT值约-800HU，容积30ml，层厚1.25mm，角度35°。"},
    ),
    ("implausible-number", {"findings": "面积约800mm²，长约45cm。"}),
    ("number-not-as-measured", {"findings": "直径约8mm×6mm。", "measurements": (measured(8.1),)}),
    ("number-not-as-measured", {"findings": "直径约0.8cm。", "measurements": (measured(8.1),)}),
    (
        "number-not-as-measured",
        {"findings": "大者8cm，小者8mm。", "measurements": (measured(80), measured(8.0))},
    ),
    (
        "finding-without-impression",
        {"findings": "未见结节、肿块。未见骨折。", "impression": "未见明显异常。"},
    ),
    (
        "finding-without-impression",
        {"findings": "双肺未见实变或结节，双侧胸腔无积液。", "impression": "未见异常。"},
    ),
    ("finding-without-impression", {"findings": "骨折除外。", "impression": "软组织肿胀。"}),
    ("finding-without-impression", {"findings": "不考虑出血。", "impression": "软组织肿胀。"}),
    (
        "finding-without-impression",
        {"findings": "右肺上叶见肿块。", "impression": "右肺上叶周围型肺癌。"},
    ),
    (
        "finding-without-impression",
        {"findings": "No nodule, mass or pneumothorax. No fracture.", "impression": "Normal."},
    ),
    (
        "finding-without-impression",
        {"findings": "Fracture is excluded. No evidence of haemorrhage.", "impression": "Normal."},
    ),
    (
        "impression-without-finding",
        {"findings": "L4/5椎间盘向后突出。", "impression": "L4/5椎间盘突出。"},
    ),
    (
        "impression-without-finding",
        {"findings": "右侧基底节见低密度灶。", "impression": "右侧基底节区腔隙性梗死。"},
    ),
    ("impression-without-finding", {"findings": "肝内见无回声区。", "impression": "肝囊肿。"}),
    ("impression-without-finding", {"findings": "双肺清晰。", "impression": "未见气胸。"}),
    ("other-body-part", {"findings": "肝右叶见低密度灶。"}),
    (
        "other-body-part",
        {"exam": HEAD, "findings": "脑内多发结节。", "impression": "脑内多发转移瘤，建议肺部CT。"},
    ),
    (
        "other-body-part",
        {
            "exam": replace(EXAM, body_part="", description="Sonstiges"),
            "findings": "肝右叶见低密度灶。",
        },
    ),
    ("prior-not-listed", {"findings": "右肺结节较前增大。", "comparisons": ("1.2.3",)}),
    ("prior-not-listed", {"comparison": "无前片可供对比。"}),
    ("prior-not-listed", {"comparison": "No prior study."}),
    (
        "copied-forward",
        {
            "findings": TEMPLATE,
            "context": Context(defaults={"findings": TEMPLATE}, elsewhere=("R-7",)),
        },
    ),
    ("copied-forward", {"findings": "右肺结节。", "context": Context(elsewhere=("R-7",))}),
)


@pytest.mark.parametrize(("rule", "said", "words"), TRUE)
def test_a_rule_finds_what_is_wrong_and_where(rule: str, said: dict[str, Any], words: str) -> None:
    findings = found(rule, **said)
    assert findings, "nothing found"
    sections = content(**{k: v for k, v in said.items() if k not in _AROUND}).sections
    marked = [sections[each.section][each.start : each.end] for each in findings if each.section]
    assert not words or words in marked
    assert all(each.version >= 1 and each.severity in ("block", "warn") for each in findings)


@pytest.mark.parametrize(("rule", "said"), FALSE)
def test_a_rule_lets_pass_what_is_right(rule: str, said: dict[str, Any]) -> None:
    assert found(rule, **said) == []


_AROUND = frozenset({"patient", "exam", "context"})


def test_every_rule_has_cases_of_both_kinds_and_an_evaluator() -> None:
    ids = {rule.id for rule in rules()}
    assert {rule for rule, _, _ in TRUE} == ids == {rule for rule, _ in FALSE}
    assert {rule.kind for rule in rules()} == set(EVALUATORS)


def test_a_finding_speaks_the_language_of_the_report() -> None:
    (chinese,) = found("placeholder", findings="大小约[ ]mm。")
    (english,) = found("placeholder", findings="Size [ ] mm.", language="en")
    assert chinese.text == "仍有未填写的占位符“[ ]”"
    assert english.text == "the placeholder “[ ]” is still there"


def test_places_are_characters_of_the_section_also_beyond_the_basic_plane() -> None:
    (finding,) = found("placeholder", findings="患者𠮷某，大小约[ ]mm。")
    assert "患者𠮷某，大小约[ ]mm。"[finding.start : finding.end] == "[ ]"


@pytest.mark.parametrize(
    ("text", "term", "denied"),
    [
        ("未见骨折、脱位", "脱位", True),
        ("未见骨折及脱位征象", "脱位", True),
        ("无明显积液", "积液", True),
        ("骨折除外", "骨折", True),
        ("出血不考虑", "出血", False),
        ("不考虑出血", "出血", True),
        ("不除外骨折", "骨折", False),
        ("骨折不除外", "骨折", False),
        ("骨折不能排除", "骨折", False),
        ("不能排除骨折", "骨折", False),
        ("骨折待排", "骨折", False),
        ("结节周围未见水肿", "结节", False),
        ("结节周围未见水肿", "水肿", True),
        ("No nodule, mass or effusion", "effusion", True),
        ("Fracture cannot be excluded", "Fracture", False),
        ("Fracture has been excluded", "Fracture", True),
        ("Nodule without calcification", "Nodule", False),
    ],
)
def test_negation(text: str, term: str, denied: bool) -> None:
    (clause,) = clauses(text)
    at = text.index(term)
    assert clause.denies(at, at + len(term)) is denied


def test_a_hostile_text_takes_no_longer_than_its_length_explains() -> None:
    for piece in ("[ ", "左肺", "未见结节", "8×", "no nodule ", "（", "较前", "与", "{"):
        started = time.process_time()
        check(content(findings=piece * 4000), patient=PATIENT, exam=EXAM)
        assert time.process_time() - started < 5, piece
