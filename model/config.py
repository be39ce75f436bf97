"""What a model is made of: where its parts come from and how they fit together. Imports no torch."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator


class Section(BaseModel):
    """Base of every config section: immutable, and a misspelled key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError(f"{path} is relative; give an absolute path (in an experiment file, paths start at the file)")
    return path


AbsolutePath = Annotated[Path, AfterValidator(_absolute)]


class HubFolder(Section):
    """A repository on the Hugging Face Hub at one commit."""

    kind: Literal["hub"]
    id: str = Field(pattern=r"^[\w.-]+/[\w.-]+$", description="repository on the Hub, owner/name")
    revision: str = Field(pattern=r"^[0-9a-f]{40}$", description="commit hash; a branch name would move")


class LocalFolder(Section):
    """A folder on this machine in the layout that Transformers writes."""

    kind: Literal["local"]
    folder: AbsolutePath = Field(description="folder with config.json and safetensors, or with tokenizer files")


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
TowerWeights = Annotated[HubFolder | LocalFolder | RandomVisionTower, Field(discriminator="kind")]
LlmWeights = Annotated[HubFolder | LocalFolder | RandomLlm, Field(discriminator="kind")]
TokenizerFiles = Annotated[HubFolder | LocalFolder | BundledTokenizer, Field(discriminator="kind")]


class VisionTowerConfig(Section):
    """The frozen image encoder."""

    weights: TowerWeights = Field(description="where the weights come from")
    dtype: Dtype = Field("bfloat16", description="number format in which the tower runs and its features are stored")


Layout = Literal["square", "llava-jp-v1.1"]


class ImageConfig(Section):
    """How an image becomes vision tokens."""

    image_size: int = Field(gt=0, description="side of the square input image, in pixels")
    scales: tuple[float, ...] = Field(
        (1.0,), min_length=1, description="S2 scales relative to image_size, in channel order; (1.0,) means no S2"
    )
    layout: Layout = Field(
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


Stage = Literal["pretrain", "finetune"]
TemplateName = Literal["plain", "v1", "karasu", "chat"]


class GenerationConfig(Section):
    """How answers are generated. Greedy unless num_beams is raised."""

    max_new_tokens: int = Field(256, gt=0, description="longest answer, in tokens")
    num_beams: int = Field(1, gt=0, description="beams; 1 is greedy")
    repetition_penalty: float = Field(1.0, gt=0, description="1.0 is none")
