import pytest
import torch
from torch.nn import functional as F
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from model.config import GenerationConfig
from model.conversation.encode import IMAGE_TOKEN_ID, encode_prompt
from model.vlm import VisionLanguageModel, expand_image, places_of
from tests.support.small_model import FAMILIES, VISION_WIDTH, build_tokenizer, build_vlm

NO_IMAGE = torch.zeros(0, 0, 0)
QUESTIONS = ("左上の図形は何色ですか。", "札の模様は?", "図形はいくつありますか。小さな札の模様は何ですか。")


def random_features(count: int, tokens: int = 3) -> torch.Tensor:
    return torch.randn(count, tokens, VISION_WIDTH, generator=torch.Generator().manual_seed(2))


def loss_of(
    vlm: VisionLanguageModel, ids: torch.Tensor, labels: torch.Tensor, features: torch.Tensor, *, z_loss: float = 0.0
) -> torch.Tensor:
    return vlm(ids, *places_of(ids, labels), features, z_loss=z_loss)


def training_batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Ids, labels and features of ``batch``."""
    batch_ids, _, batch_labels = batch()
    return batch_ids, batch_labels, random_features(2)


def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Ids, mask and labels: a row with an image, a row without, a shorter row with an image; padding on the right."""
    image = [IMAGE_TOKEN_ID] * 3
    rows = [[5, 6, *image, 7, 8, 9], [10, 11, 12, 13, 14], [5, *image, 15, 16]]
    labels = [[-100, -100, -100, -100, -100, -100, 8, 9], [10, -100, 12, -100, 14], [-100, -100, -100, -100, 15, 16]]
    batch_ids = torch.tensor([row + [0] * (8 - len(row)) for row in rows])
    batch_mask = torch.tensor([[1] * len(row) + [0] * (8 - len(row)) for row in rows])
    batch_labels = torch.tensor([row + [-100] * (8 - len(row)) for row in labels])
    return batch_ids, batch_mask, batch_labels


