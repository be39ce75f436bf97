"""Other forms of the defects and other clean texts, that no check was improved with."""

# ruff: noqa: E501  (tables of phrases)

import re
from collections.abc import Mapping
from random import Random

from tests.planted_defects import defects_of_translation as translation
from tests.planted_defects.planting import (
    Planter,
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
    "照片里的女孩穿着一条蓝色的裙子，站在海边。", "这辆公共汽车停在路边，旁边有几个人在等车。", "房间的墙上挂着一幅很大的画。", "厨房的桌上放着一盘水果和两杯牛奶。",
    "他戴着一顶黑色的帽子，正看着远处的山。", "天空中飞着许多五颜六色的风筝。", "牆上掛著一個時鐘，旁邊還有一面鏡子。", "這隻貓躺在沙發上睡覺。",
    "거리에는 많은 자동차가 주차되어 있습니다.", "남자가 파란 셔츠를 입고 야구를 하고 있어요.", "하늘에는 구름이 조금 끼어 있다.", "Собака бежит по пляжу рядом с морем.",
    "هناك رجل يجلس على المقعد في الحديقة.", "Die Katze schläft auf dem Sofa neben dem Fenster.", "Un homme fait du vélo dans la rue près de la maison.", "El perro está corriendo en la playa con su dueño.",
)  # fmt: skip
CHATTER = (
    "和訳すると次の通りです。{}", "お待たせしました、翻訳が完了しました。\n{}", "{}\n（訳者注：ここでは意訳しています）", "【日本語】{}", "Japanese: {}", "[Translated] {}",
    "{}\n\nご不明な点がございましたらお知らせください。翻訳を修正いたします。", "以下、日本語への翻訳文になります。\n\n{}", "原文：A photo.\n訳文：{}", "Below is the Japanese version of the text:\n{}",
    "{}\n\n---\n翻訳に際し、固有名詞はそのままにしてあります。", "Certainly! The Japanese translation is as follows.\n{}",
)  # fmt: skip
REFUSALS = (
    "大変恐縮ですが、こちらの内容は翻訳いたしかねます。", "すみません、その文章は訳せません。", "I apologize, but I am unable to translate this content.", "私はAIアシスタントですので、画像の内容を確認することができません。",
    "この依頼には対応できません。", "Sorry, I can't help with that.", "入力された文章が空のようです。翻訳したい文をお送りください。", "ポリシーにより、その質問への回答は控えさせていただきます。",
)  # fmt: skip
INSTRUCTIONS = {
    "Answer the question using a single word or phrase.": ("回答は単語または短文でお願いします。", "質問に対し、単語一つか短いフレーズでお答えください。", "一言で答えてください。"),
    "Answer with the option's letter from the given choices directly.": ("選択肢のアルファベットのみを回答してください。", "該当する選択肢の記号を答えてください。"),
    "Please provide a short description for this region.": ("この領域を手短に描写してください。", "指定した領域に何があるか短く述べてください。"),
    "Please provide the bounding box coordinate of the region this sentence describes.": ("この文の対象となる領域の座標（バウンディングボックス）を示してください。", "説明文に合う部分のボックス座標を出力してください。"),
}  # fmt: skip
ENTITIES = (
    "&#8217;",
    "&gt;&gt;",
    "&rdquo;",
    "&apos;",
    "&lt;b&gt;",
    "&#x3042;",
    "&times;",
    "&reg;",
    "&bull;",
    "&euro;",
    "&frac12;",
    "&ndash;",
)
BLANKS = ("\u200d", "\u3000\u3000", "\u00ad", "\n\n\n", "\u2028", "\u2003", "\t \n")
ENGLISH = (
    "A group of friends enjoys a picnic under a large tree.", "Several cars are parked along the side of the road.", "It seems that the weather was nice when the photo was taken.",
    "He is wearing a helmet because he wants to be safe.", "You can see a lot of boats in the water behind her.", "Because of the rain, most people carry umbrellas.",
)  # fmt: skip
PLAIN = (
    ("います。", "いるのだ。"), ("あります。", "あるだろう。"), ("ようです。", "らしい。"), ("見えます。", "見えた。"), ("です。", "だった。"), ("ません。", "なかった。"), ("ました。", "たのだ。"), ("ます。", "るのである。"),
)  # fmt: skip
CLEAN = (
    ("写真の中央では、二人の少年がサッカーボールを追いかけています。", "In the center of the photo, two boys are chasing a soccer ball."),
    ("テーブルには半分食べられたピザと、コーラの瓶が3本残っています。", "A half-eaten pizza and three bottles of cola are left on the table."),
    ("彼女は片手で犬のリードを持ち、もう片方の手で手を振っています。", "She holds the dog's leash in one hand and waves with the other."),
    ("この時計塔は1863年に完成し、高さは約96メートルです。", "The clock tower was completed in 1863 and is about 96 meters tall."),
    ("バスの行き先表示には「Oxford Circus」とあります。", 'The destination sign on the bus reads "Oxford Circus".'),
    ("いいえ、信号は青ではなく赤です。", "No, the light is red, not green."),
    ("はい。ただし、奥の席には誰も座っていません。", "Yes. However, nobody is sitting in the back seats."),
    ("猫が2匹、窓辺で寄り添って眠っている。", "Two cats sleep side by side on the windowsill."),
    ("電車はまもなく発車しそうです。乗客は3番線に並んでいます。", "The train seems about to leave. Passengers are lining up on track three."),
    ("おそらく冬に撮影されたもので、地面には10センチほど雪が積もっています。", "It was probably taken in winter, with about 10 centimeters of snow on the ground."),
    ("一方の男性はラケットを構え、もう一方はネットの近くに立っています。", "One man readies his racket, and the other stands near the net."),
    ("画像からは、その人物の年齢を正確に知ることはできません。", "It is not possible to tell the exact age of the person from the image."),
    ("冷蔵庫の扉には、家族写真や子どもの絵が何枚も貼られています。", "The refrigerator door is covered with family photos and children's drawings."),
    ("飛行機の尾翼には「Lufthansa」のロゴが入っています。", 'The tail of the airplane bears the "Lufthansa" logo.'),
    ("彼は自転車から降りて、地図を確かめているところです。", "He has gotten off his bicycle and is checking a map."),
    ("料理は4人分で、調理時間は約30分です。", "The recipe serves four and takes about 30 minutes."),
    ("3. 塩を小さじ半分加え、5分間混ぜます。", "3. Add half a teaspoon of salt and stir for 5 minutes."),
    ("詳しくは https://www.python.org/downloads/ をご覧ください。", "See https://www.python.org/downloads/ for more information."),
    ("`git status` を実行すると、変更されたファイルが表示されます。", "Run `git status` to see which files have changed."),
    ("マイケル・ジャクソンは1958年8月29日に生まれました。", "Michael Jackson was born on August 29, 1958."),
    ("人口はおよそ1億2,500万人で、国土の約7割が山地です。", "It has a population of about 125 million, and about 70% of the land is mountainous."),
    ("赤い消火栓のそばに、白と黒のまだら模様の犬が座っている。", "A black and white spotted dog sits by a red fire hydrant."),
    ("選手たちは水色のユニフォームを着ており、背番号は12と27です。", "The players wear light blue uniforms with the numbers 12 and 27."),
    ("ケーキの上には「Congratulations, Emma!」と書いてあります。", 'The cake says "Congratulations, Emma!" on top.'),
    ("この部屋には窓がなく、少し暗い印象を受けます。", "The room has no windows and feels a little dark."),
    ("犬は飼い主を見上げ、おやつをもらえるのを待っているようです。", "The dog looks up at its owner, seemingly waiting for a treat."),
    ("スノーボーダーがジャンプ台から高く飛び上がった瞬間です。", "This is the moment a snowboarder launches high off a ramp."),
    ("左側の棚には本が、右側の棚には食器が並んでいます。", "Books line the shelf on the left, and dishes the one on the right."),
    ("ほとんどの人は傘を差していますが、フードをかぶっている人もいます。", "Most people hold umbrellas, but some are wearing hoods."),
    ("24時間営業のコンビニの前に、配達用のバイクが1台止まっています。", "A delivery motorbike is parked in front of a convenience store that is open 24 hours."),
)  # fmt: skip


