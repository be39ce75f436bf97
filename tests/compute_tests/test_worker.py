import sys

import pytest

from pipeline.training.work import _as_if_not_installed


def test_a_hidden_package_cannot_be_imported_and_can_afterwards(monkeypatch):
    monkeypatch.delitem(sys.modules, "wave", raising=False)
    with _as_if_not_installed("wave", "json"), pytest.raises(ModuleNotFoundError):
        import wave
    import json  # was loaded before, so it was not hidden
    import wave

    assert (json.loads("1"), wave.__name__) == (1, "wave")
