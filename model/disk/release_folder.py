"""Writes a model as a folder that Transformers loads by itself, and reads it back.

The folder has the code it needs (``model/release``, copied), so ``AutoModelForImageTextToText`` and ``AutoProcessor``
load it with ``trust_remote_code=True`` where only torch, Transformers and Pillow are installed.
"""

import copy
import json
import logging
import shutil
from collections.abc import Mapping
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import save_torch_state_dict
from transformers import AutoTokenizer, GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from model.config import Dtype, ImageConfig
from model.conversation.encode import end_token_id
from model.conversation.templates import IMAGE_TOKEN
from model.disk.checkpoint import CheckpointConfig, LoadedModel
from model.disk.release_templates import release_template
from model.disk.whole_prompts import OtherTokensError, add_again, whole_prompts
from model.projector import Projector
from model.release.configuration_llava_jp import LlavaJpConfig
from model.release.modeling_llava_jp import LlavaJpForConditionalGeneration
from model.release.processing_llava_jp import LlavaJpImageProcessor, LlavaJpProcessor
from model.vision.tower import VisionTower
from model.vlm import VisionLanguageModel

log = logging.getLogger(__name__)

CODE = ("configuration_llava_jp.py", "modeling_llava_jp.py", "processing_llava_jp.py")
AUTO_MAP = {
    "AutoConfig": "configuration_llava_jp.LlavaJpConfig",
    "AutoModel": "modeling_llava_jp.LlavaJpModel",
    "AutoModelForImageTextToText": "modeling_llava_jp.LlavaJpForConditionalGeneration",
    # The one class through which `transformers serve` loads a folder's own code.
    "AutoModelForDecision": "modeling_llava_jp.LlavaJpForConditionalGeneration",
}
MAX_NEW_TOKENS = 256
"""Longest answer where the caller does not say, as in the demo of LLaVA-JP."""
MAX_SHARD_BYTES = 4_000_000_000


def is_released(folder: Path) -> bool:
    """Whether a folder was written by ``write_release``."""
    config = folder / "config.json"
    return config.is_file() and json.loads(config.read_text(encoding="utf-8")).get("model_type") == (
        LlavaJpConfig.model_type
    )


def write_release(model: LoadedModel, folder: Path, *, dtype: Dtype) -> None:
    """Everything but the model card: weights, configs, tokenizer, processor, code."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = with_image_token(model.tokenizer)
    config = _config(model, tokenizer, dtype)
    write_weights(untied_state(_assembled(model, config)), folder, dtype=dtype)
    try:
        prompts = whole_prompts(model, tokenizer)
        config.begin_of_piece, config.end_of_piece, template = prompts.begin, prompts.end, prompts.template
    except OtherTokensError as error:
        log.warning("vLLM, which tokenises a prompt as one text, will give other answers: %s", error)
        tokenizer, template = with_image_token(model.tokenizer), None
    config.save_pretrained(folder)
    generation_config(model).save_pretrained(folder)
    _save_processor(model, tokenizer, folder, template=template)
    for name in CODE:
        with as_file(files("model.release") / name) as path:
            shutil.copyfile(path, folder / name)


def load_release(folder: Path, *, device: torch.device, dtype: Dtype = "float32") -> LoadedModel:
    """A released folder as the parts it was made of, all in ``dtype``. Its own copy of the code is not run."""
    released = LlavaJpForConditionalGeneration.from_pretrained(
        folder, dtype=getattr(torch, dtype), trust_remote_code=False
    )
    config = released.config
    images = ImageConfig(image_size=config.image_size, scales=tuple(config.scales), layout=config.layout)
    first = released.projector[0]
    projector = Projector(first.in_features, first.out_features)
    projector.layers = released.projector
    vlm = VisionLanguageModel(projector, released.language_model).to(device).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, config=config.text_config, trust_remote_code=False)
    if config.begin_of_piece or config.end_of_piece:
        add_again(tokenizer, begin=config.begin_of_piece, end=config.end_of_piece)
    return LoadedModel(
        CheckpointConfig(images=images, template=config.template, vision_dtype=dtype),
        VisionTower(released.vision_tower).to(device),
        vlm,
        tokenizer,
    )


def with_image_token(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """A copy of the tokenizer that has ``<image>`` as one token."""
    copied = copy.deepcopy(tokenizer)
    copied.padding_side = copied.init_kwargs["padding_side"] = "left"  # answers follow the prompts of a batch
    if IMAGE_TOKEN not in copied.get_vocab():
        copied.add_special_tokens({"extra_special_tokens": [IMAGE_TOKEN]}, replace_extra_special_tokens=False)
    return copied


def generation_config(model: LoadedModel) -> GenerationConfig:
    """Greedy, up to the token that ends an answer."""
    tokenizer, end = model.tokenizer, end_token_id(model.config.template, model.tokenizer)
    return GenerationConfig(
        max_new_tokens=MAX_NEW_TOKENS,
        do_sample=False,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=end,
        pad_token_id=tokenizer.pad_token_id if tokenizer.pad_token_id is not None else end,
    )


def write_weights(state: Mapping[str, torch.Tensor], folder: Path, *, dtype: Dtype) -> None:
    """``model.safetensors`` or, when it is large, shards with an index."""
    number_format = getattr(torch, dtype)
    written: set[int] = set()
    stored: dict[str, torch.Tensor] = {}
    for name, tensor in state.items():
        own = tensor.detach().to("cpu", number_format if tensor.is_floating_point() else tensor.dtype).contiguous()
        stored[name] = own.clone() if own.data_ptr() in written else own  # tensors that share memory are refused
        written.add(own.data_ptr())
    save_torch_state_dict(stored, folder, max_shard_size=MAX_SHARD_BYTES)


def untied_state(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """The weights, those that are tied to others left out."""
    return {name: tensor for name, tensor in model.state_dict().items() if name not in model.all_tied_weights_keys}


def part_config(config: Any, dtype: Dtype) -> Any:
    """A copy of a part's config that says nothing of this machine."""
    copied = copy.deepcopy(config)
    copied._name_or_path = ""
    copied.dtype = dtype
    return copied


