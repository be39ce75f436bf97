"""ROUGE-L of Japanese texts, as Sakana AI computes it for JA-VG-VQA-500 and JA-VLM-Bench-In-the-Wild.

Both texts are normalised, cut into words by MeCab with the dictionary unidic-lite, and compared by Google's
``rouge_score``: the F-measure of their longest common subsequence of words. Nothing is stemmed or lower-cased, and
punctuation counts as words. Another dictionary gives other scores, so there is no replacement for it. There are two
normalisers: neologdn, which is the protocol's, and NFKC, which llm-jp-eval-mm takes where neologdn cannot be built. A
score says which one it was made with.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

import emoji
import fugashi
import neologdn
import unidic_lite

Normaliser = Literal["neologdn", "nfkc"]
NORMALISERS: Mapping[Normaliser, Callable[[str], str]] = {
    "neologdn": neologdn.normalize,
    "nfkc": lambda text: unicodedata.normalize("NFKC", text),
}

PICTOGRAPHS = re.compile("[\U0001f600-\U0001f64f\U0001f300-\U0001f5ff\U0001f680-\U0001f6ff\U0001f1e0-\U0001f1ff✂-➰]")
"""Emoticons, symbols, transport, flags, dingbats: deleted also where ``emoji`` does not know them."""


def normalise(text: str, *, normaliser: Normaliser = "neologdn") -> str:
    """Without emoji and pictographs, in the normaliser's form, each run of whitespace one space. In this order."""
    text = "".join(character for character in text if not emoji.is_emoji(character))
    text = PICTOGRAPHS.sub("", text)
    return " ".join(NORMALISERS[normaliser](text).split())


def words(text: str, *, normaliser: Normaliser = "neologdn") -> list[str]:
    """The words of a text after normalisation, punctuation included."""
    unbroken = normalise(text, normaliser=normaliser).replace("\0", " ")  # for MeCab, a NUL would end the text
    wakati: str = _tagger().parse(unbroken)
    return wakati.split()


def rouge_l(reference: str, prediction: str, *, normaliser: Normaliser = "neologdn") -> float:
    """F-measure in percent: 0 when the texts share no word, or one of them has none."""
    fmeasure: float = _scorer(normaliser).score(reference, prediction)["rougeL"].fmeasure
    return 100 * fmeasure


class _Words:
    """``words`` in the form that ``rouge_score`` asks for."""

    def __init__(self, normaliser: Normaliser) -> None:
        self._normaliser = normaliser

    def tokenize(self, text: str) -> list[str]:
        return words(text, normaliser=self._normaliser)


@cache
def _tagger() -> fugashi.GenericTagger:
    dictionary = Path(unidic_lite.DICDIR)  # named, because fugashi's own choice is UniDic where that is installed
    return fugashi.GenericTagger(f'-Owakati -r "{dictionary / "mecabrc"}" -d "{dictionary}"')


@cache
def _scorer(normaliser: Normaliser) -> Any:
    from rouge_score.rouge_scorer import RougeScorer  # brings all of NLTK along: seconds, for its stemmer

    return RougeScorer(["rougeL"], tokenizer=_Words(normaliser))
