import json

from hypothesis import given
from hypothesis import strategies as st

from pipeline.evaluation.judge.parse import parse_reply
from tests.support.shared_data import shared_data

READ_BY_BOTH = [
    ("8 6\nBecause.", (8, 6)),
    ("8,6\nBecause.", (8, 6)),
    ("9.5 7", (9.5, 7)),
    ("8 6\r\nBecause.", (8, 6)),
    ("8 0\nNothing right.", (8, 0)),
    ("0 0", (0, 0)),
]

EIGHT_AND_SIX = [
    "8, 6\nBecause.",
    "8 6 \nBecause.",
    "8  6",
    "\n\n8 6\nBecause.",
    "８　６\n理由",
    "**8 6**\nBecause.",
    "8/6",
    "8-6",
    "Scores: 8 and 6",
    "8/10 6/10",
    "8/10点 6/10点",
    "8 / 10、6 / 10",
    "8 out of 10, 6 out of 10",
    "10点満点で8点、6点",
    "スコア：8点と6点",
    "評価結果：8 6",
    "評価結果：\n8 6",
    "The scores are below.\n8 6",
    "8 6 理由: とても良い。",
    "8 6。回答1は詳しい。",
    "8 6. Assistant 1 is better.",
    "8点と6点です。",
    "八点、六点",
    "⑧ ⑥",
    "8対6",
    "8 vs. 6",
    "8\n6\nBecause.",
    "8 6\n1. Assistant 1 has 3 points more.",
    "\\boxed{8} \\boxed{6}",
    "<score>8 6</score>",
    "8 6<br>Fine",
    # labels say whose score it is, in whatever order
    "Assistant 1: 8, Assistant 2: 6\nBecause.",
    "Assistant 2: 6 Assistant 1: 8",
    "Assistant 1: 8\nAssistant 2: 6",
    "Assistant 2: 6\nAssistant 1: 8",
    "アシスタント2: 6、アシスタント1: 8",
    "回答1: 8 回答2: 6",
    "モデルB: 6、モデルA: 8",
    "6 (Assistant 2), 8 (Assistant 1)",
    "6 for Assistant 2 and 8 for Assistant 1",
    "Assistant 2, Assistant 1: 6, 8",
    "1. 8\n2. 6",
    "後者6点、前者8点",
    "Bは6点、Aは8点",
    '[{"assistant": 2, "score": 6}, {"assistant": 1, "score": 8}]',
    '[{"answer": "B", "score": 6}, {"answer": "A", "score": 8}]',
    '{"results": [{"name": "Assistant 2", "score": "6/10", "reason": "Short."}, {"name": "Assistant 1", "score": 8}]}',
    "Assistant 2 gets a 6, Assistant 1 an 8",
    '[{"assistant": "Assistant 2", "score": 6}, {"assistant": "Assistant 1", "score": 8}]',
    "I would give 8 and 6.",
    "2: 6 1: 8",
    "(1) 8 (2) 6",
    "②6点 ①8点",
    "1️⃣ 8 2️⃣ 6",
    "B=6, A=8",
    "Score 2: 6, Score 1: 8",
    "アシスタント1が8点、アシスタント2が6点です。",
    "2つ目: 6、1つ目: 8",
    "Assistant 2's score: 6, Assistant 1's score: 8",
    "### Assistant A\nScore: 8\n\n### Assistant B\nScore: 6",
    "**Assistant 1: 8/10** - detailed and correct.\n\n**Assistant 2: 6/10** - misses 2 colours.",
    "Assistant 1: 8 (detailed), Assistant 2: 6 (short)",
    "| Assistant | Score |\n|---|---|\n| Assistant 2 | 6 |\n| Assistant 1 | 8 |",
    "| Assistant 1 | Assistant 2 |\n|---|---|\n| 8 | 6 |",
    # JSON, whole or cut off
    '{"scores": [8, 6]}',
    "[[8, 6]]",
    '{"assistant2": 6, "assistant1": 8}',
    '{"score": 6, "score_gpt": 8}',
    '{"B": 6, "A": 8}',
    '```json\n{\n "assistant_1": {"score": 8, "reason": "3 of 4"},\n "assistant_2": {"score": 6}\n}\n```',
    '{"assistant_1": 8, "assistant_2": 6, "reason": "The answer of assis',
    # reasoning and code fences
    "```\n8 6\n```\n説明",
    "<think>\n7 9 or 8 6?\n</think>\n\n8 6\nBecause.",
    "7 9?\n</think>\n8 6",
    "[THINK]7 9[/THINK]8 6",
    "<|channel|>analysis<|message|>7 9?<|end|><|start|>assistant<|channel|>final<|message|>8 6",
]

