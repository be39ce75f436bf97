"""What Prefect's page and database get of texts from outside."""

import traceback

import pytest

from flows import compare
from flows.compare import compare_flow
from flows.evaluate_model import evaluate_model
from flows.prepare_data import prepare_data_flow
from flows.run_experiment import run_experiment
from flows.runtime import run, tasks
from pipeline.config.experiment import ExperimentName

EVIL = "![x](http://evil.example/x.png) <img src=y> http://me:sesame@host"
AWAY = "http://me:sesame@host is away"
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
    tasks.show_markdown("report", "# a\n\n![radar](radar.png) of http://me:sesame@host")
    assert [one["markdown"] for one in made] == [SHOWN, "# a\n\n![radar](radar.png) of http://…@host"]


def test_what_a_step_raises_is_stored_without_secrets():
    def step():
        raise RuntimeError("http://me:sesame@host is away")

    with pytest.raises(RuntimeError, match=r"^http://…@host is away$"):
        tasks.as_task(step, name="step").fn()


@pytest.mark.parametrize("flow", [run_experiment, prepare_data_flow, compare_flow, evaluate_model])
def test_what_a_flow_raises_outside_its_tasks_is_stored_without_secrets(monkeypatch, flow):
    def away():
        raise LibraryError(AWAY)

    for module in (run, compare):
        monkeypatch.setattr(module, "load_settings", away)
    with pytest.raises(RuntimeError, match=r"^LibraryError: the server says: http://…@host is away$") as caught:
        flow.fn(ExperimentName("smoke"))
    assert "sesame" not in "".join(traceback.format_exception(caught.value))


class LibraryError(Exception):
    """One whose text is not made of its arguments, as those of SQLAlchemy and pydantic."""

    def __init__(self, reason):
        super().__init__()
        self.reason = reason

    def __str__(self):
        return f"the server says: {self.reason}"
