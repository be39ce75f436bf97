"""Every translation check finds its planted examples, at their places, and none speaks about clean translations.

A check has examples in the header of its file, or here when they are many or made.
"""

import json
from collections.abc import Iterable, Mapping

import pytest

from pipeline.core.parquet import write_rows
from pipeline.data.samples import ROLES, SAMPLE_SCHEMA
from pipeline.store.queries import findings_of
from pipeline.store.sql_files import sql_files
from tests.support.shared_data import shared_data

Turn = str | tuple[str, str]
"""A text alone, or a text and its English original."""

WORD = "\n単語またはフレーズで質問に答えてください。"
WORD_ORIGINAL = "\nAnswer the question using a single word or phrase."
CHOICES = "どれですか？\nA. 犬\nB. 猫\nC. 馬\n選択肢の文字で答えてください。"
CHOICES_ORIGINAL = (
    "Which one?\nA. dog\nB. cat\nC. horse\nAnswer with the option's letter from the given choices directly."
)
LONG = (
    "男性が公園で白い犬と一緒に走っています。空は晴れていて、背の高い木が並んでいます。ベンチには女性が座っています。"
)
SEEN = "何が見えますか？"
OTHER_FACTS = (
    ("白い犬", "黒い犬"),
    ("女性", "男性"),
    ("並んでいます", "並んでいません"),
    ("背の高い木が", "背の高い木が3本"),
)
"""What makes another answer of the long one."""
TOKENS = "\nReference OCR token: TOYOTA, NIKON, D5300"


def answered(text: str, original: str, *, question: str = SEEN, asked: str = "What do you see?") -> list[Turn]:
    return [(f"<image>\n{question}", f"<image>\n{asked}"), (text, original)]


def said(text: str, *, question: str = SEEN) -> list[Turn]:
    return [f"<image>\n{question}", text]


def asked(text: str, original: str, *, answer: Turn = "犬です。") -> list[Turn]:
    return [(f"<image>\n{text}", f"<image>\n{original}"), answer]


