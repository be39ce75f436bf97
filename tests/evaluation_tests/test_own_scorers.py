"""What our own scorers read, where llm-jp-eval-mm's reads too little or too much."""

import json

import pytest

from pipeline.evaluation.scorers.choices import choice_of
from pipeline.evaluation.scorers.known import SCORERS
from pipeline.evaluation.scorers.scorer import Answer
from tests.support.scored import aggregate

CITIES = {"options": ["東京", "大阪", "京都", "福岡"]}


@pytest.mark.parametrize(
    "prediction",
    [
        *("AではなくBです", "正解はAではなくBです", "【B】", "『B』", "B（大阪）", "選択肢：B", "答：B", "Bを選びます"),
        *("私の答えはBです。Aは誤りです。", "正答はBである", "Aは誤り。最も適切なのはBです", "Aは誤りで、正しいのはB"),
        *("Aは違う。よって、Bです。", "したがってB", "<answer>B</answer>", '{"answer": "B"}', "$\\boxed{\\text{B}}$"),
        *("```\nB\n```", "The answer is B because A is wrong.", "I think B."),
        *(
            "B",
            "b",
            "B\n",
            " B ",
            "B.",
            "B。",
            "(B)",
            "（B）",
            "[B]",
            "「B」",
            "Ｂ",
            "（Ｂ）",
            "**B**",
            "`B`",
            "B)",
            "B：",
            "Ｂ．",
        ),
        *(
            "B. 大阪",
            "B: 大阪",
            "B 大阪",
            "(B) 大阪",
            "**B. 大阪**",
            "B、大阪",
            "B\n大阪は西日本にあります。",
            "B\nAは違います。",
        ),
        *(
            "答えはB",
            "答えはBです。",
            "答えは「B」です",
            "答え：B",
            "答え: (B)",
            "正解は（Ｂ）です。",
            "回答：**B**",
            "解答は、Bです",
        ),
        *(
            "最終的な答えは B",
            "選択肢Bが正しいです",
            "Bが正解です",
            "Bが最も適切です",
            "正しいのはBです",
            "Bです",
            "Bだと思います",
        ),
        *(
            "Answer: B",
            "The answer is B.",
            "the correct answer is (B)",
            "Final answer: **B**",
            "B is correct",
            r"\boxed{B}",
        ),
        *(
            "Option B",
            "Choice: B",
            "Aではなく、答えはBです",
            "選択肢Aと選択肢Bのうち、Bが正しい",
            "答えはAではなく、正解はBです",
        ),
        *(
            "大阪",
            "大阪です。",
            "写真の場所は大阪だと思います",
            "<think>Aかもしれない。答えはA</think>B",
            "Aかも…</think>\n\nB",
        ),
        *("最初はAと考えた。答えはA。しかし看板を見ると違う。答えはB。", "The picture shows a castle, so B"),
    ],
)
def test_an_answer_chooses_its_letter_however_it_is_written(prediction):
    assert choice_of(prediction, CITIES) == "B"


@pytest.mark.parametrize(
    "prediction",
    [
        *(
            "",
            " ",
            "。",
            "わかりません",
            "(A)と(B)",
            "A. 東京\nB. 大阪\nC. 京都\nD. 福岡",
            "CとBで迷う",
            "E",
            "AかB",
            "AかBです",
            "A, B",
            "A B",
            "ABCD",
            "ABCDのいずれか",
            "答えはAかBです",
        ),
        *(
            "DNA です",
            "Bananas",
            "A picture of a street",
            "A cat is sitting on a chair.",
            "東京か大阪です",
            "答えはBではありません。",
        ),
        *("<think>答えはB", "AはBより大きい", "12", "B52 を見た", "The answer is a castle."),
    ],
)
def test_an_answer_that_names_no_letter_or_several_chooses_none(prediction):
    assert choice_of(prediction, CITIES) is None


def test_an_options_own_text_is_no_letter():
    vitamins = {"options": ["ビタミンB", "ビタミンC", "ビタミンA", "ビタミンD"]}
    assert choice_of("ビタミンC", vitamins) == "B"
    assert choice_of("不足しているのはビタミンAです", vitamins) == "C"
    assert choice_of("C. ビタミンA", vitamins) == "C"
    assert choice_of("東京都です", {"options": ["京都", "東京都"]}) == "B"
    assert choice_of("100円", {"options": ["10", "100", "1000"]}) == "B"
    assert choice_of("B", {"options": ["B", "A"]}) == "B"
    assert choice_of("A型です", {"options": "['B型', 'A型']"}) == "B"


def test_more_than_four_options_have_letters_and_without_options_ten_are_read():
    assert choice_of("答えはEです", {"options": ["一", "二", "三", "四", "五"]}) == "E"
    assert choice_of("J", {}) == "J"
    assert choice_of("K", {}) is None


def test_answers_that_choose_nothing_are_counted():
    answers = [Answer(str(number), "B", prediction, CITIES) for number, prediction in enumerate(("B", "A", "AかB", ""))]
    assert aggregate(SCORERS["choice_match"], answers) == (0.25, {"no_choice_count": 2})


OPEN = {"question_type": "open", "options": "[]"}


