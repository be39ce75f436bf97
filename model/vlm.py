"""The vision-language model: vision tokens put into the text, forward, generate, and which parts train in a stage."""

# Shape suffixes: B = sequences, T = tokens per sequence (vision tokens included), N = images, P = vision tokens per
# image, V = vision width, L = LLM width, I = vision tokens of a batch, K = supervised tokens of a batch.

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel, StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer
from transformers.modeling_layers import GradientCheckpointingLayer

from model.config import GenerationConfig, Stage
from model.conversation.encode import IGNORED_LABEL, IMAGE_TOKEN_ID
from model.decoding import logits_processors
from model.loss import summed_cross_entropy
from model.projector import Projector


class Places(NamedTuple):
    """Where things are in a batch, as positions in its tokens row after row.

    Found on the host: looking for them on the device would make the host wait for it in every forward pass.
    """

    vision_I: torch.Tensor
    """Positions of the vision tokens."""
    predicting_K: torch.Tensor
    """Positions whose hidden states predict a supervised token: the one before it."""
    targets_K: torch.Tensor
    """The supervised tokens."""


def places_of(input_ids_BT: torch.Tensor, labels_BT: torch.Tensor) -> Places:
    """A label at position t belongs to the token at t, and is predicted from position t - 1."""
    targets_BT = torch.full_like(labels_BT, IGNORED_LABEL)
    targets_BT[:, :-1] = labels_BT[:, 1:]
    targets = targets_BT.flatten()
    predicting_K = (targets != IGNORED_LABEL).nonzero()[:, 0]
    return Places(_vision_places(input_ids_BT), predicting_K, targets[predicting_K])


def _vision_places(input_ids_BT: torch.Tensor) -> torch.Tensor:
    return (input_ids_BT.flatten() == IMAGE_TOKEN_ID).nonzero()[:, 0]