def control_characters_or_mojibake(sample: Sample, rng: Random) -> int:
    index = pick_turn(sample, rng, is_prose)
    sentences = sentences_of(text_of(sample, index))
    place = rng.randrange(len(sentences))
    steps = rng.choice(
        (
            ("shift_jis", "utf-8"),
            ("utf-8", "gbk"),
            ("utf-8", "cp1250"),
            ("utf-8", "mac_roman"),
            ("euc_jp", "cp932"),
            ("ascii", "ascii"),
        )
    )
    raw = sentences[place].encode(steps[0], "replace")
    sentences[place] = raw.decode(steps[1], "replace" if steps[0] == "shift_jis" else "ignore")
    return set_text(sample, index, "".join(sentences))


def html_entities(sample: Sample, rng: Random) -> int:
    index = pick_turn(sample, rng, is_prose)
    text = text_of(sample, index)
    place = rng.randrange(1, len(text))
    return set_text(sample, index, text[:place] + rng.choice(ENTITIES) + text[place:])


def degenerate_repetition(sample: Sample, rng: Random) -> int:
    index = pick_turn(sample, rng, is_prose)
    tails = (
        "\n".join(f"{number}. 白い犬" for number in range(1, 25)), "左、右、" * 20, "1111111111" * 6, "写真の中の写真の中の" * 8,
        "そこには人がいて、" * 9, "！" * 60, "です。です。" * 20, "the " * 30,
    )  # fmt: skip
    return set_text(sample, index, text_of(sample, index) + rng.choice(tails))


