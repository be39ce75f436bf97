"""Writes a model with one scale as Transformers' own LLaVA, which needs no code of ours.

That class tokenises a prompt as one text, so the tokens are compared with those of training before anything is written.
"""

from pathlib import Path

import torch
from transformers import (
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedModel,
)
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from model.config import Dtype
from model.disk.checkpoint import LoadedModel
from model.disk.release_folder import decimals, generation_config, part_config, with_image_token, write_weights
from model.disk.whole_prompts import OtherTokensError, whole_prompts
from model.vision.tower import FEATURE_LAYER


class NotALlavaError(ValueError):
    """Why a model cannot become Transformers' own LLaVA."""


def write_llava(model: LoadedModel, folder: Path, *, dtype: Dtype) -> None:
    """Everything but the model card.

    Raises:
        NotALlavaError: the model has something that the class lacks; nothing is written.
    """
    _check_architecture(model)
    processor = _processor(model)
    folder.mkdir(parents=True, exist_ok=True)
    config = _config(model, processor, dtype)
    state = _assembled(model, config).state_dict()
    write_weights(_with_row(state, config.image_token_index, model), folder, dtype=dtype)
    config.save_pretrained(folder)
    generation_config(model).save_pretrained(folder)
    processor.save_pretrained(folder)


def _check_architecture(model: LoadedModel) -> None:
    images, tower = model.config.images, model.vision_tower
    problems = []
    if images.scales != (1.0,):
        problems.append(f"S2 with the scales {list(images.scales)}")
    elif images.image_size != tower.tile_size:
        problems.append(f"an image of {images.image_size} pixels in tiles of {tower.tile_size}")
    if (family := tower.vit.config.model_type).startswith("siglip2"):
        problems.append(f"a {family} tower, whose patches are cut beforehand")
    if model.vlm.llm.get_output_embeddings().bias is not None:
        problems.append("an LLM whose head has a bias")
    if problems:
        raise NotALlavaError(
            f"Transformers' LLaVA cannot have {' and '.join(problems)}; export with --form llava-jp, which can"
        )


def _strategy(model: LoadedModel) -> str:
    """Whether the class drops the tower's first token, as LLaVA-JP always does and a class token asks for."""
    is_dropped = model.vision_tower.num_class_tokens or model.config.images.layout == "llava-jp-v1.1"
    return "default" if is_dropped else "full"


def _processor(model: LoadedModel) -> LlavaProcessor:
    tower = model.vision_tower
    tokenizer = with_image_token(model.tokenizer)
    try:
        template = whole_prompts(model, tokenizer).template
    except OtherTokensError as error:
        raise NotALlavaError(f"{error}; export with --form llava-jp") from error
    side = {"height": tower.tile_size, "width": tower.tile_size}
    image_processor = SiglipImageProcessorPil(
        size=side, image_mean=decimals(tower.pixel_mean), image_std=decimals(tower.pixel_std)
    )
    return LlavaProcessor(
        image_processor,
        tokenizer,
        patch_size=tower.vit.config.patch_size,
        vision_feature_select_strategy=_strategy(model),
        num_additional_image_tokens=tower.num_class_tokens,
        chat_template=template,
    )


def _config(model: LoadedModel, processor: LlavaProcessor, dtype: Dtype) -> LlavaConfig:
    text_config = part_config(model.vlm.llm.config, dtype)
    text_config.vocab_size = max(text_config.vocab_size, processor.image_token_id + 1)
    text_config.tie_word_embeddings = False  # the class ties by a name that not every family has
    config = LlavaConfig(
        vision_config=part_config(model.vision_tower.vit.config, dtype),
        text_config=text_config,
        image_token_index=processor.image_token_id,
        image_seq_length=model.vision_tower.num_tokens(model.config.images.layout),
        projector_hidden_act="gelu",
        vision_feature_select_strategy=_strategy(model),
        vision_feature_layer=FEATURE_LAYER,
        tie_word_embeddings=False,
    )
    config.architectures = [LlavaForConditionalGeneration.__name__]
    config.dtype = dtype
    return config


def _assembled(model: LoadedModel, config: LlavaConfig) -> PreTrainedModel:
    """The class around the parts themselves; nothing is copied."""
    with torch.device("meta"):
        llava = LlavaForConditionalGeneration(config)
    layers = model.vlm.projector.layers
    llava.model.vision_tower = model.vision_tower.vit
    llava.model.multi_modal_projector.linear_1 = layers[0]
    llava.model.multi_modal_projector.linear_2 = layers[2]
    llava.model.language_model = model.vlm.llm.base_model
    llava.lm_head = model.vlm.llm.get_output_embeddings()
    return llava


def _with_row(state: dict[str, torch.Tensor], image_token_id: int, model: LoadedModel) -> dict[str, torch.Tensor]:
    """Embeddings and head long enough for ``<image>``, which the class looks up before it puts the image there.

    New rows repeat that of a token that no answer has (padding, or else the unknown token), so the likeliest token
    stays the same.
    """
    embeddings, head = model.vlm.llm.get_input_embeddings().weight, model.vlm.llm.get_output_embeddings().weight
    num_missing = image_token_id + 1 - len(embeddings)
    if num_missing <= 0:
        return state
    tokenizer = model.tokenizer
    candidates = (tokenizer.pad_token_id, tokenizer.unk_token_id)
    spare = next((token for token in candidates if token not in (None, tokenizer.eos_token_id)), None)
    if spare is None:
        raise NotALlavaError("there is no spare row for <image> and no padding token to repeat; use --form llava-jp")
    return {
        name: torch.cat([tensor, tensor[spare].expand(num_missing, -1)])
        if tensor.data_ptr() in (embeddings.data_ptr(), head.data_ptr())
        else tensor
        for name, tensor in state.items()
    }