PLANTED: Mapping[str, list[tuple[list[Turn], int | None]]] = {
    "answer_copies_question": [
        (said("何が見えますか"), 1),
        (said("この建物はどこにありますか？", question="この建物はどこにありますか？\n短く答えてください。"), 1),
        (said("女性は手に何を持っていますか。女性は手に何を", question="女性は手に何を持っていますか？"), 1),
    ],
    "answer_format_instruction_inconsistent": [
        (asked(f"{SEEN}\nひとつの単語か語句で回答すること。", f"What do you see?{WORD_ORIGINAL}", answer="犬"), 0),
        ([f"<image>\n{SEEN}\n答えは一語か短いフレーズでお願いします。", "犬"], 0),
    ],
    "answer_format_instruction_untranslated": [
        (asked(f"{SEEN}\nAnswer the question using a single word or phrase.", f"What do you see?{WORD_ORIGINAL}"), 0),
        (["<image>\n色は何ですか？ Please respond with just one word.", "赤"], 0),
        (["<image>\n領域を説明してください。Provide a one-sentence caption for the region.", "赤い車。"], 0),
    ],
    "boxes_changed": [
        (answered("[0.12, 0.34, 0.56, 0.87]", "[0.12, 0.34, 0.56, 0.78]"), 1),
        (answered("［0.12、0.34、0.56、0.78］", "[0.12, 0.34, 0.56, 0.78]"), 1),
        (asked("この領域は何ですか？", "What is in this region [0.1, 0.2, 0.3, 0.4]?"), 0),
        (said("座標は「0.12、0.34、0.56、0.78」です。"), 1),
        (answered("犬は(120, 45)にいます。", "The dog is at (102, 45)."), 1),
    ],
    "choice_letters_changed": [
        (asked(CHOICES.replace("C.", "D."), CHOICES_ORIGINAL, answer="A"), 0),
        (answered("B", "A", question=CHOICES, asked=CHOICES_ORIGINAL), 1),
        (answered("猫", "B", question=CHOICES, asked=CHOICES_ORIGINAL), 1),
        (answered("答えはCです。", "The answer is B.", question=CHOICES, asked=CHOICES_ORIGINAL), 1),
        (said("D", question=CHOICES), 1),
        (said("ア", question=CHOICES), 1),
    ],
    "control_characters_or_mojibake": [
        (said("犬が\x07います。"), 1),
        (said("犬が走っています。".encode().decode("cp1252", "ignore")), 1),
        (said("\\u72ac\\u304cいます。"), 1),
        (said("犬が走っています。".encode().decode("mac-roman")), 1),
        (said("?????????"), 1),
    ],
    "degenerate_repetition": [
        (said("車、" * 20 + "車があります。"), 1),
        (said("公園の中の" * 12), 1),
        (said("犬が公園を走っています。猫は寝ています。" * 3), 1),
        (said(LONG + "赤い" * 20), 1),
        (said("赤い" * 5 + "車が停まっている。"), 1),
        (answered("犬が芝生の上を走っています。" * 2, "A dog is running. It is on the grass."), 1),
        (said("".join(f"{number}. 赤い車\n" for number in range(1, 9))), 1),
    ],
    "empty_turn": [(said("\u3000"), 1), (["<image>\n色は何ですか？", "赤です。", "", "青です。"], 2)],
    "html_entities": [
        (said("R&amp;Dの看板です。"), 1),
        (said("&#29356;です。"), 1),
        (said("犬&nbsp;猫"), 1),
        (said("犬。<br>猫。"), 1),
    ],
    "image_token_lost_or_moved": [
        ([SEEN, "犬です。"], 0),
        (["<image>\n<image>\n色は？", "赤です。"], 0),
        (said("<image>は犬です。"), 1),
    ],
    "length_ratio": [
        (answered(LONG * 3, "A man is running with a white dog in the park, and the sky is clear."), 1),
        (answered("犬がいます。", "A man is running with a white dog in the park. " * 4), 1),
    ],
    "links_or_code_damaged": [
        (answered("https://example.com/dog をご覧ください。", "See https://example.com/dogs for details."), 1),
        (answered("`印刷(x)`を使います。", "Use `print(x)`."), 1),
        (answered("設定はconfig.ymlにあります。", "The settings are in config.yaml."), 1),
        (answered("```python\nprint(row['名前'])\n```", "```python\nprint(row['name'])\n```"), 1),
        (answered("```python\n印刷(1)\n```", "```python\nprint(1)\n```"), 1),
        (said("詳しくは https：／／example.com をご覧ください。"), 1),
    ],
    "mixed_style": [
        (said("犬が走っています。猫は寝ている。"), 1),
        (said("これは犬である。とても大きいです。"), 1),
        (said("空は青い。雲が浮かんでいます。"), 1),
        (said("空が青く見えます。雲も浮かんでいるよ。"), 1),
    ],
    "numbers_differ": [
        # More digits than the integers of SQL have.
        (answered(f"番号は{'1' * 60}です。", f"The number is {'2' * 60}."), 1),
        (answered("犬が3匹います。", "There are two dogs."), 1),
        (answered("犬が三匹います。", "There are 2 dogs."), 1),
        (answered("価格は１５００円です。", "The price is 1,600 yen."), 1),
        (answered("人口は約20万人です。", "The population is about 2 million."), 1),
        (answered("二十六人の子供がいます。", "There are twenty-five children."), 1),
        (answered("2015年6月5日です。", "It is May 5, 2015."), 1),
        (answered("気温は3.5度です。", "It is 2.5 degrees."), 1),
        (answered("205人の学生がいます。", "There are two hundred and six students."), 1),
        (answered("3頭目のキリンは寝ています。", "The fourth giraffe is sleeping."), 1),
        (answered("午後4時15分です。", "It is 4:45 pm."), 1),
        (answered("薬局は午前7時に閉まります。", "The pharmacy closes at 7 p.m."), 1),
        (answered("水曜日に閉まります。", "It is closed on Mondays."), 1),
        (answered("店は11月に閉まります。", "The shop closes in December."), 1),
    ],
    "polarity_flipped": [
        (answered("いいえ、犬がいます。", "Yes, there is a dog."), 1),
        (answered("はい", "No", question="犬はいますか？", asked="Is there a dog?"), 1),
        (answered("ちがいます。", "Yes.", question="犬はいますか？", asked="Is there a dog?"), 1),
        (answered("偽", "True", question="正しいですか？", asked="True or false?"), 1),
        (answered("見えます。", "No, you can't see it.", question="見えますか？", asked="Can you see it?"), 1),
    ],
    "quoted_text_lost": [
        (answered("看板には「駐車禁止」と書かれています。", 'The sign says "No Parking".'), 1),
        (answered("シャツには文字が書かれています。", "The shirt reads “LOVE”."), 1),
        (answered("「mary」と書かれたケーキ", 'a cake with the word "mark" on it'), 1),
        (answered("彼は笑って出て行きました。", 'He said, "I will be back soon," and left with a smile.'), 1),
        (answered("トヨタ", "toyota", question=f"メーカーは？{TOKENS}", asked=f"what brand?{TOKENS}"), 1),
        (answered("止まれ", "STOP", question="標識には何と書いてありますか？", asked="What does the sign say?"), 1),
        (answered("村上春樹", "Haruki Murakami", question="この本の著者は？", asked="Who wrote this book?"), 1),
    ],
    "repeated_turn": [
        (["<image>\n犬は何色ですか？", "白い犬です。", "他には？", "猫です。", "犬は何色ですか？", "白い犬です。"], 4),
        (
            [
                *answered("男性が公園で犬と一緒に走っています。", "A man is running with a dog in the park."),
                ("他に何が見えますか？", "What else do you see?"),
                ("男性が公園で犬と一緒に走っています。", "A woman is sitting on a bench near the pond."),
            ],
            2,
        ),
    ],
    "translator_chatter_or_refusal": [
        (said("以下は日本語訳です。犬がいます。"), 1),
        (said("翻訳：犬が走っています。"), 1),
        (said("犬がいます。（訳注：原文では複数形です）"), 1),
        (said("Here is the Japanese translation: 犬がいます。"), 1),
        (said("申し訳ありませんが、この文章を翻訳することはできません。"), 1),
        (said("AI言語モデルとして、画像を見ることはできません。"), 1),
        (said("I'm sorry, but I can't translate this text."), 1),
    ],
    "truncated": [
        (answered("男性が公園で犬を", "A man is walking a dog in the park."), 1),
        (answered("空は晴れています。男性が公園で", "The sky is clear. A man is walking in the park."), 1),
        (said("男性がベンチに座り、"), 1),
        (
            answered(
                "犬がいます。",
                "There is a dog. It is running on the grass. A man is watching it from a bench in the shade.",
            ),
            1,
        ),
    ],
    "untranslated": [
        (said("The man is riding a horse on the beach."), 1),
        (said("The 犬 is running in the 公園 with a ball."), 1),
        (said("犬がいます。The dog is running on the grass near the lake."), 1),
        (answered("frisbee", "frisbee"), 1),
    ],
    "untranslated_question": [
        (["<image>\nWhat is the man doing?", "走っています。"], 0),
        (asked(f"What is the man holding?{WORD}", f"What is the man holding?{WORD_ORIGINAL}"), 0),
        (["<image>\nDescribe the image in detail.", "犬です。"], 0),
    ],
    "wrong_language": [
        (said("개가 공원에서 달리고 있습니다."), 1),
        (said("一个男人在公园里跑步。"), 1),
        (said("一隻狗在草地上奔跑"), 1),
        (said("犬が走っています。我們可以看到很多樹。"), 1),
        (said("Собака бежит по парку."), 1),
        (said("Một con chó đang chạy trong công viên."), 1),
        (said("สุนัขกำลังวิ่ง"), 1),
        (said("Der Hund rennt mit dem Ball durch den Park."), 1),
    ],
}
COPIES = ("duplicate_conversation", "near_duplicate_conversation")
"""Planted as a second sample with the image of another."""