UNREADABLE = [
    "",
    "   \n\n",
    "8\nOnly one.",
    "8/10",
    "10/10",
    "8.6",
    "8 6 7\nThree.",
    "8\n6\n7",
    "1 8\n2 6",
    "1:6",
    "eight six",
    "nan nan",
    "8 inf",
    "8,5 9",
    "8,5 9,0",
    "6-8",
    "6~8",
    "7-8 6",
    "2 assistants, 8 points",
    "⅘",
    "八・五 六",
    "I cannot judge this without the image.",
    "There are 8 apples and 6 pears.",
    "8個と6個",
    "8点以上6点以下",
    "Assistant 1: 8",
    "Assistant 2: 6",
    "Assistant 1: 8 Assistant 1: 6",
    "Assistant 1: 8 6",
    "Assistant 1 is 8, 2 is 6",
    "8 (model), 6 (reference)",
    "Model: 8, Reference: 6",
    "GPT-4: 8, LLaVA: 6",
    '{"gpt4": 8, "llava": 6}',
    '{"scores": [8, 6, 7]}',
    '[{"judged": "the second", "score": 6}, {"judged": "the other", "score": 8}]',
    '[{"judged": "ours", "score": 6}, {"judged": "theirs", "score": 8}]',
    '{"first": {"name": "Assistant 2", "score": 6}, "second": {"name": "Assistant 1", "score": 8}}',
    '{"score": 8}',
    "Assistant 1: 8 apples\nAssistant 2: 6 apples",
    "8/100 6/100",
    "<think>8 6",
    "<think>8 6</think>",
    "評価: 8点。理由: 6つの誤り",
    "Assistant 2 is 6 times better than 8",
]

OUT_OF_RANGE = ["11 5", "-1 -1", "8 -6", "80 60", "100 90", "アシスタント1: 80点 アシスタント2: 60点"]


def read(replies):
    return {reply: (parse_reply(reply).status, parse_reply(reply).scores) for reply in replies}


def test_the_official_form_is_read_by_both_parsers():
    for text, scores in READ_BY_BOTH:
        parsed = parse_reply(text)
        assert (parsed.status, parsed.scores, parsed.official, parsed.parsers_differ) == ("ok", scores, scores, False)


def test_what_real_judges_write_is_read_and_never_the_wrong_way_round():
    assert read(EIGHT_AND_SIX) == dict.fromkeys(EIGHT_AND_SIX, ("ok", (8, 6)))


def test_what_cannot_be_told_is_not_guessed():
    assert read(UNREADABLE) == dict.fromkeys(UNREADABLE, ("unreadable", None))


def test_scores_off_the_scale_are_a_failure():
    assert read(OUT_OF_RANGE) == dict.fromkeys(OUT_OF_RANGE, ("out_of_range", None))


def test_the_official_parser_knows_no_scale_so_the_parsers_differ():
    assert parse_reply("80 60").official == (80, 60)
    assert parse_reply("80 60").parsers_differ
    assert not parse_reply("no scores").parsers_differ


def test_the_forms_that_were_found_in_the_field():
    forms = json.loads((shared_data() / "faults" / "judge_replies.json").read_text(encoding="utf-8"))
    expected = dict.fromkeys(forms, (8, 6))
    expected |= {"8 9\nReason": (8, 9), "8/10 9/10\n": (8, 9), "[[8, 9]]": (8, 9), "**8 9**\n\nx": (8, 9)}
    expected |= {"Scores: 7 and 8": (7, 8), "10 10": (10, 10), "8.5, 7.25": (8.5, 7.25), "8,5 9": None}
    assert {form: parse_reply(form).scores for form in forms} == expected


def test_long_and_deep_replies_are_read_like_any_other():
    """Each of them takes minutes if what is tried at a place goes through the rest of the text."""
    number = 2 * 10**4
    deep, open_ended = '{"a":' * number, "<think>" * number
    assert read([" \n" * number + "8 6", deep, open_ended, "1: " * number]) == {
        " \n" * number + "8 6": ("ok", (8, 6)),
        deep: ("unreadable", None),
        open_ended: ("unreadable", None),
        "1: " * number: ("unreadable", None),
    }
    assert parse_reply(deep, "two_keys").official is None


LABELS = st.sampled_from(
    [
        ("Assistant 1", "Assistant 2"),
        ("アシスタント1", "アシスタント2"),
        ("回答1", "回答2"),
        ("モデルA", "モデルB"),
        ("A", "B"),
    ]
)
SCORES = st.integers(0, 20).map(lambda halves: halves / 2)


@given(
    LABELS,
    SCORES,
    SCORES,
    st.sampled_from([": ", "：", " = "]),
    st.sampled_from([", ", "\n", "、", " "]),
    st.booleans(),
)
def test_labelled_scores_are_those_of_their_labels(labels, first, second, colon, between, is_reversed):
    named = [f"{label}{colon}{score:g}" for label, score in zip(labels, (first, second), strict=True)]
    parsed = parse_reply(between.join(reversed(named) if is_reversed else named))
    is_on_scale = max(first, second) <= 10
    assert (parsed.status, parsed.scores) == (("ok", (first, second)) if is_on_scale else ("out_of_range", None))


@given(
    st.text(
        alphabet=st.sampled_from(
            list("0123456789 .,:-/~\n()[]{}\"'|*#<>ABab一二八点①⑧アシスタント回答１\u2028\ufe0f\u20e3")
        ),
        max_size=40,
    )
)
def test_any_reply_is_read_or_not_read_and_reasoning_before_it_changes_nothing(text):
    parsed = parse_reply(text)
    assert (parsed.scores is None) == (parsed.status != "ok")
    assert parse_reply(f"<think>9 9\n</think>\n{text}").scores == parsed.scores
