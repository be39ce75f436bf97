"""Planters of defects that can be seen in the Japanese text alone."""

# ruff: noqa: E501  (tables of phrases)

import re
from random import Random

from tests.planted_defects.planting import (
    Sample,
    UnsuitableSampleError,
    is_prose,
    pick_turn,
    sentences_of,
    set_text,
    text_of,
    without_image_token,
)  # fmt: skip

FOREIGN = (
    "图片中有一个男人正在公园里骑自行车。", "这张照片显示了一只狗坐在沙发上。", "背景里可以看到几栋高楼和一些树木。",
    "他们看起来很开心，正在一起吃饭。", "这位女士穿着红色的外套，手里拿着一把雨伞。", "桌子上摆放着两个杯子和一本书。",
    "因为天气很好，所以很多人都在外面散步。", "這張圖片顯示一位女士正在廚房裡準備晚餐。", "街道兩旁停著許多汽車，還有幾個行人。",
    "我們可以看到這個房間裡有很多不同的東西。", "이 사진에는 공원에서 자전거를 타는 남자가 있습니다.", "테이블 위에 컵 두 개와 책이 놓여 있습니다.",
    "배경에는 높은 건물들이 보입니다.", "여자는 빨간 코트를 입고 우산을 들고 있어요.", "강아지가 소파 위에서 자고 있습니다.",
    "날씨가 좋아서 사람들이 밖에서 산책하고 있다.", "На фотографии мужчина катается на велосипеде в парке.",
    "ในภาพมีผู้ชายกำลังขี่จักรยานอยู่ในสวนสาธารณะ", "На столе стоят две чашки и лежит книга.",
)  # fmt: skip
CHATTER = (
    "以下は翻訳です：\n{}", "日本語訳：{}", "【翻訳】{}", "翻訳結果は次のとおりです。\n\n{}", "承知しました。日本語に翻訳します。\n{}",
    "もちろんです！こちらが日本語訳になります：\n{}", "{}\n\n（訳注：固有名詞は原文のまま残しました。）", "{}\n\n※この翻訳は直訳です。",
    "Here is the Japanese translation:\n{}", "Translation: {}", "Sure! Here's the translation:\n\n{}",
    "{}\n\nNote: The original sentence was ambiguous, so I translated it literally.", "以下の文章を和訳しました。\n{}",
    "「{}」と訳すことができます。", "ご依頼の英文を日本語に訳すと、以下のようになります。\n{}", "{}\n\n何か他に翻訳が必要な文章はありますか？",
    "{}\n\n(Note: \"image\" is kept as is.)", "英語の原文を自然な日本語に直すと：{}",
)  # fmt: skip
REFUSALS = (
    "申し訳ありませんが、このテキストを翻訳することはできません。", "I'm sorry, but I can't assist with that request.",
    "申し訳ございませんが、そのご要望にはお応えできません。", "翻訳する文章を入力してください。",
    "AI言語モデルとして、私は画像を見ることができません。", "すみませんが、翻訳すべきテキストが提供されていないようです。",
    "As an AI language model, I cannot translate this text.", "申し訳ありませんが、画像が添付されていないため、お答えできません。",
    "原文が途中で切れているため、正確に翻訳できません。", "I cannot fulfill this request.",
    "ごめんなさい、その内容の翻訳はお手伝いできません。", "私は大規模言語モデルなので、その質問に答えることはできません。",
)  # fmt: skip
ENTITIES = (
    "&amp;", "&lt;", "&gt;", "&quot;", "&#39;", "&nbsp;", "&hellip;", "&#x27;", "&copy;", "&ldquo;", "&rsquo;", "&yen;",
    "&#12354;", "&amp;quot;", "&mdash;", "&middot;", "&deg;", "&eacute;",
)  # fmt: skip
BLANKS = ("", " ", "\n", "\u3000", "\u3000\n ", "\t\t", "\u200b", "\u00a0", "\ufeff", "\r\n\r\n", "\u2060 ")
PLAIN_ENDINGS = (
    ("ありません。", "ない。"), ("いません。", "いない。"), ("います。", "いる。"), ("あります。", "ある。"), ("見えます。", "見える。"),
    ("ました。", "た。"), ("伝わってきます。", "伝わってくる。"), ("なります。", "なる。"), ("感じられます。", "感じられる。"),
    ("ようです。", "ようだ。"), ("しれません。", "しれない。"), ("ものです。", "ものだ。"), ("です。", "である。"),
)  # fmt: skip


def control_characters_or_mojibake(sample: Sample, rng: Random) -> int:
    index = pick_turn(sample, rng, is_prose, role=None)
    text, kind = text_of(sample, index), rng.randrange(7)
    if kind <= 1:
        place = _place_in(text, rng)
        sign = rng.choice("\x00\x01\x07\x08\x0b\x1b\x1f\x7f\x85\x9d\ufffd")
        return set_text(sample, index, text[:place] + sign + text[place:])
    sentences = sentences_of(text)
    place = rng.randrange(len(sentences))
    encoded = sentences[place].encode(("utf-8", "utf-8", "utf-8", "shift_jis", "euc_jp")[kind - 2], "ignore")
    decoded = encoded.decode(("latin-1", "cp1252", "cp932", "cp1252", "latin-1")[kind - 2], "ignore")
    return set_text(sample, index, "".join((*sentences[:place], decoded, *sentences[place + 1 :])))


