"""The scores in the first words of a judge's reply, with whatever real judges write around them.

A reply is cut into pieces, its lines and sentences; a piece has labels ("Assistant 2", "回答1"), numbers, and words
that may stand beside scores. Any other word makes it prose. Labels say whose score a number is; without them the order
is that of the prompt. What could be read in two ways is not read.
"""

import re
from dataclasses import dataclass, field

from pipeline.evaluation.judge.score_text import pieces_of

NOUN = (
    "(?:assistant|model|answer|response|candidate|system|アシスタント|モデル|回答者?|解答|応答|返答|候補|システム|助手)"
)
MEASURE = "(?:score|rating|grade|スコア|評価|得点|点数|評点)"
COUNTER = "(?:つ目|番目|人目)"
WORDS = (
    "scores?|ratings?|grades?|points?|pts?|evaluations?|results?|judge?ments?|assistant(?=['\u2019])|answers?|responses?"
    "|final|overall|output|your|boxed|text|here|are|is|the|an?|my|i|would|as|follows|gives?|gets?|rate|for|to|and|vs|versus|s|d"
    "|respectively"
)
WORDS_JA = (
    "スコア|評価|採点|判定|結果|点数|得点|評点|最終的?|総合|出力|回答|答え|以下|通り|それぞれ|です|ます|とします|に対する"
    f"|点|対|{COUNTER}|[とはがにのをで]"
)
TOKEN = re.compile(
    rf"(?P<both>{NOUN}s?[\s_-]*(?P<left>[12AB])\s*(?:and|&|,|/|と|、|vs\.?)\s*(?P<right>[12AB])(?![0-9a-z]))"
    rf"|(?<![a-z])(?:{NOUN}[\s_-]*|第)(?P<named>[12](?![0-9])|[AB](?![a-z])|[一二](?={COUNTER}))"
    rf"|(?<![a-z]){MEASURE}[\s_-]*(?P<measured>[12](?![0-9])|[AB](?![a-z]))(?=\W*[:=>)])"
    rf"|(?<![\w.])(?P<bare>(?-i:[12AB])(?=\s*[:=)]|{COUNTER})|[一二](?={COUNTER})|(?-i:[AB])(?=[\s.はが]))"
    rf"(?=[はが\W]*(?:[0-9]|{MEASURE})|{COUNTER})"
    rf"|(?<![a-z])(?P<ordinal>first|second|1st|2nd|前者|後者)(?![a-z])(?:\s+{NOUN})?"
    r"|(?P<number>(?<![0-9.])-?[0-9]+(?:\.[0-9]+)?(?![0-9]|\.[0-9]))"
    r"|(?P<reason>理由|説明|解説|根拠|コメント|reason|explanation|because|comment|rationale|justification)"
    rf"|(?P<harmless>(?<![a-z])(?:{WORDS})(?![a-z])|{WORDS_JA}|[^\w⁄]|_)",
    re.IGNORECASE,
)
LABELS = ("named", "measured", "bare", "ordinal")
OF_THE_FIRST = ("1", "a", "一", "first", "1st", "前者")

LABELLED = ("LN", "NL")
PAIRS = ("NN", "LNLN", "NLNL", "LLNN")
GRADE = ("N",)
BREAK = re.compile(r"[,、;:(—–-]")
RANGE = re.compile(r"\s*(?:[-~〜–—]|to)\s*", re.IGNORECASE)

Pair = tuple[float, float]


