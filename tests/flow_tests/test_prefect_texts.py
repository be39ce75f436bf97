"""What Prefect's page and database get of texts from outside."""

import pytest

from flows.runtime import tasks

EVIL = "![x](http://evil.example/x.png) <img src=y> http://me:sesame@host"
SHOWN = "\\![x\\](http:&#47;&#47;evil.example/x.png) &lt;img src=y&gt; http:&#47;&#47;…@host"


@pytest.fixture
def made(monkeypatch):
    """The artifacts that Prefect is asked to make."""
    artifacts = []
    for name in ("create_table_artifact", "create_markdown_artifact"):
        monkeypatch.setattr(tasks, name, lambda **values: artifacts.append(values))
    return artifacts


def test_a_table_shows_texts_from_outside_as_they_are(made):
    tasks.show_table("scores", [{"category": EVIL, "mean": 1.5, "p": None}], description=f"of {EVIL}\n\nand more")
    (table,) = made
    assert table["table"] == [{"category": SHOWN, "mean": 1.5, "p": None}]
    assert table["description"] == f"of {SHOWN}\n\nand more"


def test_a_text_is_shown_and_a_page_of_ours_is_markdown(made):
    tasks.show_text("reason", EVIL)
    tasks.show_markdown("report", "# a\n\n![radar](radar.png)")
    assert [one["markdown"] for one in made] == [SHOWN, "# a\n\n![radar](radar.png)"]


def test_what_a_step_raises_is_stored_without_secrets():
    def step():
        raise RuntimeError("http://me:sesame@host is away")

    with pytest.raises(RuntimeError, match=r"^http://…@host is away$"):
        tasks.as_task(step, name="step").fn()