def empty_turn(sample: Sample, rng: Random) -> int:
    index = pick_turn(sample, rng, lambda turn: "<image>" not in turn["text"], role=None)
    return set_text(sample, index, rng.choice(BLANKS))


def wrong_language(sample: Sample, rng: Random) -> int:
    index = pick_turn(sample, rng, is_prose)
    sentences = sentences_of(text_of(sample, index))
    if rng.random() < 0.5:
        sentences = [rng.choice(FOREIGN)]
    else:
        sentences[rng.randrange(len(sentences))] = rng.choice(FOREIGN[:13])
    return set_text(sample, index, "".join(sentences))


def translator_chatter_or_refusal(sample: Sample, rng: Random) -> int:
    index = pick_turn(sample, rng, is_prose)
    if rng.random() < 0.4:
        return set_text(sample, index, rng.choice(REFUSALS))
    return set_text(sample, index, rng.choice(CHATTER).replace("{}", text_of(sample, index)))


def mixed_style(sample: Sample, rng: Random) -> int:
    index = pick_turn(sample, rng, lambda turn: is_prose(turn, length=60))
    sentences = sentences_of(text_of(sample, index))
    place = rng.randrange(len(sentences))
    usable = [pair for pair in PLAIN if sentences[place].rstrip().endswith(pair[0])]
    if len(sentences) < 3 or not usable:
        raise UnsuitableSampleError
    sentences[place] = sentences[place].rstrip().removesuffix(usable[0][0]) + usable[0][1]
    return set_text(sample, index, "".join(sentences))


def answer_copies_question(sample: Sample, rng: Random) -> int:
    index = pick_turn(sample, rng, lambda turn: len(turn["text"]) > 1)
    question = without_image_token(text_of(sample, index - 1)).split("\n")[0]
    if len(question) < 12:
        raise UnsuitableSampleError
    return set_text(sample, index, rng.choice(("{}", "「{}」", "{}\n", "質問：{}")).format(question))


def untranslated(sample: Sample, rng: Random) -> int:
    index = pick_turn(sample, rng, is_prose)
    text = " ".join(rng.sample(ENGLISH, rng.randint(1, 3)))
    return set_text(sample, index, text if rng.random() < 0.7 else sentences_of(text_of(sample, index))[0][:12] + text)


