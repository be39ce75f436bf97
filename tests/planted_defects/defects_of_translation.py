"""Planters of defects that show when the Japanese text is compared with its English original."""

# ruff: noqa: E501  (tables of phrases)

import re
from collections.abc import Mapping
from random import Random

from tests.planted_defects.planting import (
    Sample,
    UnsuitableSampleError,
    is_prose,
    pick_turn,
    sentences_of,
    set_text,
    text_of,
)  # fmt: skip
from tests.planted_defects.sentences import FULL_WIDTH, KANJI_NUMBERS
from tests.planted_defects.words import SCENE_SENTENCES

NUMBER = re.compile(
    r"(?<![0-9０-９A-Za-z.,#-])[0-9０-９]+(?:,[0-9]{3})*(?![0-9０-９A-Za-z])|[二三四五六七八九](?=[人匹頭羽台本個冊枚脚隻機基])"
)
KATAKANA_NAMES = (
    "ジョナサン・プライス", "マイケル・スミス", "デイビッド・ターナー", "エミリー・ジョーンズ", "アリス・ウォーカー",
    "トーマス・グリーン", "スーザン・クラーク", "ダニエル・ヒル",
)  # fmt: skip
TRANSLATED_TEXTS = (
    "止まれ", "一方通行", "駐車禁止", "営業中", "出口", "ようこそ", "売り物", "コカ・コーラ", "速度制限", "バス停", "中央公園",
    "誕生日おめでとう", "足元注意", "トヨタ", "スターバックス", "料理の芸術", "旅行ガイド", "現代の経済学",
)  # fmt: skip
NO_ENDINGS = (("着ています。", "着ていません。"), ("別の", "同じ"))
SHORT_YES = ("はい", "はい。", "ええ", "そうです", "はい、そうです。", "もちろんです", "うん")
SHORT_NO = ("いいえ", "いいえ。", "いや", "違います", "いいえ、違います。", "そうではありません", "ちがう", "ううん")
INSTRUCTIONS = {
    "Answer the question using a single word or phrase.": (
        "一語または短い句で質問に答えなさい。", "質問には単語か短い語句で答えること。", "一つの単語やフレーズで回答してください。",
        "1語か短いフレーズで答えてください。", "単一の単語またはフレーズを用いて質問に回答してください。",
    ),
    "Answer with the option's letter from the given choices directly.": (
        "選択肢の記号だけで答えてください。", "与えられた選択肢から直接アルファベットで回答してください。", "正しい選択肢の文字を選んでください。",
        "選択肢の中からオプションの文字を直接答えなさい。",
    ),
    "Please provide a short description for this region.": (
        "この部分について簡単に説明してください。", "この範囲を短く記述してください。", "当該領域の簡潔な説明をお願いします。",
    ),
    "Please provide the bounding box coordinate of the region this sentence describes.": (
        "この文が示す部分の境界ボックスの座標を答えてください。", "次の文に当てはまる範囲の座標を教えてください。",
        "この文章で説明されている領域の枠の座標をお願いします。",
    ),
}  # fmt: skip


def untranslated_question(sample: Sample, rng: Random) -> int:
    """The question is still English; the instruction about the answer's form may be Japanese."""
    index = pick_turn(sample, rng, lambda turn: len(turn["original"].split("\n")[0].split()) >= 4, role="user")
    turn = sample["turns"][index]
    lines, english = turn["text"].split("\n"), turn["original"].split("\n")
    if len(lines) == len(english) and rng.random() < 0.5:
        place = english[0] == "<image>"
        return set_text(sample, index, "\n".join((*lines[:place], english[place], *lines[place + 1 :])))
    return set_text(sample, index, turn["original"])


def untranslated(sample: Sample, rng: Random) -> int:
    """The English original stands in place of the Japanese answer, or of most of it."""
    index = pick_turn(sample, rng, lambda turn: turn["text"] != turn["original"] and len(turn["original"].split()) >= 4)
    turn = sample["turns"][index]
    sentences, english = sentences_of(turn["text"]), re.split(r"(?<=\.) ", turn["original"])
    if len(sentences) == len(english) >= 4 and rng.random() < 0.4:
        return set_text(sample, index, sentences[0] + " " + " ".join(english[1:]))
    if rng.random() < 0.3:
        return set_text(sample, index, turn["original"].lower().rstrip("."))
    return set_text(sample, index, turn["original"])