def _config(model: LoadedModel, tokenizer: PreTrainedTokenizerBase, dtype: Dtype) -> LlavaJpConfig:
    images, tower = model.config.images, model.vision_tower
    config = LlavaJpConfig(
        vision_config=part_config(tower.vit.config, dtype),
        text_config=part_config(model.vlm.llm.config, dtype),
        image_size=images.image_size,
        scales=images.scales,
        tile_size=tower.tile_size,
        layout=images.layout,
        image_token_id=tokenizer.convert_tokens_to_ids(IMAGE_TOKEN),
        template=model.config.template,
    )
    config.tie_word_embeddings = is_tied(model)
    config.text_config.tie_word_embeddings = is_tied(model)
    config.architectures = [LlavaJpForConditionalGeneration.__name__]
    config.auto_map = AUTO_MAP
    config.dtype = dtype
    return config


def is_tied(model: LoadedModel) -> bool:
    """Whether the LLM's head is its embeddings, whatever its config says."""
    llm = model.vlm.llm
    return llm.get_output_embeddings().weight is llm.get_input_embeddings().weight


def _assembled(model: LoadedModel, config: LlavaJpConfig) -> PreTrainedModel:
    """The released class around the parts themselves; nothing is copied."""
    with torch.device("meta"):
        released = LlavaJpForConditionalGeneration(config)
    released.vision_tower = model.vision_tower.vit
    released.projector = model.vlm.projector.layers
    released.language_model = model.vlm.llm
    return released


def _save_processor(
    model: LoadedModel, tokenizer: PreTrainedTokenizerBase, folder: Path, *, template: str | None
) -> None:
    """``template`` writes what the tokenizer added in training; without one the processor adds it piece by piece."""
    images, tower = model.config.images, model.vision_tower
    image_processor = LlavaJpImageProcessor(
        image_size=images.image_size,
        scales=images.scales,
        tile_size=tower.tile_size,
        image_mean=decimals(tower.pixel_mean),
        image_std=decimals(tower.pixel_std),
    )
    processor = LlavaJpProcessor(
        image_processor,
        tokenizer,
        chat_template=template or release_template(model.config.template, tokenizer),
        num_image_tokens=tower.num_tokens(images.layout),
        adds_special_tokens=template is None and model.config.template != "chat",
    )
    processor.save_pretrained(folder)
    path = folder / "processor_config.json"
    written = json.loads(path.read_text(encoding="utf-8"))
    written["auto_map"] = {"AutoProcessor": "processing_llava_jp.LlavaJpProcessor"}
    written["image_processor"]["auto_map"] = {"AutoImageProcessor": "processing_llava_jp.LlavaJpImageProcessor"}
    path.write_text(json.dumps(written, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def decimals(values: torch.Tensor) -> list[float]:
    """The decimal numbers that a float32 buffer was made of."""
    return [float(str(value)) for value in values.flatten().numpy()]