def untranslated_question(sample: Sample, rng: Random) -> int:
    index = pick_turn(sample, rng, lambda turn: "<image>" not in turn["text"], role="user")
    questions = (
        "What time of day is it?",
        "Where was this picture taken?",
        "How would you describe the mood of the scene?",
        "Are there any animals in the background?",
        "Tell me about the history of the building.",
    )
    return set_text(sample, index, rng.choice(questions))


def image_token_lost_or_moved(sample: Sample, rng: Random) -> int:
    if sample["image"] is None:
        raise UnsuitableSampleError
    first = text_of(sample, 0)
    return set_text(
        sample,
        0,
        first.replace(
            "<image>", rng.choice(("<Image>", "[image]", "＜画像＞", "< image >", "<image", "", "<image><image>"))
        ),
    )


def numbers_differ(sample: Sample, rng: Random) -> int:
    """Two digits change places, a number becomes "some", or a kanji number another."""

    def has_number(turn: dict[str, str]) -> bool:
        return (
            bool(
                re.search(
                    r"(?<![\d.,０-９])[2-9０-９]+(?:[人匹頭羽台本個枚脚年]|$)|[二三四五六七八九][人匹頭羽台本個枚脚]",
                    turn["text"],
                )
            )
            and "[" not in turn["text"]
        )

    index = pick_turn(sample, rng, has_number)
    text = text_of(sample, index)
    match = rng.choice(
        list(
            re.finditer(
                r"(?<![\d.,０-９])[2-9０-９]+(?=[人匹頭羽台本個枚脚年]|$)|[二三四五六七八九](?=[人匹頭羽台本個枚脚])",
                text,
            )
        )
    )
    value = int(match[0]) if match[0].isdigit() else "二三四五六七八九".index(match[0]) + 2
    others = [
        form
        for form in ("数", "十五", str(value + 20), f"{value}0", "十", "１３")
        if form != match[0] and form not in text
    ]
    return set_text(sample, index, text[: match.start()] + rng.choice(others) + text[match.end() :])


def polarity_flipped(sample: Sample, rng: Random) -> int:
    index = pick_turn(sample, rng, lambda turn: re.match(r"(?:Yes|No)\b", turn["original"]))
    is_yes = sample["turns"][index]["original"].startswith("Yes")
    forms = (
        ("いいえ、そのようなことはありません。", "違うと思います。", "No", "ノー", "いいえです")
        if is_yes
        else ("はい、その通りです。", "Yes", "イエス", "はい、間違いありません。", "そうだと思います。")
    )
    return set_text(sample, index, rng.choice(forms))


def choice_letters_changed(sample: Sample, rng: Random) -> int:
    index = pick_turn(sample, rng, lambda turn: turn["original"] in "ABCD")
    other = rng.choice([letter for letter in "ABCD" if letter != text_of(sample, index)])
    return set_text(
        sample,
        index,
        rng.choice(("({})", "選択肢{}", "{}です。", "答えは{}です。", "「{}」", "{}、", "回答：{}")).format(other),
    )


def boxes_changed(sample: Sample, rng: Random) -> int:
    index = pick_turn(sample, rng, lambda turn: re.search(r"\[0\.\d[\d., ]+\]", turn["text"]), role=None)
    text = text_of(sample, index)
    full_width = str.maketrans("0123456789.", "０１２３４５６７８９．")
    changes = (
        lambda found: found[0].translate(full_width), lambda found: found[0].replace(", ", "、"), lambda found: "[" + ", ".join(reversed(found[1].split(", "))) + "]",
        lambda found: found[0].replace("0.", "1.", 1), lambda found: f"[{found[1]}, 0.50]", lambda found: found[0].replace("[0.", "[-0."), lambda found: "「" + found[1] + "」",
    )  # fmt: skip
    return set_text(sample, index, re.sub(r"\[(0\.\d[\d., ]+)\]", rng.choice(changes), text, count=1))


