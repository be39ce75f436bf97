from itertools import pairwise

import pytest
import torch

from model.config import GenerationConfig
from model.conversation.encode import encode_prompt
from model.decoding import SeededSampling, item_seed
from tests.support.small_model import build_tokenizer, build_vlm

QUESTIONS = ("丸は何色ですか。", "赤い三角はどこにありますか。", "四角はいくつありますか。")


def answers(config: GenerationConfig, *items: int) -> list[list[int]]:
    vlm, tokenizer = build_vlm("llama"), build_tokenizer()
    prompts = [encode_prompt(QUESTIONS[item], num_images=0, template="v1", tokenizer=tokenizer) for item in items]
    seeds = [item_seed(config.seed, str(item)) for item in items]
    options = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    return vlm.generate(prompts, [[]] * len(items), config, seeds=seeds, **options)


WARM = GenerationConfig(max_new_tokens=8, do_sample=True, temperature=2.0)


def test_the_same_seed_gives_the_same_answers_and_another_one_others():
    assert answers(WARM, 0, 1) == answers(WARM, 0, 1)
    assert answers(WARM, 0, 1) != answers(WARM.model_copy(update={"seed": 1}), 0, 1)
    assert answers(WARM, 0, 1) != answers(GenerationConfig(max_new_tokens=8), 0, 1)


def test_a_drawn_answer_does_not_depend_on_what_is_answered_together():
    assert answers(WARM, 0, 1, 2) == [*answers(WARM, 0), *answers(WARM, 1), *answers(WARM, 2)]
    assert answers(WARM, 2, 0) == answers(WARM, 0, 2)[::-1]


def test_a_low_temperature_is_all_but_greedy():
    cold = GenerationConfig(max_new_tokens=8, do_sample=True, temperature=1e-4)
    assert answers(cold, 0, 1) == answers(GenerationConfig(max_new_tokens=8), 0, 1)


def drawn(config: GenerationConfig, logits: list[float], *, num_draws: int) -> list[float]:
    """How often each token is drawn, in an answer of ``num_draws`` tokens."""
    sampling = SeededSampling(config, [0])
    scores = torch.log(torch.tensor([logits]))
    counts = [0] * len(logits)
    for _ in range(num_draws):
        counts[int(sampling(torch.zeros(1, 0, dtype=torch.long), scores).argmax())] += 1
    return [count / num_draws for count in counts]


def test_tokens_are_drawn_as_often_as_they_are_likely():
    found = drawn(GenerationConfig(do_sample=True), [0.5, 0.3, 0.2], num_draws=4000)
    assert found == pytest.approx([0.5, 0.3, 0.2], abs=0.03)


def test_temperature_sharpens_the_draw():
    # Squared and normalised, 0.5 0.3 0.2 become 0.658 0.237 0.105.
    found = drawn(GenerationConfig(do_sample=True, temperature=0.5), [0.5, 0.3, 0.2], num_draws=4000)
    assert found == pytest.approx([0.658, 0.237, 0.105], abs=0.03)


def test_top_p_leaves_the_unlikely_out():
    found = drawn(GenerationConfig(do_sample=True, top_p=0.7), [0.5, 0.3, 0.2], num_draws=2000)
    assert found == pytest.approx([0.625, 0.375, 0.0], abs=0.04)
    assert drawn(GenerationConfig(do_sample=True, top_p=0.1), [0.5, 0.3, 0.2], num_draws=20) == [1.0, 0.0, 0.0]


def test_sampling_without_seeds_is_refused():
    vlm = build_vlm("llama")
    with pytest.raises(ValueError, match="sampling needs a seed for each prompt"):
        vlm.generate([[5, 6]], [[]], WARM, eos_token_id=999, pad_token_id=3)
    with pytest.raises(ValueError, match="1 seeds for 2 rows"):
        SeededSampling(WARM, [0])(torch.zeros(2, 1, dtype=torch.long), torch.zeros(2, 3))


def test_no_word_pieces_come_twice_in_a_row_of_the_given_size():
    def repeated(config: GenerationConfig) -> bool:
        (answer,) = answers(config, 0)
        pairs = list(pairwise(answer))
        return len(set(pairs)) < len(pairs)

    assert repeated(GenerationConfig(max_new_tokens=60))
    assert not repeated(GenerationConfig(max_new_tokens=60, no_repeat_ngram_size=2))
