import pytest

from pipeline.evaluation.judge.parse import parse_reply

READ = [
    # reply, by the tolerant parser, by the official one
    ("8 6\nBecause.", (8, 6), (8, 6)),
    ("8,6\nBecause.", (8, 6), (8, 6)),
    ("9.5 7", (9.5, 7), (9.5, 7)),
    ("8, 6\nBecause.", (8, 6), None),
    ("8 6 \nBecause.", (8, 6), None),
    ("8  6", (8, 6), None),
    ("8 6\r\nBecause.", (8, 6), (8, 6)),
    ("\n\n8 6\nBecause.", (8, 6), None),
    ("８　６\n理由", (8, 6), None),
    ("**8 6**\nBecause.", (8, 6), None),
    ("Scores: 8 and 6", (8, 6), None),
    ("8/10 6/10", (8, 6), None),
    ("8/6", (8, 6), None),
    ("Assistant 1: 8, Assistant 2: 6\nBecause.", (8, 6), None),
    ("スコア：8点と6点", (8, 6), None),
]

BROKEN = [
    # reply, why it has no scores, by the official parser
    ("", "unreadable", None),
    ("   \n\n", "unreadable", None),
    ("8\nOnly one.", "unreadable", None),
    ("8 6 7\nThree.", "unreadable", None),
    ("I cannot judge this without the image.", "unreadable", None),
    ("Assistant 1: 8\nAssistant 2: 6", "unreadable", None),
    ("2 assistants, 8 points", "unreadable", None),
    ("```\n8 6\n```", "unreadable", None),
    ('{"score_gpt": 8, "score": 6}', "unreadable", None),
    ("eight six", "unreadable", None),
    ("nan nan", "unreadable", None),
    ("8 inf", "unreadable", None),
    ("The scores are below.\n8 6", "unreadable", None),
    ("11 5", "out_of_range", (11, 5)),
    ("8 0\nNothing right.", "out_of_range", (8, 0)),
    ("-1 -1", "out_of_range", (-1, -1)),
    ("80 60", "out_of_range", (80, 60)),
]


@pytest.mark.parametrize(("text", "scores", "official"), READ, ids=repr)
def test_two_numbers_on_the_first_line_are_scores(text, scores, official):
    parsed = parse_reply(text)
    assert (parsed.status, parsed.scores, parsed.official) == ("ok", scores, official)
    assert parsed.parsers_differ == (official is None)


@pytest.mark.parametrize(("text", "status", "official"), BROKEN, ids=repr)
def test_anything_else_has_no_scores_and_says_why(text, status, official):
    parsed = parse_reply(text)
    assert (parsed.status, parsed.scores, parsed.official) == (status, None, official)


def test_the_official_parser_knows_no_scale_so_the_parsers_differ():
    assert parse_reply("8 0").parsers_differ
    assert not parse_reply("no scores").parsers_differ
