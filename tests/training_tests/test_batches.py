import threading
from itertools import chain

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from model.conversation.encode import IGNORED_LABEL, IMAGE_TOKEN_ID, Encoded
from pipeline.config.experiment import TOKENIZER_FOLDER
from pipeline.core.errors import StoreError
from pipeline.core.parquet import write_rows, write_table
from pipeline.data.samples import Sample, Turn, sample_table
from pipeline.features.reader import FeatureReader
from pipeline.store.artifacts import ArtifactStore
from pipeline.training.collate import collate
from pipeline.training.dataset import TrainingSample, load_samples
from pipeline.training.feature_source import CachedFeatures
from pipeline.training.prefetch import STEPS_AHEAD, DevicePrefetcher, prefetch
from pipeline.training.sampler import global_batches, micro_batches, num_micro_batches, num_padded_tokens
from tests.support.encoded import encode_conversation
from tests.support.small_shards import encoded_features, key, publish_features, publish_shard

CPU = torch.device("cpu")
H1, H2, H3 = map(key, (1, 2, 3))
IMAGE = 100 * torch.arange(2.0)[:, None, None] + torch.arange(12.0).reshape(4, 3)
"""Features ``[S, T, V]`` of image ``H1``: the scale in the hundreds."""
TOKENIZER = AutoTokenizer.from_pretrained(TOKENIZER_FOLDER / "shapes-ja")


@pytest.fixture
def features(tmp_path):
    store = ArtifactStore(tmp_path / "store")
    shard = publish_shard(store, [encoded_features([H1, H2], torch.stack([IMAGE, IMAGE + 1000]))])
    with FeatureReader(publish_features(store, [shard]).directory) as reader:
        yield CachedFeatures(reader, CPU)


def training_sample(ids: list[int], labels: list[int], *images: str) -> TrainingSample:
    return TrainingSample("id", Encoded(tuple(ids), tuple(labels)), images)


def load(tmp_path, features, talks, *, accepted=None, max_length=1000, template="v1"):
    """``talks``: an image and the texts of the turns, by sample id."""
    samples: list[Sample] = []
    for index, (sample_id, (image, *texts)) in enumerate(talks.items()):
        turns = tuple(Turn(("user", "assistant")[place % 2], text) for place, text in enumerate(texts))
        name = image and f"{image}.png"
        samples.append(Sample(sample_id, index, "local", name, None, turns, image_sha256=image))
    write_table(tmp_path / "samples.parquet", sample_table(samples))
    accepted_rows = ({"sample_id": name} for name in (talks if accepted is None else accepted))
    write_rows(tmp_path / "accepted.parquet", accepted_rows, schema=pa.schema([("sample_id", pa.string())]))
    return load_samples(
        tmp_path / "samples.parquet",
        tmp_path / "accepted.parquet",
        features=features,
        tokenizer=TOKENIZER,
        template=template,
        max_length=max_length,
        directory=tmp_path,
    )


def test_every_epoch_has_every_sample_once_in_an_order_of_its_own():
    batches = global_batches(10, batch_size=4, num_epochs=2, seed=0)
    assert [len(batch) for batch in batches] == [4, 4, 2, 4, 4, 2]
    first, second = [*chain(*batches[:3])], [*chain(*batches[3:])]
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second


def test_the_order_is_that_of_the_seed_and_never_changes():
    assert global_batches(6, batch_size=3, num_epochs=1, seed=42) == [[4, 5, 1], [0, 3, 2]]
    assert global_batches(6, batch_size=3, num_epochs=1, seed=43) != global_batches(
        6, batch_size=3, num_epochs=1, seed=42
    )


@pytest.mark.parametrize(
    ("global_size", "micro_size", "processes", "count"),
    [(32, 8, 1, 4), (32, 8, 2, 2), (32, 8, 4, 1), (32, 32, 4, 1), (10, 4, 1, 3), (10, 4, 2, 2), (1, 8, 4, 1)],
)
def test_forward_passes_cover_the_global_batch(global_size, micro_size, processes, count):
    numbers = num_micro_batches(global_batch_size=global_size, micro_batch_size=micro_size, num_processes=processes)
    assert numbers == count


def micro_batches_of_all(batch, *, lengths, count, num_processes):
    """Of every process."""
    return [
        micro_batches(batch, lengths=np.array(lengths), count=count, rank=rank, num_processes=num_processes)
        for rank in range(num_processes)
    ]


