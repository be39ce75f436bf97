"""What the steps of earlier runs said of their results is read as their models, and stored as it was."""

import pytest

from pipeline.core.errors import StoreError
from pipeline.data.contamination import ContaminationSummary
from pipeline.data.translation_report import AcceptedSummary, TranslationSummary
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Request
from pipeline.training.job import StageSummary
from tests.support.summaries import STORED


def manifest_with(tmp_path, summary):
    request = Request(step="dataset", version=1, config={})
    return ArtifactStore(tmp_path).produce(request, lambda directory: summary)


@pytest.mark.parametrize("model", STORED, ids=lambda model: model.__name__)
def test_of_a_stored_summary_nothing_is_lost_when_it_is_read_and_stored_again(model, tmp_path):
    read = model.of(manifest_with(tmp_path / "old", STORED[model]))
    again = manifest_with(tmp_path / "new", read).summary
    assert again == {**again, **STORED[model]}
    assert not any(again[name] for name in again.keys() - STORED[model].keys())  # what came later was not there yet


@pytest.mark.parametrize("model", STORED, ids=lambda model: model.__name__)
def test_a_summary_that_lacks_a_key_is_refused_with_the_artifact_and_the_key(model, tmp_path):
    key, *others = STORED[model]
    manifest = manifest_with(tmp_path, {name: STORED[model][name] for name in others})
    with pytest.raises(StoreError, match=rf"summary of {manifest.address} is not valid:\n  {key}: Field required"):
        model.of(manifest)


def test_the_accepted_samples_of_both_lists_are_read_in_one_way(tmp_path):
    for model in (TranslationSummary, ContaminationSummary):
        assert AcceptedSummary.of(manifest_with(tmp_path / model.__name__, STORED[model])).num_accepted == 1000


def test_losses_of_held_out_samples_are_stored_when_there_are_some(tmp_path):
    losses = {"first_held_out_loss": 4.5, "final_held_out_loss": 2.25}
    summary = StageSummary(**STORED[StageSummary], **losses)
    assert manifest_with(tmp_path, summary).summary == STORED[StageSummary] | losses
