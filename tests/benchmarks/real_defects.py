"""What can be wrong with a translation, made in translations that people wrote.

A planter gets an English text and its translation and returns the translation with the defect, or None where the text
has no place for it. They are written from what is wrong with translations, not from the checks.
"""

import re
from collections.abc import Callable, Sequence
from random import Random

Pair = tuple[str, str]
"""An English text and its translation."""
Triple = tuple[str, str, str]
"""The same, where the English changes as well: the English text, its translation, and the one with the defect."""
Planter = Callable[[str, str, Random], str | Triple | None]

COLOURS = {"red": "赤", "blue": "青", "white": "白", "black": "黒", "green": "緑", "yellow": "黄色"}
OPPOSITES = [
    ("大きい", "小さい"), ("大きな", "小さな"), ("大きく", "小さく"), ("新しい", "古い"), ("高い", "低い"),
    ("高く", "低く"), ("多くの", "わずかな"), ("長い", "短い"), ("増加", "減少"), ("開いて", "閉じて"),
    ("開いた", "閉じた"), ("開ける", "閉める"), ("暑い", "寒い"), ("明るい", "暗い"), ("簡単", "困難"),
    ("安全", "危険"), ("最初", "最後"), ("夏", "冬"), ("買い", "売り"), ("買う", "売る"), ("買っ", "売っ"),
    ("勝利", "敗北"), ("勝った", "負けた"), ("勝つ", "負ける"), ("輸入", "輸出"), ("成功", "失敗"), ("賛成", "反対"),
    ("到着", "出発"), ("男の子", "女の子"), ("男性", "女性"), ("父親", "母親"), ("父は", "母は"), ("父が", "母が"),
    ("父の", "母の"), ("息子", "娘"),
]  # fmt: skip
UNITS = [
    ("マイル", "キロメートル"), ("分間", "時間"), ("週間", "か月"), ("時間", "分間"), ("年間", "か月"),
    ("日間", "週間"), ("インチ", "メートル"), ("ドル", "円"), ("秒", "分間"), ("か月", "日間"), ("キロ", "マイル"),
]  # fmt: skip
KANGXI = {
    "一": "⼀",
    "二": "⼆",
    "人": "⼈",
    "大": "⼤",
    "日": "⽇",
    "手": "⼿",
    "子": "⼦",
    "小": "⼩",
    "山": "⼭",
    "見": "⾒",
    "食": "⾷",
    "行": "⾏",
}
HALF = str.maketrans(
    "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワンー",
    "ｱｲｳｴｵｶｷｸｹｺｻｼｽｾｿﾀﾁﾂﾃﾄﾅﾆﾇﾈﾉﾊﾋﾌﾍﾎﾏﾐﾑﾒﾓﾔﾕﾖﾗﾘﾙﾚﾛﾜﾝｰ",
)
TOKENS = (
    "</s>",
    "<|im_end|>",
    "<EOD|LLM-jp>",
    "<pad|LLM-jp>",
    "<|endoftext|>",
    "<end_of_turn>",
    "[/INST]",
    "<|eot_id|>",
)
ROLES = ("ASSISTANT: ", "### 応答:\n", "### 回答\n", "<think>\n</think>\n", "<|assistant|>", "システム: ")
NOTES = ("（訳注：直訳です）", "\n\n以上が日本語訳です。", "（原文のまま）", "\n※翻訳には意訳が含まれます。")
LINES = (
    "今後ともよろしくお願いいたします。",
    "お問い合わせは下記までお願いいたします。",
    "この商品は現在お取り扱いしておりません。",
)


def swapped(text: str, pairs: Sequence[tuple[str, str]], rng: Random) -> str | None:
    """The text with one word of a pair in place of the other."""
    found = [
        (old, new)
        for one, other in pairs
        for old, new in ((one, other), (other, one))
        if old in text and new not in text
    ]
    if not found:
        return None
    old, new = rng.choice(found)
    return text.replace(old, new, 1)


def number_changed(original: str, text: str, rng: Random) -> str | None:
    found = list(re.finditer(r"(?<![\d.,])[1-9]\d*(?![\d.,])", text))
    if not found or not re.search(r"\d", original):
        return None
    place = rng.choice(found)
    return text[: place.start()] + str(int(place[0]) + rng.choice((1, 2, 10))) + text[place.end() :]


