"""Words of comments in any language, folded; scripts without spaces in pairs of characters; stop words gone."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

MAX_WORDS = 64  # of one comment that are looked at
_MAX_WORD = 32
_HEAD = 4_096  # characters of one comment that are looked at
_PREFIX = 6

_ADDRESS = re.compile(r"(?:https?://|www\.)\S+|\S+@\S+\.\S+")
_ASCII_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")
# Accents of Latin, Greek and Cyrillic letters, and the vowel marks of Arabic and Hebrew: written or not, the same word.
_MARKS = re.compile("[\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670]")
# Scripts that put no space between words: Han, kana, Thai, Lao, Khmer, Myanmar.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
_ENDINGS = ("ing", "ed", "es", "s", "e", "en", "er", "ly")

_STOP_OF = {
    "English": (
        "a about above after again all also although always am an and any anything are as ask asked asks at away "
        "back be because been before being between bot both but by came can can't cannot come comes could day days "
        "did didn't do does doesn't doing don't done down each even ever every everything few first five for from "
        "gave get gets give given gives go goes going gone got had has have having he her here him his how i i'd "
        "i'm i've if in into is isn't it it's its itself just keep keeps knew know let like made make makes many "
        "me more most much must my need never new no nobody none not nothing now of off on once one only onto or "
        "other our out over own please put rather really said same say says see she should since so some something "
        "soon still such take takes tell than that that's the their them then there these they thing things this "
        "those though three through time times to today told too took tried try twice two until up upon us use "
        "used uses using very want wanted wants was wasn't way we went were what when where which while who why "
        "will with without won't would yes yet you your"
    ),
    "German": (
        "aber alle als am an auch auf aus bei bin bis bitte da das dass dem den der des die dies diese doch du "
        "durch ein eine einem einen einer er es etwas fur gar habe haben hat ich ihr im immer in ist ja jede jeder "
        "kann kein keine mein mich mir mit nach nicht nichts noch nur ob oben oder sehr sein sich sie sind so und "
        "uns viel viele vom von vor war was wenn wer wie wieder will wir wird wo zu zum zur"
    ),
    "French": (
        "alors au aux avec bien c ce ces cest cette d dans de des deux du elle en encore est et etre fait fois il "
        "ils j jai je l la le les leur lui ma mais me meme mes moi mon n ne nous on ont ou par pas peut plus pour "
        "qu que qui s sa sans se ses son sont sur tous tout tres trop tu un une vous y"
    ),
    "Spanish, Portuguese, Italian": (
        "a al algo ao as aunque che com como con cuando da das de del demasiado di do donde dos e el ella em en "
        "entre era es esta este esto ha hay il la las le lo los mais mas me mi mis muy na nao no non nos o os para "
        "per pero por porque que quiero sabe se sem ser si sin sobre son sono su sus tan tengo ti todo todos tu um "
        "uma un una uno y ya yo"
    ),
    "Dutch": (
        "aan alleen bij dan dat de deze die dit door een en er ga geen haar heb heeft het hij hoe ik je kan maar "
        "me meer met mijn naar niet nog nu ook op te toch uit van veel voor waar was wat wel wij word zijn zo"
    ),
}
_STOP = frozenset(word for listed in _STOP_OF.values() for word in listed.split())


def words(text: str) -> list[tuple[str, str]]:
    """The words of a comment that may say what it is about: (term under which it is counted, word as it was written).

    A term is the folded word without a common ending, cut short; of a run in a script without spaces each pair of
    characters is one. Emoji are words too. The same text gives the same words on every machine.
    """
    found: list[tuple[str, str]] = []
    for word in _split(_ADDRESS.sub(" ", text[:_HEAD])):
        if word not in _STOP and len(word) <= _MAX_WORD and not word.isdecimal():
            found.append((term_of(word), word))
            if len(found) >= MAX_WORDS:
                break
    return found


def _split(text: str) -> Iterator[str]:
    if text.isascii():
        yield from (word for word in _ASCII_WORD.findall(text.lower()) if len(word) > 1)
        return
    folded = fold(text)
    run: list[str] = []
    unspaced = False
    for character in (*folded, " "):
        sort = _sort(character)
        if run and (sort in {"", "emoji"} or (sort == "unspaced") != unspaced):
            yield from _of_run("".join(run), unspaced=unspaced)
            run = []
        if sort == "emoji":
            yield character
        elif sort:
            run.append(character)
            unspaced = sort == "unspaced"


def fold(text: str) -> str:
    """Text without case, compatibility forms and marks that may be left out."""
    folded = unicodedata.normalize("NFKC", text).replace("\u2019", "'").casefold()
    return unicodedata.normalize("NFC", _MARKS.sub("", unicodedata.normalize("NFKD", folded)))


def _of_run(run: str, *, unspaced: bool) -> Iterator[str]:
    if unspaced:
        yield from (run[at : at + 2] for at in range(max(1, len(run) - 1)))
    else:
        word = run.strip("'")
        if len(word) > 1:
            yield word


@lru_cache(maxsize=8192)
def _sort(character: str) -> str:
    """`letter`, `unspaced` (a letter of a script without spaces), `emoji`, or nothing: it parts words."""
    category = unicodedata.category(character)
    if _UNSPACED.match(character) and category[0] in "LM":
        return "unspaced"
    if category[0] in "LMN" and not "\ufe00" <= character <= "\ufe0f":
        return "letter"
    if category == "So" and not "\U0001f1e6" <= character <= "\U0001f1ff":
        return "emoji"
    return "letter" if character == "'" else ""


@lru_cache(maxsize=65536)
def term_of(word: str) -> str:
    """The term under which a folded word is counted."""
    word = word.partition("'")[0] or word
    if len(word) > 4 and word[0] < "\u0590":  # alphabets that put endings behind their words
        for ending in _ENDINGS:
            if word.endswith(ending) and len(word) - len(ending) >= 4 and not word.endswith("ss"):
                word = word[: -len(ending)]
                break
    return word[:_PREFIX] if word[0] < "\u0590" else word