@dataclass(slots=True)
class _Found:
    """Labels and numbers in the order in which they stand."""

    wanted: tuple[str, ...]
    """What they have to be like."""
    kinds: str = ""
    labels: list[bool] = field(default_factory=list)
    """Whether each is that of the first answer."""
    numbers: list[float] = field(default_factory=list)
    is_range: bool = False
    """The two numbers may be the ends of one score."""

    def add_label(self, text: str) -> None:
        self.kinds += "L"
        self.labels.append(text.lower() in OF_THE_FIRST)

    def joined(self, other: "_Found") -> "_Found":
        is_range = self.is_range or other.is_range
        kinds, labels, numbers = self.kinds + other.kinds, self.labels + other.labels, self.numbers + other.numbers
        return _Found(self.wanted, kinds, labels, numbers, is_range)

    @property
    def is_whole(self) -> bool:
        return self.kinds in self.wanted

    @property
    def pair(self) -> Pair | None:
        """In the order of the prompt; None where both labels are the same, or it may be one score."""
        first, second = self.numbers
        if not self.labels:
            return None if self.is_range and first < second else (first, second)
        if self.labels == [True, False]:
            return first, second
        return (second, first) if self.labels == [False, True] else None


def pair_in(reply: str, *, needs_labels: bool = False) -> Pair | None:
    """The scores of the first and of the second answer; None where the reply does not begin with them."""
    found = _found_in(pieces_of(reply, most=10), PAIRS)
    return None if found is None or (needs_labels and not found.labels) else found.pair


def grade_in(reply: str) -> float | None:
    """The only score; None where the reply does not begin with it."""
    found = _found_in(pieces_of(reply, most=5), GRADE)
    return None if found is None else found.numbers[0]


def _found_in(pieces: list[str], wanted: tuple[str, ...]) -> _Found | None:
    """What is wanted, from the pieces at the beginning."""
    found = _Found(wanted)
    for number, piece in enumerate(pieces):
        new = _read(piece, wanted)
        if new is not None:
            found = found.joined(new)
        elif found.kinds not in LABELLED and (found.kinds or re.search("[0-9]", piece)):
            return None  # prose where scores should be; without digits it only leads to them
        if found.is_whole:
            is_alone = bool(found.labels) or new is None or not _goes_on(new, pieces[number + 1 :])
            return found if is_alone else None
        if len(found.kinds) >= max(map(len, wanted)):
            return None
    return None


def _goes_on(last: _Found, pieces: list[str]) -> bool:
    """Whether as many bare numbers follow as stood in the last piece: a third score, or numbered rows."""
    following = _read(pieces[0], last.wanted) if pieces else None
    return following is not None and following.kinds == last.kinds and following.numbers != last.numbers


def _read(piece: str, wanted: tuple[str, ...]) -> _Found | None:
    """What stands in a piece; None for prose."""
    found = _Found(wanted)
    place = end_of_last = 0
    while place < len(piece):
        token = TOKEN.match(piece, place)
        if token and token["reason"] and found.is_whole:
            return found
        if token is None or token["reason"]:
            closing = _after_remark(piece, found, piece[end_of_last:place], place)
            if closing is None:
                return None
            place = end_of_last = closing
            continue
        if not token["harmless"]:
            _add(found, token, piece[end_of_last:place])
            end_of_last = token.end()
        place = token.end()
    return found


def _after_remark(piece: str, found: _Found, gap: str, place: int) -> int | None:
    """Where reading goes on after words behind a score; None where they are no remark about it.

    A remark stands apart: behind a labelled score in brackets, or behind a comma, dash or colon up to the end.
    """
    is_labelled = bool(found.labels) and (found.is_whole or found.kinds in LABELLED)
    if is_labelled and "(" in gap and (closing := piece.find(")", place)) >= 0:
        return closing + 1
    is_apart = BREAK.search(gap) is not None
    if is_apart and (is_labelled or (found.is_whole and not re.search("[0-9]", piece[place:]))):
        return len(piece)
    return None


def _add(found: _Found, token: re.Match[str], gap: str) -> None:
    if token["both"]:
        found.add_label(token["left"])
        found.add_label(token["right"])
    elif token["number"]:
        found.is_range |= found.kinds == "N" and RANGE.fullmatch(gap) is not None
        found.kinds += "N"
        found.numbers.append(float(token["number"]))
    else:
        found.add_label(next(text for name in LABELS if (text := token[name])))
