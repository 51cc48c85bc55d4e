"""Names as they sound: what `fuzzymatching=true` finds besides the literal matches.

PS3.18 §8.3.4.2 and PS3.4 §C.2.2.2.1.1 leave "fuzzy semantic matching" of names to the server. Ours:

- every word asked for must be found among the words of the name, in any order and any component;
- a Chinese character sounds like each of its readings in pinyin without tones, so that `zhang wei`,
  `wei zhang` and `zhangwei` find 张伟, and 章伟 finds 张伟;
- a word in Latin letters sounds like its consonants as German, English and French ears hear them:
  Meier and Mayer, Schmidt and Smith, Philip and Filip. A single syllable of pinyin is compared as
  it is written, or Li, Lu and Liu would be one name.

A name is stored with its keys beside it: `=zhang` is a word as it is written, `~SMT` a sound.
"""

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import pairwise, product

from dicomweb_server.dicom.names import fold

MOST_KEYS = 64
"""Keys kept of one name; names of people have some five to twenty."""

_WORD = re.compile(r"[^\W\d_]+")
_JOINED_WORDS = 4
_JOINED_CHARACTERS = 6
_READINGS = 8


def fuzzy_keys(groups: Iterable[str]) -> tuple[str, ...]:
    """The keys of a name, given its component groups (PS3.5 §6.2, PN)."""
    keys: dict[str, None] = {}
    for group in groups:
        folded = fold(group)
        latin: list[str] = []
        for word in _WORD.findall(folded):
            if _is_han(word[0]):
                keys.update(dict.fromkeys(_han_keys(word)))
            else:
                latin.append(word)
                keys.update(dict.fromkeys(_latin_keys(word)))
        characters = "".join(word for word in _WORD.findall(folded) if _is_han(word[0]))
        keys.update(dict.fromkeys(_han_keys(characters)))
        if 2 <= len(latin) <= _JOINED_WORDS:
            keys["=" + "".join(latin)] = None
            keys.update(dict.fromkeys("=" + a + b for a, b in pairwise(latin)))
    return tuple(keys)[:MOST_KEYS]


def fuzzy_words(asked: str) -> list[tuple[str, ...]]:
    """For each word of a name that is asked for, the keys of which one must be there. A word that
    ends in `*` has its beginning as its last key, with the star."""
    words: list[tuple[str, ...]] = []
    for word, star in re.findall(r"([^\W\d_]+)(\*?)", fold(asked)):
        if _is_han(word[0]):
            words += [tuple("=" + one for one in _readings(character)) for character in word]
            continue
        keys = ["=" + word]
        if sound := _sound_of(word):
            keys.append(sound)
        words.append((*keys, f"={word}*") if star else tuple(keys))
    return [word for word in words if word]


def _latin_keys(word: str) -> Iterator[str]:
    yield "=" + word
    if sound := _sound_of(word):
        yield sound
    yield from ("=" + syllable for syllable in _syllables(word))


def _han_keys(word: str) -> Iterator[str]:
    """Each character, and every run of them joined: 张小东 is also asked for as xiaodong."""
    readings = [_readings(character) for character in word]
    for one in readings:
        yield from ("=" + reading for reading in one)
    if len(word) > _JOINED_CHARACTERS:
        return
    for start in range(len(word)):
        for end in range(start + 2, len(word) + 1):
            for number, parts in enumerate(product(*readings[start:end])):
                if number < _READINGS:
                    yield "=" + "".join(parts)


# --- pinyin ---------------------------------------------------------------------------------------


def _is_han(letter: str) -> bool:
    return "\u3400" <= letter <= "\u9fff" or "\U00020000" <= letter <= "\U0003ffff"


@lru_cache(maxsize=1)
def _dictionary() -> dict[int, str]:
    # Its dictionary of phrases takes 60 MB and says nothing of names.
    os.environ.setdefault("PYPINYIN_NO_PHRASES", "true")
    from pypinyin.constants import PINYIN_DICT

    return dict(PINYIN_DICT)