def unit_changed(original: str, text: str, rng: Random) -> str | None:
    """The unit behind a number."""
    pairs = [pair for one, other in UNITS for pair in ((one, other), (other, one))]
    found = [
        (place, new) for old, new in pairs for place in re.finditer(f"(?<=[0-9０-９数一二三四五六七八九十]){old}", text)
    ]
    if not found:
        return None
    place, new = rng.choice(found)
    return text[: place.start()] + new + text[place.end() :]


def negation_lost(original: str, text: str, rng: Random) -> str | None:
    if not re.search(r"\bnot\b|n['’]t\b|\bnever\b", original):
        return None
    for old, new in (
        ("ていません", "ています"),
        ("ていない", "ている"),
        ("ません", "ます"),
        ("ではない", "である"),
        ("しない", "する"),
        ("できない", "できる"),
    ):
        if text.count(old) == 1:
            return text.replace(old, new)
    return None


def negation_added(original: str, text: str, rng: Random) -> str | None:
    for old, new in (
        ("ています。", "ていません。"),
        ("ている。", "ていない。"),
        ("できます。", "できません。"),
        ("しました。", "しませんでした。"),
        ("です。", "ではありません。"),
    ):
        if old in text:
            return text.replace(old, new, 1)
    return None


def colour_changed(original: str, text: str, rng: Random) -> str | None:
    named = [
        (name, word)
        for name, word in COLOURS.items()
        if re.search(rf"\b{name}\b", original.lower()) and f"{word}い" in text
    ]
    if not named:
        return None
    _, word = rng.choice(named)
    other = rng.choice([one for one in ("赤", "青", "白", "黒") if one != word and one not in text])
    return text.replace(f"{word}い", f"{other}い", 1)


def weekday_changed(original: str, text: str, rng: Random) -> str | None:
    found = re.search(r"([月火水木金土日])曜", text)
    if not found or "day" not in original:
        return None
    return text.replace(found[0], rng.choice([day for day in "月火水木金土日" if day != found[1]]) + "曜")


def name_changed(original: str, text: str, rng: Random) -> str | None:
    """A katakana name becomes another one."""
    if not re.search(r"(?<!^)(?<![.!?:\"] )\b[A-Z][a-z]{3,}", original):
        return None
    found = re.findall(r"([ァ-ヺー]{4,})(?:氏|さん|は|が|の首相|大統領)", text)
    return (
        text.replace(rng.choice(found), rng.choice(("ゴンザレス", "ハミルトン", "ペトロフスキー"))) if found else None
    )


def name_misspelled(original: str, text: str, rng: Random) -> str | None:
    found = [name for name in re.findall(r"\b[A-Z][a-z]{5,}\b", text) if name in original]
    if not found:
        return None
    name = rng.choice(found)
    place = rng.randrange(2, len(name) - 1)
    return text.replace(name, name[:place] + name[place + 1 :])


def sentence_omitted(original: str, text: str, rng: Random) -> str | None:
    sentences = re.findall(r"[^。]+。", text)
    if len(sentences) < 4:
        return None
    del sentences[rng.randrange(1, len(sentences) - 1)]
    return "".join(sentences)


def clause_omitted(original: str, text: str, rng: Random) -> str | None:
    """The longest clause of a sentence is gone."""
    clauses = re.split(r"(?<=、)", text)
    longest = max(clauses[:-1], key=len, default="")
    return text.replace(longest, "", 1) if len(longest) >= 16 and len(longest) > 0.3 * len(text) else None