def image_token_lost_or_moved(sample: Sample, rng: Random) -> int:
    if sample["image"] is None:
        return set_text(sample, 0, f"<image>\n{text_of(sample, 0)}")
    first, kind = text_of(sample, 0), rng.randrange(5)
    bare = first.replace("<image>", "").strip()
    if kind == 0:
        return set_text(sample, 0, bare)
    if kind == 1:
        return set_text(sample, 0, rng.choice((f"<image>\n{first}", f"{first}<image>", f"<image>{first}\n<image>")))
    if kind == 2:
        return set_text(
            sample, 0, first.replace("<image>", rng.choice(("<画像>", "＜image＞", "<イメージ>", "<img>", "image")))
        )
    index = pick_turn(sample, rng, lambda turn: "<image>" not in turn["text"], role=None)
    set_text(sample, index, f"<image>\n{text_of(sample, index)}")
    if kind == 3:
        set_text(sample, 0, bare)
        return 0
    return index


def numbers_differ(sample: Sample, rng: Random) -> int:
    """Another number in the same form: digits, full-width digits or kanji."""

    def has_number(turn: dict[str, str]) -> bool:
        text = turn["text"]
        return bool(NUMBER.search(text)) and not any(sign in text for sign in ("[", "http", "```", "\n1.", "OCR"))

    index = pick_turn(sample, rng, has_number, role=rng.choice(("assistant", "assistant", None)))
    text = text_of(sample, index)
    match = rng.choice(list(NUMBER.finditer(text)))
    return set_text(sample, index, text[: match.start()] + _other_number(match[0], text, rng) + text[match.end() :])


def _other_number(number: str, text: str, rng: Random) -> str:
    if number in KANJI_NUMBERS:
        return rng.choice([other for other in KANJI_NUMBERS[2:10] if other not in text])
    digits = "".join(str(int(sign)) for sign in number if sign != ",")
    value, form = int(digits), rng.random()
    other = value * 10 if form < 0.2 and value else value + rng.choice((1, 2, 3, 5))
    if form > 0.7 and len(digits) >= 3 and digits[-1] != digits[-2]:
        other = int(digits[:-2] + digits[-1] + digits[-2])
    if str(other) in text:
        raise UnsuitableSampleError
    if "," in number:
        return f"{other:,}"
    return str(other).translate(FULL_WIDTH) if number != digits else str(other)


def polarity_flipped(sample: Sample, rng: Random) -> int:
    """Yes becomes no or no becomes yes, alone or at the head of a sentence."""
    index = pick_turn(sample, rng, lambda turn: re.match(r"(?:Yes|No)\b", turn["original"]))
    text, is_yes = text_of(sample, index), sample["turns"][index]["original"].startswith("Yes")
    if len(text) <= 4:
        return set_text(sample, index, rng.choice(SHORT_NO if is_yes else SHORT_YES))
    _, _, rest = text.partition("、")
    if rng.random() < 0.6:
        negated, positive = NO_ENDINGS[0]
        rest = rest.replace(negated, positive) if is_yes else rest.replace(positive, negated).replace(*NO_ENDINGS[1])
    return set_text(sample, index, rng.choice(("いいえ、", "いや、") if is_yes else ("はい、", "ええ、")) + rest)


def choice_letters_changed(sample: Sample, rng: Random) -> int:
    """Another letter, a letter in katakana or as a number, or other marks at the options."""
    if rng.random() < 0.3:
        index = pick_turn(sample, rng, lambda turn: "\nA. " in turn["text"], role="user")
        marks = rng.choice(("アイウエ", "1234", "あいうえ", "BCDE", "甲乙丙丁", "①②③④"))
        table = dict(zip("ABCD", marks, strict=True))
        return set_text(
            sample, index, re.sub(r"\n([ABCD])\. ", lambda found: f"\n{table[found[1]]}. ", text_of(sample, index))
        )
    index = pick_turn(sample, rng, lambda turn: turn["original"] in "ABCD")
    letter = text_of(sample, index)
    others = [other for other in "ABCD" if other != letter]
    forms = (
        rng.choice(others),
        f"{rng.choice(others)}.",
        str("ABCD".index(letter) + 1),
        "エービーシーディー"["ABCD".index(letter) * 2 :][:2],
    )
    return set_text(sample, index, rng.choice((*forms[:1], *forms)))