@pytest.mark.parametrize(
    ("reference", "prediction"),
    [
        *(
            ("5", "5"),
            ("5", "５"),
            ("5", "答えは5です"),
            ("5", "答えは５個です。"),
            ("12.35", "答えは12.346"),
            ("12.35", "12.35"),
        ),
        *(
            ("1234", "約1,234円"),
            ("1234", "１，２３４"),
            ("1,234", "1234"),
            ("-3", "x = -3"),
            ("-3", "−3"),
            ("8", "3 + 5 = 8"),
        ),
        *(
            ("0.5", ".5です"),
            ("1500", "1.5e3"),
            ("5", "よって、答えは 5 です。"),
            ("東京タワー", "最終的に、東京タワーが正解です。"),
        ),
        *(
            ("銅", "回答は 銅 です"),
            ("銅", "銅。"),
            ("銅", "答えは**銅**です。"),
            ("Tokyo", "the answer is tokyo"),
            ("ＡＢＣ", "abc協会"),
        ),
        *(
            ("5", "答えは3かもしれない。いや、答えは5。"),
            ("15%", "15%"),
            ("5", "<think>答えは3</think>5"),
            ("二酸化炭素", "二酸化炭素です"),
            ("12cm", "１２ cm"),
            ("2,000円", "2000円です"),
        ),
    ],
)
def test_an_open_answer_states_its_reference(reference, prediction):
    assert SCORERS["choice_or_short_answer"].score(reference, prediction, OPEN) == 1


@pytest.mark.parametrize(
    ("reference", "prediction"),
    [
        *(
            ("5", ""),
            ("5", "15"),
            ("5", "正解は３か5のどちらかです"),
            ("3", "x=3。答えは5です"),
            ("12.35", "12"),
            ("1234", "234円"),
        ),
        *(("銅", "銅像です"), ("東京タワー", "京都タワー"), ("5", "5.5"), ("5", "答えは3"), ("東京", "答えは大阪です")),
    ],
)
def test_an_open_answer_that_states_something_else_is_wrong(reference, prediction):
    assert SCORERS["choice_or_short_answer"].score(reference, prediction, OPEN) == 0


def test_an_open_score_does_not_depend_on_the_items_before():
    first = Answer("test_Manage_1", "3", "答えは3", OPEN)
    second = Answer("test_Manage_2", "3", "x=3。答えは5です", OPEN)
    for metric, expected in {"choice_or_short_answer": [1, 0], "jmmmu": [1, 0], "jmmmu-in-sequence": [1, 1]}.items():
        assert SCORERS[metric].scores([first, second]) == expected


def test_choices_of_jmmmu_are_read_as_any_choices():
    scoring = {"question_type": "multiple-choice", "options": "['東京', '大阪']"}
    answers = [Answer(f"test_Music_{number}", "B", "?", one) for number, one in enumerate((scoring, OPEN))]
    assert SCORERS["choice_or_short_answer"].counts(answers) == {"no_choice_count": 1}
    assert SCORERS["choice_or_short_answer"].score("B", "Ｂ\n", scoring) == 1
    assert SCORERS["jmmmu"].score("B", "Ｂ\n", scoring) == 0


RECEIPT = {
    "store_name": "山田{商店}",
    "store_address": None,
    "date": "2026年4月1日",
    "total_amount": "¥1,080",
    "line_items": [{"item_name": "牛乳", "item_price": "¥216", "item_quantity": None}],
}


@pytest.mark.parametrize(
    "prediction",
    [
        json.dumps(RECEIPT, ensure_ascii=False),
        "```json\n" + json.dumps([RECEIPT], ensure_ascii=False) + "\n```",
        "```JSON\n" + json.dumps(RECEIPT) + "\n```\n以上です。{}",
        "結果は{次}のとおりです。\n" + json.dumps(RECEIPT),
        '<think>{"store_name": "鈴木"}</think>' + json.dumps(RECEIPT),
        json.dumps({**RECEIPT, "total_amount": 1080}),
        json.dumps({**RECEIPT, "total_amount": "¥ 1,080円", "store_name": " 山田{商店} "}),
        json.dumps({name: value for name, value in RECEIPT.items() if value is not None}),
    ],
)
def test_a_receipt_is_read_wherever_it_stands(prediction):
    answers = [Answer("1", json.dumps(RECEIPT), prediction)]
    number, details = aggregate(SCORERS["receipt_fields"], answers)
    assert (number, details["precision"], details["recall"], details["parse_error_count"]) == (1, 1, 1, 0)
    assert (details["field_store_name"], details["field_total_amount"]) == (1, 1)


@pytest.mark.parametrize(
    ("prediction", "f1", "num_unreadable"),
    [
        *(("読み取れません", 0, 1), ("", 0, 1), ("[1, 2]", 0, 1), ("{" * 5000, 0, 1), ('{"store_name": "山田', 0, 1)),
        *(("{}", 0, 0), ('{"line_items": 5}', 0, 0), ('{"store_name": "山田{商店}"}', 1 / 3, 0)),
    ],
)
def test_a_receipt_that_is_not_there_scores_0_and_is_counted(prediction, f1, num_unreadable):
    number, details = aggregate(SCORERS["receipt_fields"], [Answer("1", json.dumps(RECEIPT), prediction)])
    assert (number, details["parse_error_count"]) == (pytest.approx(f1), num_unreadable)
