"""Chinese names in Latin letters, for devices that show nothing else: `欧阳^娜娜` is OUYANG^NANA.

Hanyu Pinyin without tones as passports write it: `ü` is YU. A family name is read as a family name
(单 is SHAN, not DAN), those of two characters are known; a name in one piece is cut behind it. A
character that nobody has a reading of is left out of the letters: what shows nothing else than
letters would show nothing, or something else, for it. The ideographic group has it.
"""

import re
import unicodedata

_OF_TWO = """
欧阳 司马 上官 诸葛 夏侯 东方 皇甫 尉迟 公孙 慕容 长孙 宇文 司徒 司空 令狐 端木 轩辕 南宫 独孤 西门
东郭 百里 呼延 澹台 万俟 闻人 赫连 濮阳 淳于 单于 太叔 申屠 公冶 钟离 鲜于 闾丘 亓官 仲孙 宗政 拓跋
歐陽 司馬 諸葛 東方 尉遲 公孫 長孫 軒轅 東郭 澹臺 鍾離
"""
_FAMILY_NAMES_OF_TWO = frozenset(_OF_TWO.split())

_READ_AS_FAMILY_NAME = {
    "单": "shan", "單": "shan", "仇": "qiu", "曾": "zeng", "区": "ou", "區": "ou", "解": "xie",
    "查": "zha", "盖": "ge", "蓋": "ge", "朴": "piao", "任": "ren", "华": "hua", "華": "hua",
    "缪": "miao", "繆": "miao", "种": "chong", "翟": "zhai", "召": "shao", "覃": "qin",
    "员": "yun", "乐": "yue", "樂": "yue", "折": "she", "繁": "po", "秘": "bi", "黑": "he",
    "能": "nai", "隗": "wei", "郗": "xi", "纪": "ji", "燕": "yan", "应": "ying", "宁": "ning",
    "万俟": "moqi", "尉迟": "yuchi", "尉遲": "yuchi", "长孙": "zhangsun", "長孫": "zhangsun",
    "澹台": "tantai", "澹臺": "tantai", "单于": "chanyu", "亓官": "qiguan",
}  # fmt: skip

_WRITTEN_OTHERWISE = str.maketrans({"𠮷": "吉"})
"""Forms of characters in names that readings are listed under another form of."""

_HAN = re.compile("[\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")


def is_chinese(name: str) -> bool:
    """Whether Chinese characters are in a name: `Müller^Änne` is as Latin as `Doe^Jane`."""
    return _HAN.search(name) is not None


def component_groups(text: str) -> list[str]:
    """The component groups of a name in one text, alphabetic, ideographic, phonetic, as many as it
    has (PS3.5 §6.2.1.1); a Chinese one alone is the ideographic group, and gets letters."""
    groups = text.split("=")
    if len(groups) == 1 and is_chinese(text):
        groups = ["", text]
    if len(groups) > 1 and not groups[0] and is_chinese(groups[1]):
        groups[0] = pinyin_name(groups[1])
    return groups


def pinyin_name(name: str) -> str:
    """The alphabetic component group of a name written in Chinese; all else in it stays. Empty when
    no character of it has a reading."""
    components = name.split("^")
    if len(components) == 1 and len(name) > 1 and _HAN.match(name):
        cut = 2 if name[:2] in _FAMILY_NAMES_OF_TWO and len(name) > 2 else 1
        components = [name[:cut], name[cut:]]
    family = components[0]
    read = _READ_AS_FAMILY_NAME.get(family)
    parts = [_letters(family) if read is None else read.upper(), *map(_letters, components[1:])]
    return "^".join(parts) if any(parts) else ""


def _letters(text: str) -> str:
    return _HAN.sub(_syllables, text.strip())


def _syllables(found: re.Match[str]) -> str:
    from pypinyin import lazy_pinyin  # half of the program never writes a name, and it is large

    # The compatibility ideographs of older character sets are those they stand for.
    written = unicodedata.normalize("NFKC", found[0]).translate(_WRITTEN_OTHERWISE)
    # It writes `ü` as V.
    letters = "".join(lazy_pinyin(written, errors="ignore"))
    return letters.upper().replace("Ü", "YU").replace("V", "YU")