def quoted_text_lost(sample: Sample, rng: Random) -> int:
    """Half of the text is lost, its letters change places, or it is another text."""
    quoted = re.compile(r"(?<=[「『\"“])[A-Z][^」』\"”]+(?=[」』\"”])")
    index = pick_turn(sample, rng, lambda turn: quoted.search(turn["text"]), role=None)
    text = text_of(sample, index)
    found = quoted.search(text)
    assert found
    other = rng.choice(
        (
            found[0][: len(found[0]) // 2],
            found[0][::-1],
            "看板の文字",
            "CLOSED",
            found[0][1] + found[0][0] + found[0][2:],
        )
    )
    return set_text(sample, index, text[: found.start()] + other + text[found.end() :])


def links_or_code_damaged(sample: Sample, rng: Random) -> int:
    index = pick_turn(sample, rng, lambda turn: "https://" in turn["text"] or "```" in turn["text"])
    text = text_of(sample, index)
    changes = (
        (r"https://([a-z.]+)/", r"https://\1。"), (r"(https://\S+?)-(\d)", r"\1\2"), (r"https://", ""), (r"(https://\S+)\d", r"\1"), (r"\n[^\n]+\n```", "\n```"), (r"print", "プリント"),
        (r"```python", "```"), (r"\.com|\.org", ".jp"), (r'"data\.txt"', "「データ.txt」"), (r"\[(\d)", r"【\1"),
    )  # fmt: skip
    usable = [change for change in changes if re.search(change[0], text)]
    return set_text(sample, index, re.sub(*rng.choice(usable), text, count=1))


def length_ratio(sample: Sample, rng: Random) -> int:
    index = pick_turn(sample, rng, lambda turn: is_prose(turn, length=90))
    return set_text(
        sample,
        index,
        rng.choice(("詳しい説明です。", "写真です。", "家族が公園で楽しく過ごしています。", "海が見えます。")),
    )


def truncated(sample: Sample, rng: Random) -> int:
    """The text stops after a particle or inside a word of its last sentence, or in the middle of its first."""
    index = pick_turn(sample, rng, lambda turn: is_prose(turn, length=50))
    sentences = sentences_of(text_of(sample, index))
    kept = sentences[: rng.choice((0, len(sentences) - 1))]
    cut = sentences[len(kept)]
    if len(cut) < 12:
        raise UnsuitableSampleError
    return set_text(sample, index, "".join(kept) + cut[: rng.randrange(5, len(cut) - 4)])


def near_duplicate_conversation(sample: Sample, rng: Random) -> None:
    if sum(len(turn["text"]) for turn in sample["turns"]) < 200:
        raise UnsuitableSampleError
    index = pick_turn(sample, rng, lambda turn: is_prose(turn, length=25))
    changes = (
        ("椅子", "イス"),
        ("犬", "いぬ"),
        ("きれいな", "綺麗な"),
        ("建物", "ビル"),
        ("ます。", "ます！"),
        ("子供", "子ども"),
        ("見え", "みえ"),
        ("置かれて", "おかれて"),
        ("います", "おります"),
    )
    usable = [change for change in changes if change[0] in text_of(sample, index)]
    if not usable:
        raise UnsuitableSampleError
    set_text(sample, index, text_of(sample, index).replace(*rng.choice(usable), 1))


def answer_format_instruction_inconsistent(sample: Sample, rng: Random) -> int:
    return translation.reworded(sample, rng, INSTRUCTIONS)


HELD_OUT: Mapping[str, Planter] = {
    planter.__name__: planter
    for planter in (
        control_characters_or_mojibake, html_entities, degenerate_repetition, empty_turn, wrong_language, mixed_style,
        translator_chatter_or_refusal, answer_copies_question, untranslated, untranslated_question, numbers_differ,
        image_token_lost_or_moved, polarity_flipped, choice_letters_changed, boxes_changed, quoted_text_lost,
        links_or_code_damaged, length_ratio, truncated, near_duplicate_conversation,
        answer_format_instruction_inconsistent,
    )
}  # fmt: skip


def clean_samples() -> list[Sample]:
    """The clean texts as samples of their own."""
    return [
        {
            "sample_id": f"hand-{index:03}", "record_index": index, "source": "text", "image": None,
            "image_sha256": None, "category": None,
            "turns": [
                {"role": "user", "text": "説明してください。", "original": "Explain."},
                {"role": "assistant", "text": text, "original": original},
            ],
        }
        for index, (text, original) in enumerate(CLEAN)
    ]  # fmt: skip
