"""Writes tiny checkpoints in the layout of LLaVA-JP, and computes what they answer, without any code of ours."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copytree
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F
from transformers import (
    CLIPVisionConfig,
    CLIPVisionModel,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    SiglipVisionConfig,
    SiglipVisionModel,
)

from pipeline.config.experiment import TOKENIZER_FOLDER

TOKENIZER = TOKENIZER_FOLDER / "shapes-ja"
SO400M = "google/siglip-so400m-patch14-384"
VOCABULARY = 700
"""More than the bundled tokenizer has, as that of llm-jp-1.3b."""


@dataclass
class Published:
    """The parts of a tiny LLaVA-JP, and the config fields that it writes."""

    llm: PreTrainedModel
    tower: PreTrainedModel
    projector: nn.Sequential
    scales: tuple[float, ...] = (1.0, 0.5)
    drops_first: bool = True
    fields: dict[str, Any] = field(default_factory=dict)

    @property
    def tile_size(self) -> int:
        return self.tower.config.image_size

    def weights(self) -> dict[str, torch.Tensor]:
        """All tensors under the published names."""
        llm = {name: tensor.clone() for name, tensor in self.llm.state_dict().items()}
        tower = {
            f"model.vision_tower.vision_tower.vision_model.{name}": tensor.clone()
            for name, tensor in self.tower.state_dict().items()
        }
        projector = {
            f"model.mm_projector.{name}": tensor.clone() for name, tensor in self.projector.state_dict().items()
        }
        return {**llm, **tower, **projector}

    def config(self) -> dict[str, Any]:
        """``config.json``."""
        written = {
            **self.llm.config.to_diff_dict(),
            "architectures": ["LlavaGpt2ForCausalLM"],
            "model_type": "llava-jp",
            "torch_dtype": "float32",
            "transformers_version": "4.38.2",
            "image_aspect_ratio": "square",
            "mm_hidden_size": self.tower.config.hidden_size * len(self.scales),
            "mm_projector_type": "mlp2x_gelu",
            "mm_vision_select_feature": "patch",
            "mm_vision_select_layer": -2,
            "mm_vision_tower": SO400M,
            "tokenizer_model_max_length": 1532,
            "tokenizer_padding_side": "right",
            "tune_mm_mlp_adapter": False,
            "use_mm_proj": True,
        }
        written.pop("dtype", None)
        if len(self.scales) > 1:
            written["scales"] = list(self.scales)
        return {name: value for name, value in {**written, **self.fields}.items() if value is not None}

    def write(self, folder: Path, *, num_shards: int = 1, tokenizer: Path = TOKENIZER, **changes: Any) -> Path:
        """The folder; ``changes`` are weights that are added, or left out where they are None."""
        copytree(tokenizer, folder, dirs_exist_ok=True)
        (folder / "config.json").write_text(json.dumps(self.config()), encoding="utf-8")
        weights = {name: tensor for name, tensor in {**self.weights(), **changes}.items() if tensor is not None}
        if num_shards == 1:
            save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
            return folder
        names, place = list(weights), {}
        for number in range(num_shards):
            file = f"model-{number + 1:05d}-of-{num_shards:05d}.safetensors"
            own = names[number::num_shards]
            save_file({name: weights[name] for name in own}, folder / file, metadata={"format": "pt"})
            place |= dict.fromkeys(own, file)
        index = {"metadata": {"total_size": 1}, "weight_map": place}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
        return folder

    @torch.no_grad()
    def vision_tokens(self, pixels: torch.Tensor) -> torch.Tensor:
        """Projected features of one uint8 image, ``[T, L]``: the published computation, written down step by step."""
        image = ((pixels.float() / 255 - self.mean[:, None, None]) / self.std[:, None, None])[None]
        sides = [int(image.shape[-1] * scale) for scale in self.scales]
        outputs, grid = [], None
        for side in sides:
            scaled = image if side == image.shape[-1] else F.interpolate(image, size=(side, side), mode="bicubic")
            n = side // self.tile_size
            tiles = [
                scaled[
                    :, :, r * self.tile_size : (r + 1) * self.tile_size, c * self.tile_size : (c + 1) * self.tile_size
                ]
                for r in range(n)
                for c in range(n)
            ]
            hidden = self.tower(torch.cat(tiles), output_hidden_states=True).hidden_states[-2]
            tokens = hidden[:, 1:] if self.drops_first else hidden
            height = int(tokens.shape[1] ** 0.5)
            grid = (height, tokens.shape[1] // height)
            maps = tokens.transpose(1, 2).reshape(n * n, -1, *grid)
            rows = [torch.cat(list(maps[r * n : (r + 1) * n]), dim=2) for r in range(n)]
            whole = torch.cat(rows, dim=1)[None]
            outputs.append(F.interpolate(whole, size=grid, mode="area")[0])
        joined = torch.cat(outputs, dim=0)
        return self.projector(joined.flatten(1).T)

    @torch.no_grad()
    def logits(self, before: list[int], pixels: torch.Tensor, after: list[int]) -> torch.Tensor:
        """Logits of text, image, text, ``[T, C]``."""
        embed = self.llm.get_input_embeddings()
        parts = [embed(torch.tensor(before)), self.vision_tokens(pixels), embed(torch.tensor(after))]
        return self.llm(inputs_embeds=torch.cat(parts)[None]).logits[0]

    @property
    def mean(self) -> torch.Tensor:
        is_clip = isinstance(self.tower, CLIPVisionModel)
        return torch.tensor([0.48145466, 0.4578275, 0.40821073] if is_clip else [0.5, 0.5, 0.5])

    @property
    def std(self) -> torch.Tensor:
        is_clip = isinstance(self.tower, CLIPVisionModel)
        return torch.tensor([0.26862954, 0.26130258, 0.27577711] if is_clip else [0.5, 0.5, 0.5])


def gpt2(**changes: Any) -> GPT2LMHeadModel:
    """As llm-jp-1.3b, small: the exact GELU, EOD at both ends, dropout."""
    sizes = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_inner": 64, "n_positions": 1600, "vocab_size": VOCABULARY}
    special = {"bos_token_id": 7, "eos_token_id": 7, "activation_function": "gelu", "initializer_range": 0.3}
    return GPT2LMHeadModel(GPT2Config(**{**sizes, **special, **changes})).eval()


def llama() -> LlamaForCausalLM:
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = LlamaConfig(**sizes, vocab_size=VOCABULARY, max_position_embeddings=1600, initializer_range=0.3)
    return LlamaForCausalLM(config).eval()


def so400m(**changes: Any) -> SiglipVisionModel:
    """As google/siglip-so400m-patch14-384, with two channels per head and three layers."""
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 16}
    return SiglipVisionModel(SiglipVisionConfig(**{**sizes, "patch_size": 14, "image_size": 384, **changes})).eval()


def clip() -> CLIPVisionModel:
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 16}
    return CLIPVisionModel(CLIPVisionConfig(**sizes, patch_size=14, image_size=336)).eval()


def published(llm=None, tower=None, *, scales=(1.0, 0.5), seed: int = 0, **fields: Any) -> Published:
    """A tiny v1.1; ``scales=(1.0,)`` is v1.0."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        llm = llm() if llm else gpt2()
        tower = tower() if tower else so400m()
        width = llm.config.hidden_size
        projector = nn.Sequential(
            nn.Linear(tower.config.hidden_size * len(scales), width), nn.GELU(), nn.Linear(width, width)
        )
        for tensor in tower.parameters():
            tensor.data += 0.05 * torch.randn_like(tensor)
    drops_first = fields.get("mm_vision_select_feature", "patch") == "patch"
    return Published(llm, tower, projector.eval(), tuple(scales), drops_first, fields)