CLEAN: list[list[Turn]] = [
    answered("写真には2匹の犬がいます。", "There are two dogs in the picture."),
    answered("ふたりの女性がお互いに話しています。", "The two women are talking to each other."),
    answered("ベンチのカップルを含めて25人います。", "There are twenty-five people, including a couple on a bench."),
    answered("時計は3時半を指しています。", "The clock shows 3:30."),
    answered("写真は2014年5月5日に撮影されました。", "The photo was taken on May 5, 2014."),
    answered("値段は1500ドルで、約350万ウォンです。", "It costs $1,500, about 3.5 million won."),
    answered("その都市には約二百万人が住んでいます。", "About two million people live in the city."),
    answered("午前10時に開店し、21時に閉店します。", "It opens at 10 a.m. and closes at 9 p.m."),
    answered("30代の男女2人です。", "They are a man and a woman in their thirties."),
    answered("三輪車に乗った三つ編みの女の子。", "A girl with braided hair on a tricycle."),
    answered("何百羽もの鳥が一緒に飛んでいます。", "Hundreds of birds are flying together."),
    answered("両方の皿にピザが一切れずつのっています。", "Both plates have a slice of pizza."),
    answered("はい、いません。", "No, there is not.", question="犬はいませんか？", asked="Isn't there a dog?"),
    answered("いいえ、木の方がずっと高いです。", "No, the tree is much taller."),
    answered("画像に人は写っていません。", "There are no people in the image."),
    answered("部屋は片付いていません。", "The room is messy."),
    answered("魚を釣ったから笑っているのかもしれません。", "He might be smiling because he caught a fish."),
    answered("駐車禁止", "No parking is allowed here."),
    answered("STOP", "STOP", question="標識には何と書いてありますか？", asked="What does the sign say?"),
    answered("看板には「No Parking」と書かれています。", 'The sign says "No Parking".'),
    answered("料理本", "Cookbooks", question="これはどんな種類の本ですか？", asked="What type of book is this?"),
    answered("A", "A", question=CHOICES, asked=CHOICES_ORIGINAL),
    answered("答えはBです。", "B. cat", question=CHOICES.replace(". ", "．"), asked=CHOICES_ORIGINAL),
    answered("[0.12, 0.34, 0.56, 0.78]", "[0.12, 0.34, 0.56, 0.78]"),
    answered("main.pyの中で`print(items)`を使います。", "Use `print(items)` in your file main.py."),
    answered("タイムズスクエアにAppleのiPhoneがあります。", "An Apple iPhone in Times Square."),
    answered("テニス", "tennis"),
    answered("子供が3人いて、4人目は見ています。", "Three kids are playing; a fourth one is watching."),
    answered("人口は約1億2,500万人で、7割が都市に住んでいます。", "About 125 million people, 70% in cities."),
    answered("7時15分です。", "It's quarter past seven."),
    answered("四本足の動物は象です。", "The four-legged animal is an elephant."),
    answered("偽物です。", "They are not real."),
    answered("時計は3時45分を指しています。", "The clock shows a quarter to four."),
    answered("彼は「すぐ戻るよ」と言って笑いました。", 'He said, "I will be back soon," and smiled.'),
    answered("中に入ってはいけないかもしれません。", "You may not be allowed to go inside."),
    answered("間違いなく冬です。", "There is no doubt that it is winter."),
    answered("バスは小さいだけでなく古いです。", "The bus is not only small but also old."),
    answered("ひとりしか座っていません。", "Only one person is sitting."),
    answered("nikon", "nikon", question=f"メーカーは？{TOKENS}", asked=f"what brand?{TOKENS}"),
    answered("ホットドッグと冷たい飲み物です。", "Hot dogs and cold drinks."),
    answered("パリでヘンリーに会いました。", "I met Henry in Paris."),
    answered("次の通りです：\n* 窓を閉める。\n* 火を消す。\n以上です。", "Do this:\n* Shut it.\n* Put it out.\nDone."),
    answered("青", "Blue", question="何色ですか？", asked="What color is it?\nPlease answer with a single word."),
    answered("ポール・スミスが撮影しました。", "The photo was taken by Paul Smith."),
    answered("浜辺で馬に乗る男性", "a man riding a horse on the beach"),
    answered("皿の上の食べかけのサンドイッチ", "A half-eaten sandwich on a plate."),
    answered("The Art of War", "The Art of War", question="この本の題名は？", asked="What is the title of this book?"),
    answered("申し訳ありませんが、私には翻訳できません。", "I'm sorry, but I cannot translate that."),
    said("東京都千代田区丸の内一丁目にある国立科学博物館前の横断歩道です。"),
    said("野球場"),
    said("STOPの交通標識の隣に大きな木が生えています。"),
    said("看板には「안녕하세요」と書かれています。"),
    said("彼は「もう帰る。」と言っています。"),
    said("次の手順で作ります。\n1. 野菜を切る\n2. 鍋で煮る\n3. 皿に盛る"),
    said("虫を避けるために", question="なぜ網を使うのですか？"),
    said("とてもとてもとても大きいです。"),
    ["<image>\nそれは何色ですか？", "黒", "それは何色ですか？", "黒"],
    [f"<image>\n画像を説明してください。{WORD}", "公園"],
    ["こんにちは。", "こんにちは。何をお手伝いしましょうか。"],
]  # fmt: skip


