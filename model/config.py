"""What a model is made of: where its parts come from and how they fit together. Imports no torch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator


class Section(BaseModel):
    """Base of every config section: immutable, a misspelled key is an error, and so is a number without end."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError(f"{path} is relative; give an absolute path (in an experiment file, paths start at the file)")
    return path


AbsolutePath = Annotated[Path, AfterValidator(_absolute)]


class HubFolder(Section):
    """A repository on the Hugging Face Hub at one commit."""

    kind: Literal["hub"]
    id: str = Field(pattern=r"^[\w.-]+/[\w.-]+$", description="repository on the Hub, owner/name")
    revision: str | None = Field(
        None,
        pattern=r"^[0-9a-f]{40}$",
        description="commit hash; a branch name would move. None: pinned at the first run, in the store's lock file",
    )

    @property
    def commit(self) -> str:
        """The revision, once there is one.

        Raises:
            ValueError: nobody has looked it up.
        """
        if self.revision is None:
            raise ValueError(f"{self.id} is not pinned to a commit yet; a run of the experiment does it")
        return self.revision


class LocalFolder(Section):
    """A folder on this machine in the layout that Transformers writes."""

    kind: Literal["local"]
    folder: AbsolutePath = Field(description="folder with config.json and safetensors, or with tokenizer files")


class LlavaJpWeights(Section):
    """A published LLaVA-JP: its LLM, and the projector that pretraining then goes on with."""

    kind: Literal["llava-jp"]
    source: Annotated[HubFolder | LocalFolder, Field(discriminator="kind")] = Field(description="where it lies")


class RandomVisionTower(Section):
    """A small tower with random weights, for demonstrations and tests."""

    kind: Literal["random"]
    model_type: Literal["siglip", "siglip2", "clip"] = Field("siglip", description="family in Transformers")
    seed: int = Field(0, ge=0, description="seed of the weights")
    tile_size: int = Field(gt=0, description="side of one input tile, in pixels")
    patch_size: int = Field(gt=0, description="side of one patch, in pixels")
    hidden_size: int = Field(gt=0, description="channels per patch")
    intermediate_size: int = Field(gt=0, description="width of the MLPs")
    num_hidden_layers: int = Field(ge=2, description="layers; the last one is not used")
    num_attention_heads: int = Field(gt=0, description="attention heads")
    patch_gain: float = Field(
        1.0, gt=0, description="factor on the patch embedding's weights: random ones are faint beside the positions"
    )


class RandomLlm(Section):
    """A small language model with random weights, for demonstrations and tests."""

    kind: Literal["random"]
    seed: int = Field(0, ge=0, description="seed of the weights")
    model_type: Literal["gpt2", "gpt_neox", "llama"] = Field(description="family in Transformers")
    hidden_size: int = Field(gt=0, description="embedding size")
    intermediate_size: int = Field(gt=0, description="width of the MLPs")
    num_hidden_layers: int = Field(gt=0, description="layers")
    num_attention_heads: int = Field(gt=0, description="attention heads")
    max_position_embeddings: int = Field(gt=0, description="longest sequence, in tokens")
    initializer_range: float = Field(0.02, gt=0, description="standard deviation of the random weights")


class BundledTokenizer(Section):
    """A tokenizer that comes with this project."""

    kind: Literal["bundled"]
    name: Literal["shapes-ja"] = Field(description="folder in pipeline/tokenizers")


Dtype = Literal["float32", "bfloat16", "float16"]
AttentionName = Literal["sdpa", "flash_attention_2", "eager"]
TowerWeights = Annotated[HubFolder | LocalFolder | RandomVisionTower, Field(discriminator="kind")]
LlmWeights = Annotated[HubFolder | LocalFolder | LlavaJpWeights | RandomLlm, Field(discriminator="kind")]
TokenizerFiles = Annotated[HubFolder | LocalFolder | BundledTokenizer, Field(discriminator="kind")]


class VisionTowerConfig(Section):
    """The frozen image encoder."""

    weights: TowerWeights = Field(description="where the weights come from")
    dtype: Dtype = Field("bfloat16", description="number format in which the tower runs and its features are stored")


GridLayout = Literal["square", "llava-jp-v1.1"]


