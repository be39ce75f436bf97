"""A store that cannot be written can be read: looking at a comparison needs no MLflow."""

from types import SimpleNamespace

import pytest

from flows import compare
from pipeline.core.disk import is_writable


@pytest.mark.parametrize(("can_write", "tracked"), [(False, None), (True, "a run")])
def test_a_comparison_in_a_read_only_store_is_shown_without_mlflow(monkeypatch, tmp_path, caplog, can_write, tracked):
    monkeypatch.setenv("LLAVA_JP_STORE", str(tmp_path))
    monkeypatch.setattr(compare, "is_writable", lambda folder: can_write)
    monkeypatch.setattr(compare, "_evaluated", lambda one, settings: SimpleNamespace(name="smoke"))
    monkeypatch.setattr(compare, "_compare", lambda evaluated, tracked, store: tracked)
    monkeypatch.setattr(compare, "Tracker", MlflowRuns)
    monkeypatch.setattr(compare, "prefect_tags", dict)
    assert compare.compare_flow.fn(("smoke",)) == tracked
    said = f"{tmp_path} cannot be written, so MLflow hears nothing of this comparison"
    assert [line for line in caplog.messages if "MLflow" in line] == ([] if can_write else [said])


class MlflowRuns:
    def __init__(self, settings):
        pass

    def comparison_run(self, names, tags):
        return self

    def __enter__(self):
        return "a run"

    def __exit__(self, *_):
        pass


def test_whether_a_folder_can_be_written_is_asked_without_writing(tmp_path, monkeypatch):
    assert is_writable(tmp_path / "not" / "there" / "yet")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert not is_writable(tmp_path)
