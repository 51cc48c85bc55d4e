"""Names are found as they sound (PS3.18 §8.3.4.2)."""

import pytest

from dicomweb_server.dicom.fuzzy import MOST_KEYS, fuzzy_keys, fuzzy_words


def found(asked: str, *groups: str) -> bool:
    keys = set(fuzzy_keys(groups))
    return all(keys & set(word) for word in fuzzy_words(asked))


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("zhang wei", "张伟"),
        ("wei zhang", "张伟"),
        ("Zhang^Wei", "张^伟"),
        ("zhangwei", "张伟"),
        ("章伟", "张伟"),
        ("张", "張^偉"),
        ("zhang xiaodong", "张小东"),
        ("zhang xiao dong", "Zhang^Xiaodong"),
        ("xiaodong", "张^小东"),
        ("shan", "单^雄信"),
        ("lv bu", "吕布"),
        ("Meier", "Mayer^Hans"),
        ("hans meyer", "MAIER^Hans"),
        ("Schmidt", "Smith^John"),
        ("Filip", "Phillip"),
        ("Katrin", "Catherine"),
        ("Stefan", "Steven"),
        ("Müller", "Mueller"),
        ("Fisher", "Fischer"),
        ("Vagner", "Wagner"),
        ("Maria Garcia", "García^María"),
        ("jaxon", "Jackson"),
        ("delacroix", "de la Croix"),
    ],
)
def test_ps3_18_8_3_4_2_names_that_sound_alike_are_found(asked: str, name: str) -> None:
    assert found(asked, *name.split("="))


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("zhang wei", "张三"),
        ("li", "Lu^Ming"),
        ("liu", "Li^Ming"),
        ("wang", "张伟"),
        ("Meier Hans", "Meier^Jane"),
        ("Smith", "Jones"),
        ("Anna", "Tom"),
    ],
)
def test_names_that_sound_different_are_not(asked: str, name: str) -> None:
    assert not found(asked, name)


def test_any_component_group_will_do() -> None:
    assert found("xiaodong wang", "Wang^XiaoDong", "王^小东")
    assert found("小东", "Wang^XiaoDong")


def test_a_long_name_has_no_more_keys_than_it_should() -> None:
    assert len(fuzzy_keys(["单曾解查" * 16])) <= MOST_KEYS
    assert fuzzy_keys(["^^", "", "12"]) == ()
