"""The vision-language model: vision tokens put into the text, forward, generate, and which parts train in a stage."""

# Shape suffixes: B = sequences, T = tokens per sequence (vision tokens included), N = images, P = vision tokens per
# image, V = vision width, L = LLM width, K = supervised tokens, C = vocabulary.

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel

from model.config import GenerationConfig, Stage
from model.conversation import IGNORED_LABEL, IMAGE_TOKEN_ID
from model.decoding import logits_processors
from model.projector import Projector


class VisionLanguageModel(nn.Module):
    """A projector and any causal LM of Transformers. The vision tower is frozen and lives outside."""

    def __init__(self, projector: Projector, llm: PreTrainedModel) -> None:
        super().__init__()
        self.projector = projector
        self.llm = llm

    def prepare_stage(self, stage: Stage) -> None:
        """Choose what trains: the projector alone in ``pretrain``, projector and LLM in ``finetune``.

        A frozen part gets no gradient and no dropout.
        """
        self.projector.requires_grad_(True).train()
        is_trained = stage == "finetune"
        self.llm.requires_grad_(is_trained).train(is_trained)

    def embed(self, input_ids_BT: torch.Tensor, features_NPV: torch.Tensor) -> torch.Tensor:
        """Embeddings ``[B, T, L]`` with the projected features in place of the ``IMAGE_TOKEN_ID``s, image by image.

        The projector always runs, so that under ZeRO-3 no rank waits for one whose batch has no image.

        Raises:
            ValueError: the placeholders and the vision tokens differ in number.
        """
        is_image_BT = input_ids_BT == IMAGE_TOKEN_ID
        text_BTL: torch.Tensor = self.llm.get_input_embeddings()(input_ids_BT.clamp(min=0))
        weight = self.projector.weight
        if not len(features_NPV):
            empty = torch.zeros(1, 1, self.projector.vision_width, dtype=weight.dtype, device=weight.device)
            unused: torch.Tensor = self.projector(empty).sum()
            return text_BTL + 0.0 * unused.to(text_BTL.dtype)
        vision_NPL: torch.Tensor = self.projector(features_NPV.to(weight.dtype)).to(text_BTL.dtype)
        vision_KL = vision_NPL.flatten(0, 1)
        if int(is_image_BT.sum()) != len(vision_KL):
            raise ValueError(f"{int(is_image_BT.sum())} image placeholders for {len(vision_KL)} vision tokens")
        return text_BTL.masked_scatter(is_image_BT[..., None], vision_KL)

    def forward(
        self,
        input_ids_BT: torch.Tensor,
        attention_mask_BT: torch.Tensor,
        labels_BT: torch.Tensor,
        features_NPV: torch.Tensor,
    ) -> torch.Tensor:
        """Sum of the cross-entropy over the supervised tokens, in float32; logits are made for those alone.

        A label at position t belongs to the token at t, and is predicted from position t - 1.
        """
        embeddings_BTL = self.embed(input_ids_BT, features_NPV)
        hidden_BTL = self.llm.base_model(
            inputs_embeds=embeddings_BTL, attention_mask=attention_mask_BT
        ).last_hidden_state
        targets_BT = labels_BT[:, 1:]
        is_supervised = targets_BT != IGNORED_LABEL
        logits_KC = self.llm.get_output_embeddings()(hidden_BTL[:, :-1][is_supervised])
        return F.cross_entropy(logits_KC.float(), targets_BT[is_supervised], reduction="sum")

    @torch.inference_mode()
    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        features: Sequence[torch.Tensor | None],
        config: GenerationConfig,
        *,
        eos_token_id: int,
        pad_token_id: int,
        seeds: Sequence[int] | None = None,
    ) -> list[list[int]]:
        """Answers' token ids without the end-of-text, for prompts that hold one ``IMAGE_TOKEN_ID`` per image.

        Args:
            prompts: token ids, each with one placeholder if its features are not None.
            features: ``[P, V]`` of each prompt's image, or None.
            config: how to generate.
            eos_token_id: generation stops here.
            pad_token_id: filler behind shorter answers.
            seeds: of each prompt's draws, for sampling; see ``model.decoding.item_seed``.

        Raises:
            ValueError: sampling without seeds.
        """
        processors = logits_processors(config, seeds)
        device = self.projector.weight.device
        rows = []
        for prompt, feature in zip(prompts, features, strict=True):
            ids = expand_image(torch.tensor(prompt), 0 if feature is None else len(feature)).to(device)
            none = torch.zeros(0, 0, 0, device=device)
            rows.append(self.embed(ids[None], none if feature is None else feature[None].to(device))[0])
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
        )
        return [_until(answer, eos_token_id) for answer in answers.tolist()]


def expand_image(ids_T: torch.Tensor, num_vision_tokens: int) -> torch.Tensor:
    """The ids with the one image placeholder repeated for every vision token."""
    repeats = torch.where(ids_T == IMAGE_TOKEN_ID, num_vision_tokens, 1)
    return ids_T.repeat_interleave(repeats)


def _until(ids: list[int], end: int) -> list[int]:
    return ids[: ids.index(end)] if end in ids else ids