def _place_in(text: str, rng: Random) -> int:
    """A place between two letters, not inside the image token."""
    start = len("<image>") if text.startswith("<image>") else 0
    end = text.find("<image>") if "<image>" in text[1:] else len(text)
    return rng.randrange(start + 1, end)


def html_entities(sample: Sample, rng: Random) -> int:
    index = pick_turn(sample, rng, lambda turn: is_prose(turn, length=8), role=None)
    text, entity = text_of(sample, index), rng.choice(ENTITIES)
    if "「" in text and rng.random() < 0.5:
        return set_text(sample, index, text.replace("「", "&quot;").replace("」", "&quot;"))
    place = _place_in(text, rng)
    return set_text(sample, index, text[:place] + entity + text[place:])


def degenerate_repetition(sample: Sample, rng: Random) -> int:
    """A loop: of a character, a word, a clause, a sentence or of two sentences in turn."""
    index = pick_turn(sample, rng, is_prose)
    text, kind = text_of(sample, index), rng.randrange(6)
    last = sentences_of(text)[-1]
    if kind == 0:
        looped = text[: rng.randrange(5, len(text))] + rng.choice("ーーあ。、はw") * rng.randint(40, 90)
    elif kind == 1:
        looped = text + rng.choice(("とても", "そして", "非常に", "赤い")) * rng.randint(15, 40) + "大きいです。"
    elif kind == 2:
        looped = text[:-1] + "、" + rng.choice(("椅子、", "木、", "車、", "白い皿、", "人々、")) * rng.randint(15, 40)
    elif kind == 3:
        looped = text + last * rng.randint(5, 12)
    elif kind == 4:
        looped = text + "\n".join([last] * rng.randint(5, 12))
    else:
        looped = text + (last + "また、同じような様子が続いています。") * rng.randint(5, 9)
    return set_text(sample, index, looped)


def empty_turn(sample: Sample, rng: Random) -> int:
    index = pick_turn(sample, rng, lambda turn: "<image>" not in turn["text"], role=None)
    return set_text(sample, index, rng.choice(BLANKS))


def wrong_language(sample: Sample, rng: Random) -> int:
    """The whole text or one of its sentences is Chinese, Korean or of another script."""
    index = pick_turn(sample, rng, is_prose)
    sentences = sentences_of(text_of(sample, index))
    if len(sentences) > 2 and rng.random() < 0.4:
        sentences[rng.randrange(len(sentences))] = rng.choice(FOREIGN)
        return set_text(sample, index, "".join(sentences))
    family = rng.choice((FOREIGN[:7], FOREIGN[7:10], FOREIGN[10:16], FOREIGN))
    return set_text(sample, index, "".join(rng.sample(family, min(len(sentences), 3))))


def translator_chatter_or_refusal(sample: Sample, rng: Random) -> int:
    index = pick_turn(sample, rng, lambda turn: is_prose(turn, length=8))
    if rng.random() < 0.4:
        return set_text(sample, index, rng.choice(REFUSALS))
    return set_text(sample, index, rng.choice(CHATTER).replace("{}", text_of(sample, index)))


def mixed_style(sample: Sample, rng: Random) -> int:
    """One or two sentences of a polite answer become plain."""
    index = pick_turn(sample, rng, lambda turn: is_prose(turn, length=60))
    sentences = sentences_of(text_of(sample, index))
    if len(sentences) < 3:
        raise UnsuitableSampleError
    for place in rng.sample(range(len(sentences)), rng.choice((1, 1, 2))):
        for polite, plain in PLAIN_ENDINGS:
            sentences[place] = re.sub(rf"{polite}(?=\s*$)", plain, sentences[place])
    return set_text(sample, index, "".join(sentences))


def answer_copies_question(sample: Sample, rng: Random) -> int:
    """The answer is the question, exactly or as a statement."""
    index = pick_turn(sample, rng, lambda turn: len(turn["text"]) > 1)
    question = without_image_token(text_of(sample, index - 1))
    if len(question) < 8:
        raise UnsuitableSampleError
    kind = rng.randrange(3)
    if kind == 1:
        question = question.split("\n")[0]
    elif kind == 2:
        question = re.sub(r"か？$", "か。", question.split("\n")[0])
    return set_text(sample, index, question)


def repeated_turn(sample: Sample, rng: Random) -> int:
    """A question and its answer stand again at the end."""
    turns = sample["turns"]
    start = rng.randrange(0, len(turns), 2)
    question, answer = (dict(turn) for turn in turns[start : start + 2])
    question["text"], question["original"] = map(without_image_token, (question["text"], question["original"]))
    if rng.random() < 0.3:
        answer["text"] += rng.choice((" ", "\n", "\u3000"))
    turns += [question, answer]
    return len(turns) - 2


def broken_alternation(sample: Sample, rng: Random) -> None:
    """A turn is lost, stands twice or speaks with the other's voice."""
    turns, kind = sample["turns"], rng.randrange(5)
    if kind == 0:
        del turns[rng.randrange(1, len(turns))]
    elif kind == 1:
        del turns[-1]
    elif kind == 2:
        turn = rng.choice(turns)
        turn["role"] = "user" if turn["role"] == "assistant" else "assistant"
    elif kind == 3:
        turns.insert(
            0,
            {
                "role": "assistant",
                "text": "こんにちは。ご用件は何でしょうか。",
                "original": "Hello. How can I help you?",
            },
        )
    else:
        place = rng.randrange(1, len(turns))
        turns.insert(
            place, {**turns[place], "text": "もう少し詳しく教えてください。", "original": "Please tell me more."}
        )