def test_a_batch_is_sorted_by_length_cut_and_dealt_to_two_processes_in_turn():
    lengths = [10, 80, 30, 60, 50, 40, 70, 20]
    parts = micro_batches_of_all(range(8), lengths=lengths, count=2, num_processes=2)
    assert parts == [[[1, 3], [5, 7]], [[6, 4], [2, 0]]]
    assert num_padded_tokens(parts[0], np.array(lengths)) == 2 * 80 + 2 * 40


def test_samples_of_one_length_are_dealt_in_their_order():
    parts = micro_batches_of_all(range(10), lengths=[7] * 10, count=2, num_processes=2)
    assert parts == [[[0, 2], [4, 6, 8]], [[1, 3], [5, 7, 9]]]


def test_a_small_last_batch_leaves_pieces_empty():
    parts = micro_batches_of_all([7], lengths=[5] * 8, count=2, num_processes=2)
    assert parts == [[[], [7]], [[], []]]
    assert num_padded_tokens(parts[0], np.array([5] * 8)) == 1 + 5


@given(
    st.lists(st.integers(0, 99), max_size=40, unique=True),
    st.lists(st.integers(1, 1532), min_size=100, max_size=100),
    st.sampled_from([1, 2, 4]),
    st.integers(1, 9),
)
def test_the_pieces_of_all_processes_are_the_global_batch(batch, lengths, processes, micro_size):
    count = num_micro_batches(
        global_batch_size=max(1, len(batch)), micro_batch_size=micro_size, num_processes=processes
    )
    parts = micro_batches_of_all(batch, lengths=lengths, count=count, num_processes=processes)
    assert all(len(part) == count for part in parts)
    pieces = [piece for part in parts for piece in part]
    assert sorted(index for piece in pieces for index in piece) == sorted(batch)
    assert max(map(len, pieces)) <= micro_size
    at_once = [[len(part[number]) for part in parts] for number in range(count)]
    assert all(max(sizes) - min(sizes) <= 1 for sizes in at_once)


@given(st.integers(1, 300), st.integers(1, 8), st.integers(0, 3))
def test_batches_of_like_length_lose_no_sample_and_begin_with_the_longest(num_samples, batch_size, seed):
    lengths = np.random.default_rng(seed).integers(10, 1000, num_samples)
    batches = global_batches(num_samples, batch_size=batch_size, num_epochs=1, seed=seed, grouped_by=lengths)
    assert sorted(chain(*batches)) == list(range(num_samples))
    assert {len(batch) for batch in batches[:-1]} <= {batch_size}
    if num_samples % batch_size == 0:
        assert max(lengths) in lengths[batches[0]]


def test_the_samples_of_a_batch_are_of_like_length_and_the_batches_in_random_order():
    lengths = np.arange(1000)
    batches = global_batches(1000, batch_size=10, num_epochs=1, seed=0, grouped_by=lengths)
    assert max(max(batch) - min(batch) for batch in batches) < 60  # random batches span 800
    firsts = [batch[0] for batch in batches]
    assert firsts not in (sorted(firsts), sorted(firsts, reverse=True))
    again = global_batches(1000, batch_size=10, num_epochs=1, seed=0, grouped_by=lengths)
    assert again == batches
    assert global_batches(1000, batch_size=10, num_epochs=1, seed=1, grouped_by=lengths) != batches


def test_an_image_is_expanded_and_the_labels_stay_beside_their_tokens(features):
    sample = training_sample([5, IMAGE_TOKEN_ID, 6, 7], [-100, -100, -100, 7], H1)
    batch = collate([sample], features=features)
    assert batch.input_ids.tolist() == [[5, -200, -200, -200, -200, 6, 7]]
    assert batch.labels.tolist() == [[-100, -100, -100, -100, -100, -100, 7]]
    assert batch.lengths.tolist() == [7]
    assert [part.tolist() for part in batch.places] == [[1, 2, 3, 4], [5], [7]]
    assert batch.num_supervised_tokens == 1


def test_scales_are_joined_along_the_channels(features):
    sample = training_sample([IMAGE_TOKEN_ID, 6], [-100, 6], H1)
    batch = collate([sample], features=features)
    on_device = features.on_device(batch.images, CPU)
    assert on_device.shape == (1, 4, 6)
    assert on_device[0, 1].tolist() == [3, 4, 5, 103, 104, 105]