@lru_cache(maxsize=4096)
def _readings(character: str) -> tuple[str, ...]:
    """The readings of a Chinese character without tones, the commonest first; the character itself
    when nobody knows one."""
    bare: list[str] = []
    for reading in filter(None, _dictionary().get(ord(character), "").split(",")):
        parts = unicodedata.normalize("NFD", reading)
        # 吕 is written lv by who types it, lu and lyu in passports.
        forms = ("v", "u", "yu") if "u\u0308" in parts else ("",)
        bare += [fold(parts.replace("u\u0308", form)) for form in forms]
    return tuple(dict.fromkeys(bare)) or (character,)


_INITIALS = re.findall(r"\w+", "b p m f d t n l g k h j q x zh ch sh r z c s y w")
_FINALS = re.findall(
    r"\w+",
    "a o e i u v ai ei ui ao ou iu ie ve ue er an en in un vn ang eng ing ong "
    "ia iao ian iang iong ua uo uai uan uang van",
)
_SYLLABLES = frozenset(
    {"a", "o", "e", "ai", "ei", "ao", "ou", "an", "en", "ang", "er"}
    | {
        initial + final
        for initial in _INITIALS
        for final in _FINALS
        if not (initial in ("j", "q", "x") and final[0] not in "iuv")
        and not (initial in ("zh", "ch", "sh", "r") and final[0] == "i" and final != "i")
        and not (initial in ("g", "k", "h") and final[0] == "i")
    }
)


@lru_cache(maxsize=4096)
def _syllables(word: str) -> tuple[str, ...]:
    """The fewest syllables of pinyin that make the word, two or three; else nothing."""
    if len(word) > 18:
        return ()
    ways: list[tuple[str, ...] | None] = [(), *([None] * len(word))]
    for end in range(1, len(word) + 1):
        for start in range(max(0, end - 6), end):
            before = ways[start]
            if before is None or word[start:end] not in _SYLLABLES:
                continue
            best = ways[end]
            if best is None or len(before) + 1 < len(best):
                ways[end] = (*before, word[start:end])
    found = ways[-1]
    return found if found is not None and 2 <= len(found) <= 3 else ()


# --- sounds ---------------------------------------------------------------------------------------

_VOWELS = "aeiouyäöü"

# In order: what is written, what is heard. Capitals are heard already.
_HEARD = tuple(
    (re.compile(written), heard)
    for written, heard in (
        (r"^(?:kn|gn|pn|wr|ps)", lambda found: found[-1]),
        (r"^x", "s"),
        (r"^wh", "w"),
        (r"(?<=m)b$", ""),
        (r"tsch|tch|tzsch", "S"),
        (r"schw", "SF"),
        (r"sch|sh|ch(?=[eiy])|cz|sz", "S"),
        (r"dge?(?=[eiy])", "S"),
        (r"chs|ks|cks|x", "KS"),
        (r"ph|pf|v(?!$)", "F"),
        (r"v$", "F"),
        (r"gh(?=t|$)|(?<=[aou])gh", ""),
        (r"gn(?=[aeiou])|ng(?=e?$)", "N"),
        (r"th|dt|tt|d", "T"),
        (r"tz|ts|c(?=[eiy])|ß|z|s", "S"),
        (r"ck|cq|q|ch|c|g|k", "K"),
        (r"b|p", "P"),
        (r"f", "F"),
        (r"j", "S"),
        (r"l", "L"),
        (r"m", "M"),
        (r"n", "N"),
        (r"r", "R"),
        (r"t", "T"),
    )
)


@lru_cache(maxsize=4096)
def _sound_of(word: str) -> str:
    """`~` and the consonants that are heard, `A` for a vowel they begin with; empty when there are
    fewer than two, or the word is a syllable of pinyin or no Latin word."""
    if not word.isascii() or word in _SYLLABLES:
        return ""
    begins_with_vowel = word[0] in _VOWELS
    heard = word
    for written, sound in _HEARD:
        heard = written.sub(sound if isinstance(sound, str) else lambda m: m[0][-1], heard)
    # w is heard where a word begins or a vowel does not go before it; h only at the beginning.
    first = {"w": "F", "h": "H"}.get(heard[:1], "")
    kept = first + "".join(letter for letter in heard if letter.isupper())
    sound = "".join(
        letter for letter, before in zip(kept, "\0" + kept, strict=False) if letter != before
    )
    if begins_with_vowel:
        sound = "A" + sound
    return "~" + sound if len(sound) > 1 else ""
