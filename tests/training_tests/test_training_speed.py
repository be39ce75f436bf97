"""What a training computes, how fast it is said to be, and how much of a batch is padding."""

import numpy as np
import pytest
import torch

from model.language_model import build_llm
from pipeline.compute.flops import ModelSizes, Trained, Work, sizes_of, sum_of_squares, trained_of, training_flops
from pipeline.compute.gpus import GPUS, Peak, device_peak, find_gpu
from pipeline.core.errors import ConfigError
from pipeline.training.sampler import global_batches, micro_batches, num_padded_tokens
from pipeline.training.throughput import Counts, Interval, line_of, waiting
from tests.benchmarks.sample_lengths import caption_lengths, conversation_lengths
from tests.support.small_model import build_tokenizer, llm_config

SIZES = ModelSizes(
    num_body=1000,
    num_head=100,
    num_embeddings=100,
    is_head_tied=True,
    num_projector=10,
    num_layers=2,
    width=4,
    inner_width=16,
    vocabulary_size=25,
    family="gpt2",
)
WORK = Work(num_tokens=50, num_supervised=5, num_vision_tokens=20, sum_of_squares=30**2 + 20**2)


def padding_percent(lengths, *, batch_size, micro_batch_size, is_grouped, num_processes=1):
    """Of one epoch as the training cuts it."""
    plan = global_batches(
        len(lengths), batch_size=batch_size, num_epochs=1, seed=42, grouped_by=lengths if is_grouped else None
    )
    count = batch_size // (micro_batch_size * num_processes)
    pieces = [
        piece
        for batch in plan
        for rank in range(num_processes)
        for piece in micro_batches(batch, lengths=lengths, count=count, rank=rank, num_processes=num_processes)
    ]
    return 100 * (1 - lengths.sum() / num_padded_tokens(pieces, lengths))


def test_less_than_five_percent_is_padding_in_the_stages_of_the_article():
    captions, conversations = caption_lengths(4000), conversation_lengths(4000)
    assert (captions.min(), captions.max()) == (740, 842)
    assert (conversations.min(), conversations.max()) == (72, 1532)
    assert padding_percent(captions, batch_size=32, micro_batch_size=8, is_grouped=False) < 1.5
    assert padding_percent(captions, batch_size=32, micro_batch_size=8, is_grouped=False, num_processes=4) < 4
    for micro_batch_size in (1, 2, 4, 8):
        size = {"batch_size": 16, "micro_batch_size": micro_batch_size}
        assert padding_percent(conversations, **size, is_grouped=True) < 5
    assert padding_percent(conversations, batch_size=16, micro_batch_size=8, is_grouped=False) > 10


def test_pretraining_computes_four_operations_a_frozen_weight_and_six_a_trained_one():
    attention = 6 * 2 * 4 * (30**2 + 20**2)
    assert training_flops(SIZES, WORK, trained=Trained()) == 4 * 1000 * 50 + 4 * 100 * 5 + 6 * 10 * 20 + attention
    whole = training_flops(SIZES, WORK, trained=Trained(num_body=1000, num_head=100))
    assert whole == 6 * 1000 * 50 + 6 * 100 * 5 + 6 * 10 * 20 + attention


def test_squares_of_lengths_are_summed():
    assert sum_of_squares([30, 20]) == 1300


@pytest.mark.parametrize(("family", "is_tied"), [("gpt2", True), ("gpt_neox", False), ("llama", False)])
def test_an_llm_is_counted_in_its_parts(family, is_tied):
    llm = build_llm(llm_config(family), build_tokenizer())
    sizes = sizes_of(llm, num_projector=7)
    vocabulary = len(build_tokenizer())
    assert sizes.num_llm == sum(parameter.numel() for parameter in llm.parameters())
    assert sizes.num_head == vocabulary * 32
    assert sizes.num_embeddings == vocabulary * 32 + (128 * 32 if family == "gpt2" else 0)
    assert (sizes.is_head_tied, sizes.num_layers, sizes.width, sizes.inner_width) == (is_tied, 2, 32, 64)
    assert trained_of(llm) == Trained(sizes.num_body, sizes.num_head)
    assert trained_of(llm.requires_grad_(False)) == Trained()