def test_rows_are_padded_on_the_right_and_images_stand_in_order(features):
    samples = [
        training_sample([IMAGE_TOKEN_ID, 6], [-100, 6], H2),
        training_sample([8, 9], [-100, 9]),
        training_sample([IMAGE_TOKEN_ID, 7, 8], [-100, 7, 8], H1),
    ]
    batch = collate(samples, features=features)
    assert batch.input_ids.tolist() == [[-200] * 4 + [6, 0], [8, 9, 0, 0, 0, 0], [-200] * 4 + [7, 8]]
    assert batch.lengths.tolist() == [5, 2, 6]
    assert batch.labels.tolist() == [[-100] * 4 + [6, -100], [-100, 9] + [-100] * 4, [-100] * 4 + [7, 8]]
    assert features.on_device(batch.images, CPU)[:, 0, 0].tolist() == [1000.0, 0.0]
    assert batch.num_supervised_tokens == 4


def test_the_images_of_a_row_stand_in_the_order_of_their_placeholders(features):
    samples = [
        training_sample([IMAGE_TOKEN_ID, IMAGE_TOKEN_ID, 6], [-100, -100, 6], H2, H1),
        training_sample([7, IMAGE_TOKEN_ID, 8, IMAGE_TOKEN_ID], [-100, -100, 8, -100], H1, H1),
    ]
    batch = collate(samples, features=features)
    assert batch.input_ids.tolist() == [[-200] * 8 + [6, 0], [7, *[-200] * 4, 8, *[-200] * 4]]
    assert batch.labels.tolist() == [[-100] * 8 + [6, -100], [-100] * 5 + [8] + [-100] * 4]
    assert features.on_device(batch.images, CPU)[:, 0, 0].tolist() == [1000.0, 0.0, 0.0, 0.0]


def test_the_first_position_of_a_row_is_not_counted(features):
    assert collate([training_sample([8, 9], [8, 9])], features=features).num_supervised_tokens == 1


def test_no_samples_make_a_batch_without_supervision(features):
    batch = collate([], features=features)
    assert (batch.input_ids.tolist(), batch.num_samples, batch.num_supervised_tokens) == ([[0]], 0, 0)
    assert features.on_device(batch.images, CPU).shape == (0, 0, 0)


def test_loaded_samples_are_the_accepted_ones_as_they_are_encoded(tmp_path, features):
    talks = {"a": (H1, "<image>\n図形の数", "二つ"), "b": (H1, "図形の数", "三つ"), "c": (None, "図形の数", "一つ")}
    loaded = load(tmp_path, features, talks, accepted=("a", "c"))
    assert [(sample.sample_id, sample.images) for sample in loaded] == [("a", (H1,)), ("c", ())]
    expected = encode_conversation([("図形の数", "二つ")], num_images=1, template="v1", tokenizer=TOKENIZER)
    assert loaded[0].encoded == expected
    assert loaded.num_findings == {}


def test_a_sample_whose_image_has_no_features_is_counted(tmp_path, features):
    loaded = load(tmp_path, features, {"a": (H3, "図形の数", "二つ"), "b": (H1, "図形の数", "二つ")})
    assert [sample.sample_id for sample in loaded] == ["b"]
    assert loaded.num_findings == {"no_features": 1}


TALK = ("図形の数", "二つ", "図形の数", "三つ")
"""Without an image: 2 + (ユーザー: , 図形, の数, space, システム: , answer, end) = 9 tokens, then 7 more."""


@pytest.mark.parametrize(
    ("image", "max_length", "num_tokens", "num_shortened"),
    [
        (None, 16, 16, 0),
        (None, 15, 9, 1),
        (None, 9, 9, 1),
        (H1, 16 + 1 + 4, 16 + 1 + 1, 0),  # a line end and four vision tokens more; one placeholder stands for them
        (H1, 16 + 1 + 3, 9 + 1 + 1, 1),
        (H1, 9 + 1 + 4, 9 + 1 + 1, 1),
    ],
)
def test_a_long_sample_is_cut_after_a_whole_answer(tmp_path, features, image, max_length, num_tokens, num_shortened):
    loaded = load(tmp_path, features, {"a": (image, *TALK)}, max_length=max_length)
    (sample,) = loaded
    assert (len(sample.encoded.input_ids), loaded.num_findings["shortened"]) == (num_tokens, num_shortened)
    assert sample.encoded.labels[-1] == TOKENIZER.eos_token_id
    assert collate([sample], features=features).input_ids.shape[1] <= max_length


@pytest.mark.parametrize(("image", "max_length"), [(None, 8), (H1, 13)])
def test_a_sample_whose_first_answer_does_not_fit_is_left_out_and_counted(tmp_path, features, image, max_length):
    loaded = load(tmp_path, features, {"a": (image, *TALK)}, max_length=max_length)
    assert (list(loaded), loaded.num_findings) == ([], {"too_long": 1})