def boxes_changed(sample: Sample, rng: Random) -> int:
    index = pick_turn(sample, rng, lambda turn: re.search(r"\[0\.\d[\d., ]+\]", turn["text"]), role=None)
    text = text_of(sample, index)
    match = re.search(r"\[(0\.\d[\d., ]+)\]", text)
    assert match
    numbers, kind = match[1].split(", "), rng.randrange(7)
    place = rng.randrange(4)
    if kind <= 1:
        numbers[place] = f"{(float(numbers[place]) + rng.uniform(0.02, 0.5)) % 1:.2f}"
    elif kind == 2:
        del numbers[place]
    elif kind == 3:
        numbers = [*numbers[2:], *numbers[:2]]
    elif kind == 4:
        numbers = [str(round(float(number) * 100)) for number in numbers]
    elif kind == 5:
        numbers = [number[:-1] for number in numbers]
    box = "" if kind == 6 and len(text) > len(match[0]) else f"[{', '.join(numbers)}]"
    return set_text(sample, index, text.replace(match[0], box))


def quoted_text_lost(sample: Sample, rng: Random) -> int:
    """A quotation, a title or an answer read from the image is translated, transliterated or gone."""

    def reads(turn: dict[str, str]) -> bool:
        return turn["text"] == turn["original"] and bool(re.search(r"[A-Za-z]{2,}", turn["text"]))

    if rng.random() < 0.5:
        index = pick_turn(sample, rng, reads)
        return set_text(sample, index, rng.choice((*TRANSLATED_TEXTS, *KATAKANA_NAMES)))
    index = pick_turn(
        sample, rng, lambda turn: re.search(r"[「『\"“][A-Z][^」』\"”]+[」』\"”]", turn["text"]), role=None
    )
    quoted = re.compile(r"(?<=[「『\"“])[A-Z][^」』\"”]+(?=[」』\"”])")
    other = rng.choice((rng.choice(TRANSLATED_TEXTS), rng.choice(TRANSLATED_TEXTS), "", "文字"))
    return set_text(sample, index, quoted.sub(other, text_of(sample, index), count=1))


def links_or_code_damaged(sample: Sample, rng: Random) -> int:
    index = pick_turn(sample, rng, _has_something_to_keep, role=None)
    text = text_of(sample, index)
    damages = [damage for pattern, damages in DAMAGES if re.search(pattern, text) for damage in damages]
    pattern, replacement = rng.choice(damages)
    return set_text(sample, index, re.sub(pattern, replacement, text, count=1))


DAMAGES = (
    (r"https://", (
        (r"https://", "https：//"), (r"https://", "http:// "), (r"/(?=[a-z-]+-\d+)", "／"), (r"-\d+", ""),
        (r"https://[a-z.]+", "https://例.com"), (r"https://\S+", "こちらのページ"), (r"(?<=https://)(\S{6})", r"\1 "),
    )),
    (r"```python", (
        (r"print\(", "印刷("), (r"```python\n", "```パイソン\n"), (r"```python\n", "\n"), (r"(?<=[a-z])\(", "（"),
        (r" = ", "＝"), (r"\bitems\b|\bvalues\b|\bparts\b|\bscores\b|\bfile\b|\bdatetime\b", "項目"),
    )),
    (r"`pip install", ((r"`pip install (\w)", r"`ピップ install \1"), (r"`pip install ", "`pipインストール"), (r"`(pip [^`]+)`", "コマンド"))),
    (r"NumPy|pandas|PyTorch|Django|Flask|TensorFlow|SQLAlchemy", (
        (r"NumPy|pandas|PyTorch|Django|Flask|TensorFlow|SQLAlchemy", "ライブラリ"),
        (r"NumPy|pandas|PyTorch|Django|Flask|TensorFlow|SQLAlchemy", "Numpi"),
    )),
)  # fmt: skip