class ImageConfig(Section):
    """How an image becomes vision tokens."""

    image_size: int = Field(gt=0, description="side of the square input image, in pixels")
    scales: tuple[float, ...] = Field(
        (1.0,), min_length=1, description="S2 scales relative to image_size, in channel order; (1.0,) means no S2"
    )
    layout: GridLayout = Field(
        "square", description="square: the true grid of patches; llava-jp-v1.1: as the published weights were trained"
    )

    @model_validator(mode="after")
    def _scales_fit(self) -> "ImageConfig":
        if len(set(self.scales)) != len(self.scales):
            raise ValueError(f"scales must differ: {list(self.scales)}")
        for scale in self.scales:
            if not 0 < scale <= 1:
                raise ValueError(f"scale {scale} is not in (0, 1]")
            if self.image_size * scale != int(self.image_size * scale):
                raise ValueError(f"scale {scale} of image_size={self.image_size} is not a whole number of pixels")
        return self

    @property
    def sides(self) -> tuple[int, ...]:
        """Side of the image at each scale, in pixels."""
        return tuple(int(self.image_size * scale) for scale in self.scales)


class LlmConfig(Section):
    """The language model and its tokenizer."""

    weights: LlmWeights = Field(description="where the weights come from")
    tokenizer: TokenizerFiles = Field(description="where the tokenizer comes from")


class LoraConfig(Section):
    """Low-rank updates of a frozen LLM (arXiv 2106.09685), trained with the projector and merged at the end."""

    rank: int = Field(128, gt=0, description="rank of an update")
    alpha: int = Field(256, gt=0, description="updates are scaled by alpha / rank")
    dropout: float = Field(0.05, ge=0, lt=1, description="dropout in front of an update")
    targets: tuple[str, ...] = Field(
        (),
        description="names of the linear layers that get one, or all-linear; "
        "none: peft's choice for the family, in GPT-2 c_attn",
    )


Stage = Literal["pretrain", "finetune"]
TemplateName = Literal["plain", "v1", "karasu", "chat"]
Supervision = Literal["answers", "llava-jp"]
"""What is learned of a conversation: every answer, or what the code of LLaVA-JP left unmasked, its defects included."""


class GenerationConfig(Section):
    """How answers are generated: greedily, with beams, or by seeded sampling."""

    max_new_tokens: int = Field(256, gt=0, description="longest answer, in tokens")
    num_beams: int = Field(1, gt=0, description="beams; 1 is greedy")
    repetition_penalty: float = Field(1.0, gt=0, description="1.0 is none")
    no_repeat_ngram_size: int = Field(0, ge=0, description="word pieces in a row that may not occur twice; 0 is none")
    do_sample: bool = Field(False, description="draw every token instead of taking the likeliest")
    temperature: float = Field(1.0, gt=0, description="below 1.0 likely tokens are drawn more often; for sampling")
    top_p: float = Field(1.0, gt=0, le=1, description="draw from the likeliest tokens up to this probability")
    seed: int = Field(0, ge=0, description="seed of the draws; every item has its own, made of this and its id")

    @model_validator(mode="after")
    def _one_way(self) -> "GenerationConfig":
        if self.do_sample and self.num_beams > 1:
            raise ValueError(f"do_sample draws one answer; num_beams={self.num_beams} searches for one: choose")
        if not self.do_sample and (self.temperature, self.top_p) != (1.0, 1.0):
            raise ValueError("temperature and top_p change nothing without do_sample: true")
        return self

    @property
    def preset(self) -> str:
        """The name of the preset with these settings, or ``custom``."""
        return next((name for name, preset in GENERATION_PRESETS.items() if preset == self), "custom")


GenerationPreset = Literal["greedy-256", "sakana", "demo", "heron"]
GENERATION_PRESETS: Mapping[GenerationPreset, GenerationConfig] = {
    "greedy-256": GenerationConfig(),
    "sakana": GenerationConfig(max_new_tokens=512, num_beams=5, repetition_penalty=1.5),
    "demo": GenerationConfig(do_sample=True, temperature=0.1),
    "heron": GenerationConfig(no_repeat_ngram_size=2),
}
"""Settings that published numbers were made with, by name.

``greedy-256`` is the default of llm-jp-eval-mm, ``sakana`` that of evolutionary-model-merge, ``demo`` that of
LLaVA-JP's demo script, ``heron`` that of Heron-Bench's own script, which counts the prompt among its 256 tokens; here
they are new ones.
"""


def _preset_settings(value: Any) -> Any:
    """A preset's name as its settings; anything else is validated as it is."""
    if not isinstance(value, str):
        return value
    known = {str(name): preset for name, preset in GENERATION_PRESETS.items()}
    if value not in known:
        raise ValueError(f"no generation preset is named {value!r}; there are: {', '.join(known)}")
    return known[value]


Generation = Annotated[
    GenerationConfig, BeforeValidator(_preset_settings, json_schema_input_type=GenerationConfig | GenerationPreset)
]
"""Settings, or the name of a preset."""