@pytest.mark.parametrize("family", FAMILIES)
def test_the_loss_is_that_of_all_logits_row_by_row(family):
    vlm, features = build_vlm(family), random_features(2)
    batch_ids, batch_mask, batch_labels = batch()
    images = iter(vlm.projector(features))
    expected = torch.zeros(())
    for ids, mask, labels in zip(batch_ids, batch_mask, batch_labels, strict=True):
        length = int(mask.sum())
        embeddings = vlm.llm.get_input_embeddings()(ids[:length].clamp(min=0))
        is_image = ids[:length] == IMAGE_TOKEN_ID
        if is_image.any():
            embeddings = embeddings.clone()
            embeddings[is_image] = next(images)
        logits = vlm.llm(inputs_embeds=embeddings[None]).logits[0]
        for position in range(1, length):
            if labels[position] != -100:
                expected = expected - logits[position - 1].log_softmax(-1)[labels[position]]
    loss = loss_of(vlm, batch_ids, batch_labels, features)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_loss_of_a_row_with_two_images_is_that_of_all_logits(family):
    vlm, features = build_vlm(family), random_features(3)
    image = [IMAGE_TOKEN_ID] * 3
    ids = torch.tensor([[5, *image, *image, 7, 8], [5, 6, *image, 9, 10, 11, 12]])
    labels = torch.tensor([[-100] * 7 + [7, 8], [-100] * 7 + [11, 12]])
    words = vlm.llm.get_input_embeddings()(ids.clamp(min=0))
    first, second, third = vlm.projector(features)
    rows = [torch.cat([words[0, :1], first, second, words[0, 7:]]), torch.cat([words[1, :2], third, words[1, 5:]])]
    logits = vlm.llm(inputs_embeds=torch.stack(rows)).logits
    expected = F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), reduction="sum")
    assert loss_of(vlm, ids, labels, features).item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_gradients_are_those_of_all_logits(family):
    vlm, features = build_vlm(family), random_features(2)
    batch_ids, batch_mask, batch_labels = batch()
    loss_of(vlm, batch_ids, batch_labels, features).backward()
    ours = vlm.projector.weight.grad.clone()
    vlm.zero_grad()
    logits = vlm.llm(inputs_embeds=vlm.embed(batch_ids, features), attention_mask=batch_mask).logits
    F.cross_entropy(logits[:, :-1].flatten(0, 1), batch_labels[:, 1:].flatten(), reduction="sum").backward()
    assert ours.abs().sum() > 0
    assert torch.allclose(ours, vlm.projector.weight.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_padding_on_the_right_changes_nothing(family):
    vlm, features = build_vlm(family), random_features(2)
    ids, _, labels = batch()
    padded_ids = torch.cat([ids, torch.zeros(3, 5, dtype=torch.long)], dim=1)
    padded_labels = torch.cat([labels, torch.full((3, 5), -100)], dim=1)
    loss = loss_of(vlm, ids, labels, features)
    assert loss_of(vlm, padded_ids, padded_labels, features).item() == pytest.approx(loss.item(), rel=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_gradient_of_a_trained_llm_is_that_of_all_logits(family):
    vlm, features = build_vlm(family), random_features(2)
    batch_ids, batch_mask, batch_labels = batch()
    loss_of(vlm, batch_ids, batch_labels, features).backward()
    ours = {name: parameter.grad.clone() for name, parameter in vlm.named_parameters()}
    vlm.zero_grad()
    logits = vlm.llm(inputs_embeds=vlm.embed(batch_ids, features), attention_mask=batch_mask).logits
    F.cross_entropy(logits[:, :-1].flatten(0, 1), batch_labels[:, 1:].flatten(), reduction="sum").backward()
    for name, parameter in vlm.named_parameters():
        torch.testing.assert_close(ours[name], parameter.grad, rtol=1e-4, atol=1e-5, msg=name)


def test_places_are_positions_in_the_rows_one_after_the_other():
    ids = torch.tensor([[5, IMAGE_TOKEN_ID, IMAGE_TOKEN_ID, 7], [8, 9, 0, 0]])
    labels = torch.tensor([[-100, -100, -100, 7], [8, 9, -100, -100]])
    places = places_of(ids, labels)
    assert [part.tolist() for part in places] == [[1, 2], [2, 4], [7, 9]]


def test_an_output_layer_with_an_addition_is_refused():
    vlm = build_vlm("llama")
    vlm.llm.lm_head = torch.nn.Sequential(vlm.llm.lm_head)
    batch_ids, _, batch_labels = batch()
    with pytest.raises(TypeError, match="the LLM's output layer must be a plain linear layer, not a Sequential"):
        loss_of(vlm, batch_ids, batch_labels, random_features(2))


def test_vision_tokens_land_at_their_placeholders():
    vlm, features = build_vlm("llama"), random_features(2)
    batch_ids, _, _ = batch()
    embeddings = vlm.embed(batch_ids, features)
    projected = vlm.projector(features)
    words = vlm.llm.get_input_embeddings().weight
    assert torch.equal(embeddings[0, 2:5], projected[0])
    assert torch.equal(embeddings[2, 1:4], projected[1])
    assert torch.equal(embeddings[0, [0, 1, 5, 6, 7]], words[[5, 6, 7, 8, 9]])
    assert torch.equal(embeddings[1, :5], words[10:15])


@pytest.mark.parametrize(("count", "tokens", "number"), [(1, 3, 3), (2, 4, 8), (3, 3, 9)])
def test_a_wrong_number_of_vision_tokens_is_refused(count, tokens, number):
    batch_ids, _, _ = batch()
    with pytest.raises(ValueError, match=f"6 image placeholders for {number} vision tokens"):
        build_vlm("llama").embed(batch_ids, random_features(count, tokens))


def test_a_text_only_batch_gives_the_projector_a_gradient_of_zero():
    vlm = build_vlm("gpt2")
    batch_ids = torch.tensor([[5, 6, 7]])
    loss_of(vlm, batch_ids, batch_ids, NO_IMAGE).backward()
    assert all((parameter.grad == 0).all() for parameter in vlm.projector.parameters())


def test_a_batch_without_supervision_has_a_loss_of_zero_with_gradients():
    vlm = build_vlm("gpt2")
    one = torch.zeros(1, 1, dtype=torch.long)
    loss = loss_of(vlm, one, torch.full_like(one, -100), NO_IMAGE)
    loss.backward()
    assert loss.item() == 0.0
    assert (vlm.projector.weight.grad == 0).all()


def test_pretraining_trains_the_projector_alone():
    vlm = build_vlm("gpt2")
    vlm.prepare_stage("pretrain")
    batch_ids, _, batch_labels = batch()
    loss_of(vlm, batch_ids, batch_labels, random_features(2)).backward()
    assert all(parameter.grad is not None for parameter in vlm.projector.parameters())
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in vlm.llm.parameters())


def test_the_frozen_llm_drops_nothing_out_and_the_trained_one_does():
    vlm, features = build_vlm("gpt2"), random_features(2)
    assert vlm.llm.config.resid_pdrop == 0.1
    batch_ids, _, batch_labels = batch()
    arguments = (batch_ids, batch_labels, features)
    vlm.prepare_stage("pretrain")
    assert vlm.projector.training
    assert not vlm.llm.training
    assert loss_of(vlm, *arguments).item() == loss_of(vlm, *arguments).item()
    vlm.prepare_stage("finetune")
    assert vlm.llm.training
    assert all(parameter.requires_grad for parameter in vlm.parameters())
    torch.manual_seed(0)
    assert loss_of(vlm, *arguments).item() != loss_of(vlm, *arguments).item()


def test_the_frozen_llm_drops_out_when_it_is_asked_to_as_the_original_did():
    vlm, arguments = build_vlm("gpt2"), training_batch()
    vlm.prepare_stage("pretrain", frozen_dropout=True)
    assert loss_of(vlm, *arguments).item() != loss_of(vlm, *arguments).item()
    assert not any(parameter.requires_grad for parameter in vlm.llm.parameters())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_frozen_llm_recomputes_its_layers_and_the_gradients_stay(family):
    vlm, arguments = build_vlm(family), training_batch()
    vlm.prepare_stage("pretrain")
    loss_of(vlm, *arguments).backward()
    expected = vlm.projector.weight.grad.clone()
    vlm.zero_grad()
    vlm.llm.config.use_cache = False
    vlm.llm.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    vlm.prepare_stage("pretrain")
    calls = []
    layers = [module for module in vlm.llm.modules() if isinstance(module, GradientCheckpointingLayer)]
    for layer in layers:
        children = [module for module in layer.modules() if isinstance(module, torch.nn.LayerNorm | LlamaRMSNorm)]
        children[0].register_forward_hook(lambda *_: calls.append(1))
    loss_of(vlm, *arguments).backward()
    assert len(calls) == 2 * len(layers)
    assert torch.equal(vlm.projector.weight.grad, expected)


SAKANA = {"num_beams": 2, "repetition_penalty": 1.5}


@pytest.mark.parametrize(
    ("family", "fields"),
    [
        *((family, {}) for family in FAMILIES),
        *((family, SAKANA) for family in FAMILIES),
        ("llama", {"no_repeat_ngram_size": 2}),
    ],
)
def test_answers_do_not_depend_on_what_is_answered_together(family, fields):
    vlm, tokenizer = build_vlm(family), build_tokenizer()
    config = GenerationConfig(max_new_tokens=8, **fields)
    has_image = (True, False, True)
    prompts = [
        encode_prompt(question, num_images=int(image), template="v1", tokenizer=tokenizer)
        for question, image in zip(QUESTIONS, has_image, strict=True)
    ]
    assert len({len(prompt) for prompt in prompts}) == 3
    features = [[image] for image in random_features(2)]
    features.insert(1, [])

    def answers(*indices):
        return vlm.generate(
            [prompts[index] for index in indices],
            [features[index] for index in indices],
            config,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )

    together = answers(0, 1, 2)
    assert together == [*answers(0), *answers(1), *answers(2)]
    assert len({tuple(answer) for answer in together}) > 1


def test_generation_stops_before_the_end_of_text():
    vlm = build_vlm("llama")
    config = GenerationConfig(max_new_tokens=8)
    (free,) = vlm.generate([[5, 6, 7]], [[]], config, eos_token_id=999, pad_token_id=3)
    end = next(token for token in free if token != free[0])
    (stopped,) = vlm.generate([[5, 6, 7]], [[]], config, eos_token_id=end, pad_token_id=3)
    assert stopped == free[: free.index(end)]


def test_a_placeholder_is_repeated_for_every_vision_token():
    ids = torch.tensor([1, IMAGE_TOKEN_ID, 2])
    assert expand_image(ids, 3).tolist() == [1, -200, -200, -200, 2]
    assert expand_image(torch.tensor([1, 2]), 3).tolist() == [1, 2]