def sample(sample_id: str, turns: Iterable[Turn], *, image: str | None = None, source: str = "coco") -> dict:
    pairs = [(turn, None) if isinstance(turn, str) else turn for turn in turns]
    has_image = any("<image>" in text for text, _ in pairs) or source == "image_token_lost_or_moved"
    name = (image or f"{sample_id}.jpg") if has_image else None
    return {
        "sample_id": sample_id,
        "record_index": 0,
        "source": source,
        "image": name,
        "image_sha256": name and f"hash of {name}",
        "category": None,
        "turns": [
            {"role": ("user", "assistant")[index % 2], "text": text, "original": original}
            for index, (text, original) in enumerate(pairs)
        ],
    }


def examples_of(check: str) -> list[tuple[list[Turn], int | None]]:
    """Those in the header of its file, and those that stand here."""
    in_header = sql_files("checks/translation")[check].examples
    return [(list(example.turns), example.turn_index) for example in in_header] + PLANTED.get(check, [])


def planted_samples() -> list[dict]:
    rows = [
        sample(f"{check} {index}", turns, source=check)
        for check in sql_files("checks/translation")
        for index, (turns, _) in enumerate(examples_of(check))
    ]
    usual = f"<image>\n{SEEN}{WORD}"
    rows += [sample(f"usual {index}", [usual, "犬"]) for index in range(10)]
    translated = (usual, f"<image>\nWhat do you see?{WORD_ORIGINAL}")
    rows += [sample(f"translated {index}", [translated, "犬"]) for index in range(10)]
    rows.append({**sample("broken_alternation 0", [SEEN, "犬です。", "色は何ですか？"])})
    rows.append({**sample("broken_alternation 1", said("犬です。"))})
    rows[-1]["turns"].reverse()
    rows.append(sample("first", [f"<image>\n{SEEN}", LONG], image="same"))
    rows.append(sample("duplicate_conversation 0", [f"<image>\n{SEEN}", LONG], image="same"))
    near = LONG.replace("一緒に", "いっしょに").replace("。", "．")
    rows.append(sample("near_duplicate_conversation 0", [f"<image>\n{SEEN}", near], image="same"))
    for index, (old, new) in enumerate(OTHER_FACTS):
        rows.append(sample(f"other fact {index}", [f"<image>\n{SEEN}", LONG.replace(old, new)], image="same"))
    rows.append(sample("short", ["<image>\n何色ですか？", "赤い色です。"], image="red"))
    rows.append(sample("near_duplicate_conversation 1", ["<image>\n何色ですか?", "赤い色だ"], image="red"))
    return rows