def cut_off(original: str, text: str, rng: Random) -> str | None:
    if len(text) < 30 or not original.rstrip().endswith("."):
        return None
    return text[: rng.randrange(len(text) // 2, len(text) - 6)]


def phrase_repeated(original: str, text: str, rng: Random) -> str | None:
    phrase = text[: rng.randrange(4, 9)]
    return phrase * 4 + text[len(phrase) :] if re.fullmatch(r"[ぁ-ん一-鿿ァ-ヺー]+", phrase) else None


def sentence_untranslated(original: str, text: str, rng: Random) -> str | None:
    english = re.findall(r"[A-Z][^.!?]{30,}[.!?]", original)
    sentences = re.findall(r"[^。]+。", text)
    return text.replace(sentences[-1], english[-1]) if len(sentences) >= 2 and english else None


def words_left(original: str, text: str, rng: Random) -> str | None:
    found = re.findall(r"[a-z] ([a-z]{4,} [a-z]{4,})\b", original)
    place = re.search(r"[はがをに](?=[一-鿿ァ-ヺ])", text)
    return text[: place.end()] + rng.choice(found) + text[place.end() :] if found and place else None


def in_the_middle(parts: Sequence[str]) -> Planter:
    """Something foreign behind a particle."""

    def plant(original: str, text: str, rng: Random) -> str | None:
        found = [place.end() for place in re.finditer(r"[はがをにで](?=[一-鿿])", text)]
        if not found:
            return None
        place = rng.choice(found)
        return text[:place] + rng.choice(parts) + text[place:]

    return plant


def letters_lost(original: str, text: str, rng: Random) -> str | None:
    found = [place for place in re.finditer(r"(?<=[はがをにで])[一-鿿]{2}(?=[ぁ-ん])", text)]
    if not found:
        return None
    place = rng.choice(found)
    return text[: place.start()] + rng.choice(("？？", "??", "□□", "〓〓")) + text[place.end() :]


def mojibake(original: str, text: str, rng: Random) -> str | None:
    return text.encode().decode(rng.choice(("latin-1", "cp932")), "replace")


def list_of(original: str, text: str) -> Pair:
    english = re.findall(r"[^.!?]+[.!?]", original)
    japanese = re.findall(r"[^。！？]+[。！？]", text)
    return "\n".join(f"* {part.strip()}" for part in english), "\n".join(f"* {part}" for part in japanese)


def lines_lost(original: str, text: str, rng: Random) -> Triple | None:
    english, japanese = (one.replace("\n* ", "\n\n").removeprefix("* ") for one in list_of(original, text))
    return (english, japanese, text) if english.count("\n\n") >= 2 else None


def list_collapsed(original: str, text: str, rng: Random) -> Triple | None:
    english, japanese = list_of(original, text)
    return (english, japanese, japanese.replace("\n* ", "*")) if japanese.count("\n") >= 2 else None


def half_of_bold(original: str, text: str, rng: Random) -> Triple | None:
    found, word = re.findall(r"[一-鿿ァ-ヺー]{2,}", text), re.search(r"[a-z]{5,}", original)
    if not found or not word:
        return None
    bold = rng.choice(found)
    clean = text.replace(bold, f"**{bold}**", 1)
    return original.replace(word[0], f"**{word[0]}**", 1), clean, text.replace(bold, f"**{bold}", 1)


def bracket_unpaired(original: str, text: str, rng: Random) -> str | None:
    quoted = re.search(r"「([^「」]+)」", text)
    if quoted and original.count('"') % 2 == 0:
        return text.replace(quoted[0], rng.choice((quoted[0][1:], quoted[0][:-1])))
    return None


def tag_changed(original: str, text: str, rng: Random) -> Triple:
    tags = (("#sunset", "#夕日"), ("@user37", ""), ("{name}", "{名前}"), ("[PERSON3]", "［人物3］"), ("<laugh/>", ""))
    tag, other = rng.choice(tags)
    return f"{tag} {original}", f"{tag} {text}", f"{other} {text}".strip()


def latin_marks(original: str, text: str, rng: Random) -> str | None:
    changed = text.replace("、", ",").replace("。", ".")
    return changed if "," in changed and changed != text else None


def blanks_for_marks(original: str, text: str, rng: Random) -> str | None:
    return (
        text.replace("、", " ").replace("。", " ").strip() if len(re.findall(r"[ぁ-ん]、[一-鿿]", text)) >= 2 else None
    )


def question_lost(original: str, text: str, rng: Random) -> str | None:
    for old, new in (("ですか", "です"), ("ますか", "ます"), ("でしょうか", "でしょう"), ("ましたか", "ました")):
        if re.search(rf"{old}[。？?]?$", text) and original.endswith("?"):
            return re.sub(rf"{old}[。？?]?$", f"{new}。", text)
    return None
