"""Cuts text into the terms that lexical search compares: words by their stem, identifiers by their parts."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, cast

import Stemmer

LONGEST_TEXT = 65_536
LONGEST_TERM = 64

# Scripts that put no spaces between words: Thai to Khmer, kana, Han, Hangul.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\U00020000-\U0003ffff"
)
_RUN = re.compile(rf"[{_UNSPACED}]+|[^\W{_UNSPACED}]+(?:['.\-:/][^\W{_UNSPACED}]+)*")
_JOINTS = re.compile(r"['.\-:/_]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[a-z][0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_ACCENTED = re.compile(r"(?<=[a-z])[\u0300-\u036f]+")
_ENGLISH = re.compile(r"[a-z']+")
_CYRILLIC = re.compile(r"[\u0400-\u04ff]+")

STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
    a about above after again all also am an and any are as at be because been before being below between both
    but by can could did do does doing done down during each few for from further had has have having he her
    here hers him his how i if in into is it its itself just let me more most my no nor not now of off on once
    only or other our ours out over own please same she should so some such than that the their theirs them then
    there these they this those through to too under until up us very was we were what when where which while
    who whom why will with would you your yours aren couldn didn doesn don hadn hasn haven isn ll re shouldn ve
    wasn weren won wouldn
    """,
    )
)

# What the stemmer, which only cuts endings, does not bring together.
IRREGULAR = dict(
    pair.split(":")
    for pair in re.findall(
        r"\S+",
        """
        analyses:analysis ate:eat awoke:awake beaten:beat became:become began:begin begun:begin bent:bend
        bitten:bite bled:bleed blew:blow blown:blow bought:buy broke:break broken:break brought:bring
        built:build burnt:burn came:come caught:catch children:child chose:choose chosen:choose crept:creep
        criteria:criterion dealt:deal drank:drink drawn:draw drew:draw driven:drive drove:drive dug:dig
        eaten:eat fallen:fall fed:feed fell:fall felt:feel fled:flee flew:fly flown:fly forbade:forbid
        forbidden:forbid forgot:forget forgotten:forget fought:fight found:find froze:freeze frozen:freeze
        gave:give given:give gone:go got:get gotten:get grew:grow grown:grow heard:hear held:hold hid:hide
        hidden:hide hung:hang indexes:index indices:index kept:keep knew:know known:know laid:lay led:lead
        left:leave lent:lend lost:lose made:make matrices:matrix meant:mean men:man met:meet mice:mouse
        overridden:override overrode:override paid:pay people:person ran:run rang:ring ridden:ride risen:rise
        rode:ride said:say sang:sing sank:sink sat:sit seen:see sent:send shaken:shake shook:shake shot:shoot
        shown:show shrank:shrink slept:sleep slid:slide sold:sell sought:seek spent:spend spoke:speak
        spoken:speak stole:steal stolen:steal stood:stand struck:strike stuck:stick sung:sing swam:swim
        swept:sweep swore:swear swung:swing taken:take taught:teach thought:think threw:throw thrown:throw
        told:tell took:take tore:tear torn:tear understood:understand vertices:vertex went:go withdrew:withdraw
        woke:wake women:woman wore:wear worn:wear written:write wrote:write
        """,
    )
)


def terms(text: str) -> list[str]:
    """The terms of a text in its order, with repetitions; of long texts only the first 65,536 characters.

    `parseHTTPHeader_v2` gives its parts and itself, Chinese, Japanese, Korean and Thai give pairs of characters.
    """
    found: list[str] = []
    for run in _RUN.findall(unicodedata.normalize("NFKC", text[:LONGEST_TEXT])):
        found += _terms_of(run[: 4 * LONGEST_TERM])
    return found


@lru_cache(maxsize=32_768)
def _terms_of(run: str) -> tuple[str, ...]:
    if re.match(f"[{_UNSPACED}]", run):
        return tuple(_pairs(run))
    parts = [part for word in _JOINTS.split(run) for part in _CAMEL.split(word) if part]
    whole = [_folded(run)] if len(parts) > 1 and "'" not in run else []
    return tuple([term for part in parts for term in _stems(_folded(part))] + whole)


def _pairs(run: str) -> Iterator[str]:
    yield from (run[at : at + 2] for at in range(max(1, len(run) - 1)))


def _stems(word: str) -> Iterator[str]:
    if word not in STOP_WORDS and (len(word) > 1 or not word.isascii() or word.isdigit()):
        yield _stem(word)


def _stem(word: str) -> str:
    if _ENGLISH.fullmatch(word):
        return _stemmer("english")(IRREGULAR.get(word, word))
    return _stemmer("russian")(word) if _CYRILLIC.fullmatch(word) else word


def _folded(word: str) -> str:
    """In lower case, Latin letters without accents, so that `Café` is `cafe`."""
    word = word.casefold()
    if not word.isascii():
        word = unicodedata.normalize("NFC", _ACCENTED.sub("", unicodedata.normalize("NFD", word)))
    return word[:LONGEST_TERM]


@lru_cache
def _stemmer(language: str) -> Callable[[str], str]:
    """Snowball's; its module has no types."""
    made: Any = cast(Any, Stemmer).Stemmer(language)
    return cast(Callable[[str], str], made.stemWord)