def places(check: str) -> set[tuple[str, int | None]]:
    """Where the examples of a check are planted."""
    if check == "broken_alternation":
        return {("broken_alternation 0", 2), ("broken_alternation 1", 0)}
    if check in COPIES:
        return {(f"{check} {index}", None) for index in range(1 + COPIES.index(check))}
    return {(f"{check} {index}", turn) for index, (_, turn) in enumerate(examples_of(check))}


def findings(samples: list[dict], folder) -> dict[str, set[tuple[str, int | None]]]:
    """What every check finds."""
    path = folder / "samples.parquet"
    write_rows(path, [{**row, "record_index": index} for index, row in enumerate(samples)], schema=SAMPLE_SCHEMA)
    return {
        check.name: {(finding["sample_id"], finding["turn_index"]) for finding in table.to_pylist()}
        for check, table in findings_of(sql_files("checks/translation").values(), samples=path)
    }


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return findings(planted_samples(), tmp_path_factory.mktemp("planted"))


def test_every_check_has_examples():
    checks = sql_files("checks/translation")
    in_headers = {name for name, check in checks.items() if check.examples}
    assert set(PLANTED) | {"broken_alternation", *COPIES} | in_headers == set(checks)
    assert all(PLANTED.values())


@pytest.mark.parametrize("check", sql_files("checks/translation"))
def test_a_planted_defect_is_found_at_its_place(found, check):
    assert places(check) - found[check] == set()


