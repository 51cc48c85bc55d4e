"""The words a printed report is made of, in Chinese and English."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dicomweb_server.reading.evaluators import TITLES


@dataclass(frozen=True, slots=True)
class Words:
    """See the module; braces are where something is put in."""

    chinese: bool
    title: str
    modalities: Mapping[str, str]
    sections: Mapping[str, str]
    name: str
    sex: str
    sexes: Mapping[str, str]
    age: str
    patient_id: str
    visit: str
    accession: str
    exam: str
    part: str
    performed: str
    parts: Mapping[str, str]
    service: str
    physician: str
    indication: str
    measurement: str
    kinds: Mapping[str, str]
    key_images: str
    image: str
    no_picture: str
    roles: Mapping[str, str]
    ranks: Mapping[int, str]
    licence: str
    issued: str
    author: str
    version: str
    marks: Mapping[str, str]
    replaces: str
    adds: str
    exception: str
    preliminary: str
    code: str
    scan: str
    page: tuple[str, str, str]
    note: str
    other: str = field(default="")

    def modality(self, abbreviation: str) -> str:
        return self.modalities.get(abbreviation, self.other)

    def for_layout(self, version: str) -> dict[str, object]:
        """Those that report.typ places itself."""
        return {
            "preliminary": self.preliminary,
            "key_images": self.key_images,
            "no_picture": self.no_picture,
            "issued": self.issued,
            "author": self.author,
            "code": self.code,
            "scan": self.scan,
            "page": self.page,
            "note": self.note,
            "version_short": version,
        }


CHINESE = Words(
    chinese=True,
    title="{}检查报告单",
    modalities={
        "CT": "CT",
        "MR": "磁共振",
        "US": "超声",
        "CR": "X线",
        "DX": "X线",
        "MG": "乳腺X线",
        "NM": "核医学",
        "PT": "PET/CT",
        "RF": "X线造影",
        "XA": "血管造影",
    },
    other="影像",
    sections={code: chinese for code, (chinese, _) in TITLES.items()},
    name="姓名",
    sex="性别",
    sexes={"M": "男", "F": "女", "O": "其他"},
    age="年龄",
    patient_id="患者编号",
    visit="门诊/住院号",
    accession="检查号",
    exam="检查项目",
    part="检查部位",
    performed="检查时间",
    parts={
        "ABDOMEN": "腹部",
        "ANKLE": "踝",
        "BRAIN": "脑",
        "BREAST": "乳腺",
        "CHEST": "胸部",
        "CSPINE": "颈椎",
        "ELBOW": "肘",
        "FOOT": "足",
        "HAND": "手",
        "HEAD": "头部",
        "HEART": "心脏",
        "HIP": "髋",
        "KIDNEY": "肾",
        "KNEE": "膝",
        "LIVER": "肝",
        "LSPINE": "腰椎",
        "NECK": "颈部",
        "PELVIS": "盆腔",
        "SHOULDER": "肩",
        "SKULL": "颅骨",
        "SPINE": "脊柱",
        "THYROID": "甲状腺",
        "TSPINE": "胸椎",
        "WRIST": "腕",
    },
    service="申请科室",
    physician="申请医师",
    indication="临床信息",
    measurement="测量",
    kinds={
        "length": "长度",
        "distance": "距离",
        "diameter": "直径",
        "area": "面积",
        "volume": "体积",
        "angle": "角度",
        "mean": "平均值",
        "min": "最小值",
        "max": "最大值",
        "stddev": "标准差",
    },
    key_images="关键图像",
    image="图",
    no_picture="图像无法显示",
    roles={"initial": "报告医师", "review": "审核医师", "confirm": "确认医师"},
    ranks={0: "", 1: "住院医师", 2: "主治医师", 3: "副主任医师", 4: "主任医师"},
    licence="执业证号 {}",
    issued="报告时间",
    author="书写",
    version="第{}版",
    marks={
        "preliminary": "临时报告（未经审核，正式报告以审核签发为准）",
        "correction": "更正报告",
        "addendum": "补充报告",
    },
    replaces="更正原因：{reason}\n更正时间：{time}；本版取代第{base}版，原报告保留备查。",
    adds="补充原因：{reason}\n补充时间：{time}；第{base}版内容不变。",
    exception="例外说明：{}",
    preliminary="临时报告",
    code="验证码",
    scan="扫码验真",
    page=("第 ", " 页 共 ", " 页"),
    note="本报告经医师电子签名后生效，仅供临床医师参考；如有疑问请与检查机构联系。",
)

ENGLISH = Words(
    chinese=False,
    title="{} Report",
    modalities={
        "CT": "CT",
        "MR": "MRI",
        "US": "Ultrasound",
        "CR": "X-Ray",
        "DX": "X-Ray",
        "MG": "Mammography",
        "NM": "Nuclear Medicine",
        "PT": "PET/CT",
        "RF": "Fluoroscopy",
        "XA": "Angiography",
    },
    other="Imaging",
    sections={code: english for code, (_, english) in TITLES.items()},
    name="Name",
    sex="Sex",
    sexes={"M": "male", "F": "female", "O": "other"},
    age="Age",
    patient_id="Patient ID",
    visit="Visit no.",
    accession="Accession",
    exam="Examination",
    part="Body part",
    performed="Performed",
    parts={},
    service="Service",
    physician="Referrer",
    indication="Indication",
    measurement="Measurement",
    kinds={"stddev": "standard deviation"},
    key_images="Key Images",
    image="Image",
    no_picture="This image cannot be shown",
    roles={"initial": "Reported by", "review": "Reviewed by", "confirm": "Confirmed by"},
    ranks={
        0: "",
        1: "Resident",
        2: "Attending",
        3: "Associate Chief",
        4: "Chief Physician",
    },
    licence="Lic. {}",
    issued="Issued",
    author="Written by",
    version="Version {}",
    marks={
        "preliminary": "PRELIMINARY – not yet reviewed; the issued report will replace it",
        "correction": "Corrected report",
        "addendum": "Report with addendum",
    },
    replaces="Reason for the correction: {reason}\nCorrected {time}; replaces version {base}, "
    "which is kept.",
    adds="Reason for the addendum: {reason}\nAdded {time}; version {base} stands unchanged.",
    exception="Exception: {}",
    preliminary="PRELIMINARY",
    code="Verification code",
    scan="scan to verify",
    page=("Page ", " of ", ""),
    note="Valid with the electronic signatures of the physicians named; for the use of clinicians.",
)


def words_of(language: str) -> Words:
    return CHINESE if language.lower().startswith("zh") else ENGLISH