class VisionLanguageModel(nn.Module):
    """A projector and any causal LM of Transformers. The vision tower is frozen and lives outside."""

    def __init__(self, projector: Projector, llm: PreTrainedModel) -> None:
        super().__init__()
        self.projector = projector
        self.llm = llm

    def prepare_stage(self, stage: Stage, *, frozen_dropout: bool = False) -> None:
        """Choose what trains: the projector alone in ``pretrain``, projector and LLM in ``finetune``.

        Of an LLM with low-rank updates (``model/lora.py``) these train and its own weights do not. A frozen part gets
        no gradient, and no dropout unless ``frozen_dropout``.
        """
        self.projector.requires_grad_(True).train()
        is_finetune = stage == "finetune"
        updates = lora_modules(self.llm)
        is_frozen = not is_finetune or bool(updates)
        self.llm.requires_grad_(not is_frozen).train(not is_frozen or frozen_dropout)
        for update in updates if is_finetune else ():
            update.requires_grad_(True).train()
        for layer in self.llm.modules():
            if isinstance(layer, GradientCheckpointingLayer):
                layer.training = True  # itself alone: it recomputes only then, and has no dropout of its own

    def embed(
        self, input_ids_BT: torch.Tensor, features_NPV: torch.Tensor, vision_I: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Embeddings ``[B, T, L]`` with the projected features in place of the ``IMAGE_TOKEN_ID``s, image by image.

        The projector always runs, so that under ZeRO-3 no rank waits for one whose batch has no image.

        Args:
            input_ids_BT: token ids with a placeholder for every vision token.
            features_NPV: the images' features in the order of their placeholders; empty without images.
            vision_I: positions of the placeholders (see ``Places``); None: they are looked for.

        Raises:
            ValueError: the placeholders and the vision tokens differ in number.
        """
        text_BTL: torch.Tensor = self.llm.get_input_embeddings()(input_ids_BT.clamp(min=0))
        weight = self.projector.weight
        if not len(features_NPV):
            empty = torch.zeros(1, 1, self.projector.vision_width, dtype=weight.dtype, device=weight.device)
            unused: torch.Tensor = self.projector(empty).sum()
            return text_BTL + 0.0 * unused.to(text_BTL.dtype)
        vision_NPL: torch.Tensor = self.projector(features_NPV.to(weight.dtype)).to(text_BTL.dtype)
        vision_IL = vision_NPL.flatten(0, 1)
        if vision_I is None:
            vision_I = _vision_places(input_ids_BT)
        if len(vision_I) != len(vision_IL):
            raise ValueError(f"{len(vision_I)} image placeholders for {len(vision_IL)} vision tokens")
        return text_BTL.flatten(0, 1).index_copy(0, vision_I, vision_IL).view_as(text_BTL)

    def forward(
        self,
        input_ids_BT: torch.Tensor,
        vision_I: torch.Tensor,
        predicting_K: torch.Tensor,
        targets_K: torch.Tensor,
        features_NPV: torch.Tensor,
        *,
        z_loss: float = 0.0,
    ) -> torch.Tensor:
        """Sum of the cross-entropy over the supervised tokens, in float32; logits are made for those alone.

        Padding stands on the right. Attention is causal, so no token sees it and no mask is needed: without one, SDPA
        takes its fastest kernel. What the padding itself becomes is never read.

        Args:
            input_ids_BT: token ids with a placeholder for every vision token.
            vision_I: see ``Places``; so are the next two.
            predicting_K: where the supervised tokens are predicted.
            targets_K: the supervised tokens.
            features_NPV: the images' features.
            z_loss: see ``summed_cross_entropy``.
        """
        head = self.llm.get_output_embeddings()
        if not isinstance(head, nn.Linear):
            raise TypeError(f"the LLM's output layer must be a plain linear layer, not a {type(head).__name__}")
        embeddings_BTL = self.embed(input_ids_BT, features_NPV, vision_I)
        hidden_BTL: torch.Tensor = self.llm.base_model(inputs_embeds=embeddings_BTL).last_hidden_state
        hidden_KL = hidden_BTL.flatten(0, 1).index_select(0, predicting_K)
        return summed_cross_entropy(hidden_KL, head.weight, targets_K, bias_C=head.bias, z_loss=z_loss)

    @torch.no_grad()  # inference mode would leave tensors behind that ZeRO-3 could not train with
    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        features: Sequence[Sequence[torch.Tensor]],
        config: GenerationConfig,
        *,
        eos_token_id: int,
        pad_token_id: int,
        seeds: Sequence[int] | None = None,
        streamer: BaseStreamer | None = None,
        stopping_criteria: StoppingCriteriaList | None = None,
    ) -> list[list[int]]:
        """Answers' token ids without the end-of-text, for prompts that hold one ``IMAGE_TOKEN_ID`` per image.

        Args:
            prompts: token ids, each with a placeholder for every image.
            features: ``[P, V]`` of each image of each prompt, in the order of the placeholders.
            config: how to generate.
            eos_token_id: generation stops here.
            pad_token_id: filler behind shorter answers.
            seeds: of each prompt's draws, for sampling; see ``model.decoding.item_seed``.
            streamer: gets the tokens of a single answer as they come.
            stopping_criteria: stop earlier than ``config`` says.

        Raises:
            ValueError: sampling without seeds, or images and placeholders differ in number.
        """
        processors = logits_processors(config, seeds)
        device = self.projector.weight.device
        rows = []
        for prompt, own in zip(prompts, features, strict=True):
            if (num_placeholders := list(prompt).count(IMAGE_TOKEN_ID)) != len(own):
                raise ValueError(f"a prompt has {num_placeholders} image placeholders for {len(own)} images")
            ids = expand_image(torch.tensor(prompt), len(own[0]) if own else 0).to(device)
            features_NPV = torch.stack(list(own)) if own else torch.zeros(0, 0, 0)
            rows.append(self.embed(ids[None], features_NPV.to(device))[0])
        lengths = torch.tensor([len(row) for row in rows], device=device)
        embeddings_BTL = pad_sequence([row.flip(0) for row in rows], batch_first=True).flip(1)  # padding on the left
        positions = torch.arange(embeddings_BTL.shape[1], device=device)
        attention_mask_BT = (positions[None] >= embeddings_BTL.shape[1] - lengths[:, None]).long()
        answers = self.llm.generate(
            inputs_embeds=embeddings_BTL,
            attention_mask=attention_mask_BT,
            max_new_tokens=config.max_new_tokens,
            num_beams=config.num_beams,
            do_sample=False,  # this and the next two: not what the LLM's own files may say
            repetition_penalty=1.0,
            no_repeat_ngram_size=0,
            logits_processor=processors,
            eos_token_id=eos_token_id,
            pad_token_id=pad_token_id,
            streamer=streamer,
            stopping_criteria=stopping_criteria,
        )
        return [_until(answer, eos_token_id) for answer in answers.tolist()]


LORA_PARTS = ("lora_A", "lora_B", "lora_dropout")
"""What ``model.lora`` puts beside a linear layer."""


def lora_modules(llm: nn.Module) -> list[nn.Module]:
    """The parts of an LLM's low-rank updates; none where there are none."""
    return [module for name, module in llm.named_modules() if name.rpartition(".")[2] in LORA_PARTS]


def expand_image(ids_T: torch.Tensor, num_vision_tokens: int) -> torch.Tensor:
    """The ids with every image placeholder repeated for each of its vision tokens."""
    repeats = torch.where(ids_T == IMAGE_TOKEN_ID, num_vision_tokens, 1)
    return ids_T.repeat_interleave(repeats)


def _until(ids: list[int], end: int) -> list[int]:
    return ids[: ids.index(end)] if end in ids else ids