@pytest.mark.parametrize("check", sql_files("checks/translation"))
def test_a_sample_with_one_defect_has_no_other_place_of_the_same_check(found, check):
    of_its_own = {place for place in found[check] if place[0].startswith(f"{check} ")}
    assert of_its_own == places(check)


def test_nothing_is_found_in_clean_translations(tmp_path):
    clean = [sample(f"clean {index}", turns) for index, turns in enumerate(CLEAN)]
    result = findings(clean, tmp_path)
    assert {check: [CLEAN[int(name.split()[1])] for name, _ in found] for check, found in result.items() if found} == {}


def test_clean_translations_without_their_originals_are_clean_too(tmp_path):
    clean = [
        sample(f"clean {index}", [turn if isinstance(turn, str) else turn[0] for turn in turns])
        for index, turns in enumerate(CLEAN)
        if "翻訳" not in str(turns)
    ]
    result = findings(clean, tmp_path)
    assert {check: [CLEAN[int(name.split()[1])] for name, _ in found] for check, found in result.items() if found} == {}


def test_a_source_whose_answers_end_in_a_full_stop_shows_where_one_is_missing(tmp_path):
    whole = answered("男性が公園で犬と散歩しています。", "A man is walking a dog in the park.")
    usual = [sample(f"usual {index}", whole) for index in range(60)]
    cut = sample("cut", answered("男性が公園で犬と散", "A man is walking a dog in the park."))
    caption = sample(
        "caption", answered("公園で犬と散歩する男", "A man is walking a dog in the park."), source="captions"
    )
    assert findings([*usual, cut, caption], tmp_path)["full_stop_lost"] == {("cut", 1)}


def test_lengths_are_compared_within_a_source(tmp_path):
    terse = answered("犬と男性。", "A man is walking a white dog in the park.")
    usual = answered("男性が公園で白い犬を散歩させています。", "A man is walking a white dog in the park.")
    verbose = answered(LONG, "A man is walking a white dog in the park.")
    samples = [sample(f"terse {index}", terse, source="terse") for index in range(60)]
    samples += [sample(f"usual {index}", usual, source="usual") for index in range(60)]
    samples += [sample("long among terse", verbose, source="terse"), sample("long", verbose, source="usual")]
    assert findings(samples, tmp_path)["length_ratio"] == {("long among terse", 1), ("long", 1)}


def test_the_same_defects_are_found_in_any_order_of_the_samples(tmp_path, found):
    again = findings(planted_samples()[::-1], tmp_path)
    assert {check: places for check, places in again.items() if check not in COPIES} == {
        check: places for check, places in found.items() if check not in COPIES
    }


def test_at_most_three_percent_of_the_real_captions_and_conversations_have_a_finding(tmp_path):
    samples = []
    for name in ("pretrain", "instruct"):
        records = json.loads((shared_data() / "photos" / f"{name}.json").read_text(encoding="utf-8"))
        for index, record in enumerate(records):
            turns = [message["value"] for message in record["conversations"]]
            assert [ROLES[message["from"]] for message in record["conversations"][:2]] == ["user", "assistant"]
            samples.append(sample(f"{name} {index}", turns, image=record["image"], source=name))
    with_finding = {name for places in findings(samples, tmp_path).values() for name, _ in places}
    assert len(with_finding) <= 0.03 * len(samples)
