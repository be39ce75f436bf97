"""A released Japanese vision-language model for Transformers; comes with the weights, needs nothing else but torch.

One tower sees every image at several scales, tile by tile (S2, arXiv 2403.13043). The tiles' features are put back in
place, pooled to the grid of a single tile and joined along the channels, so the number of vision tokens stays that of
one tile.
"""

import copy
from math import isqrt
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    GenerationMixin,
    LogitsProcessorList,
    PreTrainedModel,
    RepetitionPenaltyLogitsProcessor,
)
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
from transformers.models.gpt2.modeling_gpt2 import GPT2Attention, eager_attention_forward

from .configuration_llava_jp import LlavaJpConfig

FEATURE_LAYER = -2
"""The output of the layer before the last, without the final norm."""


class LlavaJpPreTrainedModel(PreTrainedModel):
    """Vision tower, projector and an LLM, with its head or without."""

    config_class = LlavaJpConfig
    main_input_name = "input_ids"
    input_modalities = ("image", "text")
    supports_gradient_checkpointing = True
    _supports_attention_backend = True  # all parts call Transformers' attention functions
    _supports_sdpa = True
    _supports_flash_attn = True
    _no_split_modules = [  # noqa: RUF012
        "CLIPEncoderLayer",
        "GPT2Block",
        "GPTNeoXLayer",
        "LlamaDecoderLayer",
        "Siglip2EncoderLayer",
        "SiglipEncoderLayer",
    ]

    vision_tower: Any
    projector: Any
    language_model: Any

    def __init__(self, config: LlavaJpConfig) -> None:
        super().__init__(config)
        self.vision_tower = AutoModel.from_config(config.vision_config, trust_remote_code=False)
        vision_width = config.vision_config.hidden_size * len(config.scales)
        llm_width = config.text_config.hidden_size
        self.projector = nn.Sequential(nn.Linear(vision_width, llm_width), nn.GELU(), nn.Linear(llm_width, llm_width))

    def get_input_embeddings(self) -> nn.Module:
        return self.language_model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.language_model.set_input_embeddings(value)

    def get_image_features(self, pixel_values: torch.Tensor, **kwargs: Any) -> BaseModelOutputWithPooling:
        """``pooler_output`` are vision tokens ``[images, tokens, LLM width]`` of ``[images, tiles, 3, tile, tile]``.

        Tiles are those of the processor: scale after scale, row by row.
        """
        return BaseModelOutputWithPooling(pooler_output=self._vision_tokens(pixel_values))

    def _vision_tokens(self, pixel_values: torch.Tensor) -> torch.Tensor:
        num_images, num_tiles = pixel_values.shape[:2]
        with torch.no_grad():  # the tower is frozen
            features = self._tower_features(pixel_values.flatten(0, 1).to(self.vision_tower.dtype))
            per_tile = features.unflatten(0, (num_images, num_tiles))
            tiles_per_scale = [(side // self.config.tile_size) ** 2 for side in self.config.sides]
            scales = torch.split(per_tile, tiles_per_scale, dim=1)
            joined = torch.cat([self._merged(scale) for scale in scales], dim=-1)
        return self.projector(joined.to(self.projector[0].weight.dtype))

    def _tower_features(self, tiles: torch.Tensor) -> torch.Tensor:
        """Features ``[tiles, tokens, tower width]``; only the layers they come from are run."""
        tower, family = self.vision_tower, self.config.vision_config.model_type
        if family.startswith("siglip2"):
            embeddings = tower.embeddings
            patches = _patches(tiles, self.config.vision_config.patch_size)
            hidden = embeddings.patch_embedding(patches) + embeddings.position_embedding.weight
        else:
            hidden = tower.embeddings(tiles)
        if family.startswith("clip"):
            hidden = tower.pre_layrnorm(hidden)
        for layer in tower.encoder.layers[: FEATURE_LAYER + 1]:
            hidden = layer(hidden, attention_mask=None)
        has_class_token = family.startswith("clip")
        return hidden[:, 1:] if has_class_token or self.config.layout == "llava-jp-v1.1" else hidden

    def _merged(self, features: torch.Tensor) -> torch.Tensor:
        """One scale's tiles ``[images, tiles, tokens, width]`` put in place and pooled, ``[images, tokens, width]``."""
        num_images, num_tiles, num_tokens, width = features.shape
        if num_tiles == 1:
            return features[:, 0]
        n, rows = isqrt(num_tiles), isqrt(num_tokens)
        columns = num_tokens // rows
        in_place = features.reshape(num_images, n, n, rows, columns, width).permute(0, 5, 1, 3, 2, 4)
        merged = in_place.reshape(num_images, width, n * rows, n * columns)
        pooled = F.interpolate(merged.float(), size=(rows, columns), mode="area").to(features.dtype)
        return pooled.flatten(2).transpose(1, 2)

    def _embedded(self, input_ids: torch.Tensor, pixel_values: torch.Tensor | None) -> torch.Tensor:
        """Embeddings of text and images."""
        is_image = input_ids == self.config.image_token_id
        num_placeholders = int(is_image.sum())
        embeddings = self.get_input_embeddings()(input_ids.masked_fill(is_image, 0))
        if pixel_values is None:
            if num_placeholders:
                raise ValueError(f"the text has {num_placeholders} image tokens, and no pixel_values were given")
            return embeddings
        vision_tokens = self._vision_tokens(pixel_values).flatten(0, 1)
        if num_placeholders != len(vision_tokens):
            raise ValueError(f"the text has {num_placeholders} image tokens for {len(vision_tokens)} vision tokens")
        return embeddings.masked_scatter(is_image[..., None], vision_tokens.to(embeddings.dtype))

    def _inputs_embeds(
        self, input_ids: torch.Tensor | None, pixel_values: torch.Tensor | None, inputs_embeds: torch.Tensor | None
    ) -> torch.Tensor:
        if inputs_embeds is not None:
            return inputs_embeds
        if input_ids is None:
            raise ValueError("give input_ids or inputs_embeds")
        return self._embedded(input_ids, pixel_values)


class LlavaJpModel(LlavaJpPreTrainedModel):
    """The model without the LLM's head, as vLLM and other engines take it; they bring their own attention and head."""

    def __init__(self, config: LlavaJpConfig) -> None:
        super().__init__(config)
        self.language_model = _WithoutHead(config.text_config)
        self.post_init()

    def get_decoder(self) -> PreTrainedModel:
        return self.language_model.base

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        """The hidden states of the last layer."""
        inputs_embeds = self._inputs_embeds(input_ids, pixel_values, inputs_embeds)
        return self.get_decoder()(inputs_embeds=inputs_embeds, attention_mask=attention_mask, **kwargs)


class _WithoutHead(nn.Module):
    """The LLM's layers under the name that they have beside their head, so that one file of weights fits both."""

    def __init__(self, text_config: Any) -> None:
        super().__init__()
        self._name = AutoModelForCausalLM._model_mapping[type(text_config)].base_model_prefix
        self.add_module(self._name, AutoModel.from_config(text_config, trust_remote_code=False))
        for module in self.base.modules():
            if type(module) is GPT2Attention:
                module.__class__ = _Gpt2Attention

    @property
    def base(self) -> PreTrainedModel:
        return getattr(self, self._name)

    def get_input_embeddings(self) -> nn.Module:
        return self.base.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.base.set_input_embeddings(value)


class _Gpt2Attention(GPT2Attention):
    """GPT-2's own expects one row a head from attention functions; those of engines return one row a token."""

    def forward(
        self,
        hidden_states: torch.Tensor,
        past_key_values: Any = None,
        attention_mask: torch.Tensor | None = None,
        encoder_hidden_states: None = None,
        encoder_attention_mask: None = None,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        split = self.c_attn(hidden_states).split(self.split_size, dim=2)
        query, key, value = (part.unflatten(-1, (-1, self.head_dim)).transpose(1, 2) for part in split)
        if past_key_values is not None:
            key, value = past_key_values.update(key, value, self.layer_idx)
        attention = ALL_ATTENTION_FUNCTIONS.get_interface(self.config._attn_implementation, eager_attention_forward)
        dropout = self.attn_dropout.p if self.training else 0.0
        output, weights = attention(
            self, query, key, value, attention_mask, dropout=dropout, scaling=self.scaling, **kwargs
        )
        output = output.reshape(hidden_states.shape).contiguous()
        return self.resid_dropout(self.c_proj(output)), weights


class LlavaJpForConditionalGeneration(LlavaJpPreTrainedModel, GenerationMixin):
    """Vision tower, projector and causal LM."""

    def __init__(self, config: LlavaJpConfig) -> None:
        super().__init__(config)
        self.language_model = AutoModelForCausalLM.from_config(config.text_config, trust_remote_code=False)
        # `transformers serve` knows by the name of a model's class whether it takes images.
        MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES[config.model_type] = type(self).__name__
        self.post_init()

    def get_output_embeddings(self) -> nn.Module:
        return self.language_model.get_output_embeddings()

    def set_output_embeddings(self, new_embeddings: nn.Module) -> None:
        self.language_model.set_output_embeddings(new_embeddings)

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        """The causal LM's output; ``labels`` are -100 where nothing is to be learnt, over image tokens too."""
        inputs_embeds = self._inputs_embeds(input_ids, pixel_values, inputs_embeds)
        return self.language_model(inputs_embeds=inputs_embeds, attention_mask=attention_mask, labels=labels, **kwargs)

    @torch.no_grad()
    def generate(
        self,
        inputs: torch.Tensor | None = None,
        generation_config: Any = None,
        *,
        input_ids: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        """Prompt and answer, as every causal LM of Transformers returns them.

        The LLM gets embeddings, so penalties, processors and stopping criteria see the answer alone.
        """
        input_ids = inputs if input_ids is None else input_ids
        if input_ids is None:
            raise ValueError("give input_ids: processor(images=..., text=...) makes them")
        attention_mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        settings = copy.deepcopy(generation_config or self.generation_config)
        others = settings.update(**kwargs)
        processors = LogitsProcessorList(others.pop("logits_processor", None) or [])
        if settings.repetition_penalty not in (None, 1.0):
            # Transformers' own takes the padding on the left for a part of the answer when embeddings are given.
            processors.insert(0, RepetitionPenaltyLogitsProcessor(settings.repetition_penalty))
            settings.repetition_penalty = 1.0
        answers = self.language_model.generate(
            inputs_embeds=self._embedded(input_ids, pixel_values),
            attention_mask=attention_mask,
            generation_config=settings,
            logits_processor=processors,
            **others,
        )
        sequences = answers if isinstance(answers, torch.Tensor) else answers.sequences
        prompts = input_ids.repeat_interleave(len(sequences) // len(input_ids), dim=0)
        whole = torch.cat([prompts, sequences], dim=1)
        if isinstance(answers, torch.Tensor):
            return whole
        answers.sequences = whole
        return answers


def _patches(tiles: torch.Tensor, patch_size: int) -> torch.Tensor:
    """Patches row by row, pixel by pixel with channels last, as SigLIP 2 takes them."""
    num_tiles, channels, height, width = tiles.shape
    rows, columns = height // patch_size, width // patch_size
    split = tiles.reshape(num_tiles, channels, rows, patch_size, columns, patch_size).permute(0, 2, 4, 3, 5, 1)
    return split.reshape(num_tiles, rows * columns, patch_size * patch_size * channels)