def test_the_figures_of_an_interval_are_rates_and_parts():
    interval = Interval()
    row = {"num_samples": 16, "num_tokens": 900, "num_padded_tokens": 1000, "model_flops": 2e12}
    interval.add(row, waited_seconds=0.5)
    interval.add(row, waited_seconds=0.0)
    figures = interval.figures(seconds=4.0, num_devices=2, peak=Peak(1e12, is_measured=True))
    assert figures == pytest.approx(
        {
            "samples_per_second": 8.0,
            "tokens_per_second": 450.0,
            "mfu_percent": 50.0,
            "padding_percent": 10.0,
            "data_wait_percent": 12.5,
        }
    )


def test_the_line_of_the_log_has_every_figure_with_its_unit():
    row = {"loss": 2.0314, "learning_rate": 9.8e-4, "gradient_norm": 1.234}
    figures = {
        "samples_per_second": 31.2,
        "tokens_per_second": 24_180.0,
        "mfu_percent": 46.4,
        "padding_percent": 1.3,
        "data_wait_percent": 0.4,
        "peak_memory_gib": 17.25,
    }
    assert line_of(row, figures, is_measured_peak=False) == (
        "loss 2.031, rate 9.8e-04, gradient 1.23, 31.2 samples/s, 24180 tokens/s, MFU 46 %, padding 1.3 %, "
        "waiting 0 %, 17.2 GiB"
    )
    assert "MFU 46 % of the measured rate" in line_of(row, figures, is_measured_peak=True)


def test_a_slow_training_has_digits_too():
    figures = dict.fromkeys(("mfu_percent", "padding_percent", "data_wait_percent", "peak_memory_gib"), 1.0)
    row = {"loss": 2.0, "learning_rate": 1e-3, "gradient_norm": 1.0}
    line = line_of(row, {**figures, "samples_per_second": 0.0123, "tokens_per_second": 8.765}, is_measured_peak=True)
    assert "0.0123 samples/s, 8.77 tokens/s" in line


def test_a_peak_that_was_measured_while_other_programs_ran_is_raised_to_what_was_reached_since():
    assert Peak(1e12, is_measured=True).at_least(2.66e12) == Peak(2.66e12, is_measured=True)
    assert Peak(1e12, is_measured=True).at_least(5e11) == Peak(1e12, is_measured=True)
    assert Peak(1e12, is_measured=False).at_least(2.66e12) == Peak(1e12, is_measured=False)


def test_the_time_that_data_was_waited_for_is_told_with_it():
    (first, seconds), *rest = waiting(iter("ab"))
    assert first == "a"
    assert 0 <= seconds < 1
    assert [value for value, _ in rest] == ["b"]


def test_counts_keep_their_names_when_they_have_been_summed():
    counts = Counts(*torch.tensor([2.0, 5.0, 50.0, 60.0, 20.0, 1300.0], dtype=torch.float64).tolist())
    assert counts.work == WORK
    assert counts.columns() == {
        "num_samples": 2,
        "num_supervised_tokens": 5,
        "num_tokens": 50,
        "num_padded_tokens": 60,
    }


def test_a_gpu_is_found_by_its_short_name_or_its_drivers_in_any_case():
    assert find_gpu("rtx 4090") is find_gpu("NVIDIA GeForce RTX 4090")
    assert (find_gpu("RTX 4090").teraflops, find_gpu("RTX 4090").memory_gib) == (165.2, 24)
    with pytest.raises(ConfigError, match=r"no GPU is known as 'RTX 409'; there are: RTX 3090, .*H100"):
        find_gpu("RTX 409")


def test_no_two_gpus_have_one_name():
    names = [name for gpu in GPUS for name in (gpu.name, *gpu.device_names)]
    assert len(set(names)) == len(names)


def test_the_peak_of_a_cpu_is_measured_and_said_to_be():
    peak = device_peak(torch.device("cpu"))
    assert peak.is_measured
    assert peak.flops_per_second > 1e8


def test_lengths_sorted_in_every_batch_lose_nothing():
    lengths = np.array([5, 1, 4, 2])
    assert num_padded_tokens([[0, 2], [3, 1]], lengths) == 2 * 5 + 2 * 2