def test_batches_come_in_the_order_of_the_plan(features):
    samples = [training_sample([index, index], [-100, index]) for index in range(4)]
    steps = prefetch([[[0], [1]], [[2, 3], []]], samples, features)
    ids = [[batch.input_ids[:, 0].tolist() for batch in step] for step in steps]
    assert ids == [[[0], [1]], [[2, 3], [0]]]
    assert list(prefetch([], samples, features)) == []


class SlowFeatures:
    """Counts what is read; the third image cannot be."""

    num_vision_tokens = 2
    num_channels = 3

    def __init__(self):
        self.read = []

    def load(self, keys):
        self.read += keys
        if H3 in keys:
            raise StoreError("the features of the third image are damaged")
        return torch.zeros(len(keys), 2, 3)


def test_what_goes_wrong_while_reading_is_raised_where_its_turn_comes():
    samples = [training_sample([IMAGE_TOKEN_ID, 6], [-100, 6], image) for image in (H1, H2, H3)]
    steps = prefetch([[[0]], [[1]], [[2]]], samples, SlowFeatures())
    assert [next(steps)[0].num_samples, next(steps)[0].num_samples] == [1, 1]
    with pytest.raises(StoreError, match="the features of the third image are damaged"):
        next(steps)


def test_a_few_steps_are_read_ahead_and_no_more_when_the_training_stops():
    features = SlowFeatures()
    samples = [training_sample([IMAGE_TOKEN_ID, 6], [-100, 6], H1)] * 20
    before = threading.active_count()
    steps = prefetch([[[index]] for index in range(20)], samples, features)
    next(steps)
    steps.close()
    assert 1 <= len(features.read) <= 1 + STEPS_AHEAD
    assert threading.active_count() == before


def test_the_feed_gives_what_the_model_takes(features):
    samples = [
        training_sample([5, IMAGE_TOKEN_ID, 6, 7], [-100, -100, -100, 7], H1),
        training_sample([8, 9], [-100, 9]),
    ]
    (inputs,) = DevicePrefetcher(features, CPU).inputs([collate(samples, features=features)])
    ids, vision, predicting, targets, values = inputs
    assert ids.tolist() == [[5, -200, -200, -200, -200, 6, 7], [8, 9, 0, 0, 0, 0, 0]]
    assert (vision.tolist(), predicting.tolist(), targets.tolist()) == ([1, 2, 3, 4], [5, 7], [7, 9])
    assert values[0, 1].tolist() == [3, 4, 5, 103, 104, 105]


@pytest.mark.gpu
def test_batches_copied_beside_the_computation_arrive_whole():
    device = torch.device("cuda")

    class Random:
        num_vision_tokens = 729
        num_channels = 2304

        def load(self, keys):
            generator = torch.Generator().manual_seed(int(keys[0], 16))
            return torch.randn(len(keys), 729, 2304, generator=generator).pin_memory()

        def on_device(self, loaded, device):
            return loaded

    samples = [training_sample([IMAGE_TOKEN_ID, 6], [-100, 6], key(number)) for number in range(8)]
    batches = [collate([sample], features=Random()) for sample in samples]
    matrix = torch.randn(4096, 4096, device=device)
    sums = []
    for *_, values in DevicePrefetcher(Random(), device).inputs(batches):
        matrix = matrix @ matrix / 64  # the device is busy while the next batch is copied
        sums.append(values.double().sum())
        del values
    expected = [batch.images.double().sum() for batch in batches]
    assert torch.stack(sums).cpu().tolist() == pytest.approx(torch.stack(expected).tolist())


@given(st.integers(1, 60), st.integers(1, 16), st.integers(0, 3))
def test_global_batches_lose_no_sample(num_samples, batch_size, seed):
    batches = global_batches(num_samples, batch_size=batch_size, num_epochs=1, seed=seed)
    assert sorted(chain(*batches)) == list(range(num_samples))
    assert {len(batch) for batch in batches[:-1]} <= {batch_size}


def test_a_label_is_its_token_or_ignored(tmp_path, features):
    loaded = load(tmp_path, features, {"a": (H1, *TALK), "b": (None, *TALK)})
    batch = collate(loaded, features=features)
    supervised = batch.labels != IGNORED_LABEL
    assert torch.equal(batch.labels[supervised], batch.input_ids[supervised])
    for row, length in zip(supervised, batch.lengths, strict=True):
        assert not row[length:].any()
