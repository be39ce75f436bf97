import pytest

from pipeline.core.wording import markdown_text, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("赤\x1b[31mい\x07\t色\nです", "赤[31mい\t色\nです"),
        ("\x1b]0;title\x07\x9b2J\x7f\r a\0", "]0;title2J a"),
        ("abc\u202etxt.exe\u2066", "abctxt.exe"),
        ("half \ud83d", "half \\ud83d"),
        ("👨\u200d👩 が", "👨\u200d👩 が"),
    ],
)
def test_a_terminal_gets_nothing_to_obey(text, shown):
    assert printable(text) == shown


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("![x](http://evil.example/x.png)", "\\![x\\](http:&#47;&#47;evil.example/x.png)"),
        ("[x](javascript:alert(1))", "[x\\](javascript:alert(1))"),
        ("![x][y]", "\\![x\\][y]"),
        ("[x]: http://evil.example", "[x\\]: http:&#47;&#47;evil.example"),
        ("<img src=x onerror=y>", "&lt;img src=x onerror=y&gt;"),
        ("&lt;b&gt;", "&amp;lt;b&amp;gt;"),
        ("www.evil.example", "www&#46;evil.example"),
        ("a | b\n\n# c", "a \\| b # c"),
        ("\\[x](y)", "\\\\[x\\](y)"),
        ("`a` *b* ~~c~~", "\\`a\\` \\*b\\* \\~\\~c\\~\\~"),
        ("\x1b[31m\ud83d", "[31m\\\\ud83d"),
    ],
)
def test_markdown_shows_a_foreign_text_and_does_nothing_with_it(text, markdown):
    assert markdown_text(text) == markdown


@pytest.mark.parametrize("text", ["rougeL_ja", "物体/色", "+1.0 [-0.5, 2.5]", "llava-jp-v1.1", "24 on 12", "a - b", 7])
def test_markdown_leaves_plain_texts_as_they_are(text):
    assert markdown_text(text) == str(text)