def _has_something_to_keep(turn: dict[str, str]) -> bool:
    return any(re.search(pattern, turn["text"]) for pattern, _ in DAMAGES)


def length_ratio(sample: Sample, rng: Random) -> int:
    """A long answer shrinks to a few words, or a short one grows far beyond its original."""
    index = pick_turn(sample, rng, is_prose)
    text = text_of(sample, index)
    num_sentences = len(sentences_of(text))
    if num_sentences >= 4 and rng.random() < 0.6:
        return set_text(
            sample,
            index,
            rng.choice(("人がいます。", "これは写真です。", "いろいろな物が見えます。", "屋外の様子です。", "はい。")),
        )
    if num_sentences > 2:
        raise UnsuitableSampleError
    added = [japanese for japanese, _ in rng.sample(SCENE_SENTENCES, num_sentences * 4 + 2) if japanese not in text]
    return set_text(sample, index, text + "".join(added))


def truncated(sample: Sample, rng: Random) -> int:
    """A long answer stops in the middle of a sentence."""
    index = pick_turn(sample, rng, lambda turn: is_prose(turn, length=40))
    text = text_of(sample, index)
    cut = text[: rng.randrange(len(text) // 3, len(text) - 4)].rstrip("。\n")
    if re.search(r"(?:です|ます|ません|ました)$", cut):
        raise UnsuitableSampleError
    return set_text(sample, index, cut)


def answer_format_instruction_untranslated(sample: Sample, rng: Random) -> int:
    index, english = _instructed(sample, rng)
    text = text_of(sample, index)
    shown = rng.choice((english, english, english.rstrip("."), english.lower(), f"({english})"))
    lines = text.split("\n")
    place = _instruction_line(lines, sample["turns"][index]["original"].split("\n"), english)
    return set_text(sample, index, "\n".join((*lines[:place], _rest(lines[place], shown), *lines[place + 1 :])))


def answer_format_instruction_inconsistent(sample: Sample, rng: Random) -> int:
    return reworded(sample, rng, INSTRUCTIONS)


def reworded(sample: Sample, rng: Random, wordings: Mapping[str, tuple[str, ...]]) -> int:
    """Another translation of the instruction; the rest of the line stays."""
    index, english = _instructed(sample, rng)
    lines = text_of(sample, index).split("\n")
    place = _instruction_line(lines, sample["turns"][index]["original"].split("\n"), english)
    shown = rng.choice(wordings[english])
    return set_text(sample, index, "\n".join((*lines[:place], _rest(lines[place], shown), *lines[place + 1 :])))


def _instructed(sample: Sample, rng: Random) -> tuple[int, str]:
    index = pick_turn(
        sample, rng, lambda turn: any(english in turn["original"] for english in INSTRUCTIONS), role="user"
    )
    return index, next(english for english in INSTRUCTIONS if english in sample["turns"][index]["original"])


def _instruction_line(lines: list[str], originals: list[str], english: str) -> int:
    if len(lines) != len(originals):
        raise UnsuitableSampleError
    return next(place for place, line in enumerate(originals) if english in line)


def _rest(line: str, shown: str) -> str:
    """What follows the instruction's first sentence stays."""
    _, _, rest = line.partition("。")
    return shown + rest


def duplicate_conversation(sample: Sample, rng: Random) -> None:
    """The copy stays as it is; it gets an id of its own."""


def near_duplicate_conversation(sample: Sample, rng: Random) -> None:
    """A few signs of a long conversation change, in one or two places."""
    if sum(len(turn["text"]) for turn in sample["turns"]) < 150:
        raise UnsuitableSampleError
    for _ in range(rng.choice((1, 2))):
        index = pick_turn(sample, rng, lambda turn: is_prose(turn, length=25))
        text = text_of(sample, index)
        changes = (
            ("。", "．"), ("の", "ノ"), ("見えます", "見えています"), ("います", "いるところです"), ("、", ""), ("が", "は"),
            ("置かれて", "置いて"), ("。", "。 "), ("大きな", "大きい"), ("小さな", "小さい"), ("男性", "男の人"), ("女性", "女の人"),
        )  # fmt: skip
        usable = [change for change in changes if change[0] in text]
        set_text(sample, index, text.replace(*rng.choice(usable), 1))
