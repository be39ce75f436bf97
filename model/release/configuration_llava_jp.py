"""The configuration of a released Japanese vision-language model. Needs Transformers only; comes with the weights."""

from collections.abc import Sequence
from typing import Any

from transformers import AutoConfig, PreTrainedConfig


class LlavaJpConfig(PreTrainedConfig):
    """A frozen vision tower seen at several scales (S2), a two-layer projector, and a causal LM.

    Args:
        vision_config: of a SigLIP, SigLIP 2 or CLIP vision model.
        text_config: of any causal LM.
        image_size: side of the square input image, in pixels.
        scales: S2 scales relative to ``image_size``, in channel order.
        tile_size: side of what the tower sees at once, in pixels.
        layout: ``square`` is the true grid of patches; ``llava-jp-v1.1`` drops the first token as LLaVA-JP does.
        image_token_id: id of ``<image>``, which stands for one vision token in ``input_ids``.
        template: name of the conversation template in the project that trained the model.
        begin_of_piece: the token that training put before every piece of text around an image; the chat template writes
            it, the tokenizer does not add it.
        end_of_piece: the same behind it.
    """

    model_type = "llava_jp_pipeline"
    sub_configs = {"vision_config": AutoConfig, "text_config": AutoConfig}  # noqa: RUF012

    def __init__(
        self,
        vision_config: Any = None,
        text_config: Any = None,
        image_size: int = 384,
        scales: Sequence[float] = (1.0,),
        tile_size: int = 384,
        layout: str = "square",
        image_token_id: int = 0,
        template: str = "v1",
        begin_of_piece: str = "",
        end_of_piece: str = "",
        **kwargs: Any,
    ) -> None:
        self.vision_config = _config_of(vision_config, "siglip_vision_model")
        self.text_config = _config_of(text_config, "llama")
        self.image_size = image_size
        self.scales = list(scales)
        self.tile_size = tile_size
        self.layout = layout
        self.image_token_id = image_token_id
        self.template = template
        self.begin_of_piece = begin_of_piece
        self.end_of_piece = end_of_piece
        kwargs.setdefault("tie_word_embeddings", self.text_config.tie_word_embeddings)
        super().__init__(**kwargs)

    @property
    def sides(self) -> list[int]:
        """Side of the image at each scale, in pixels."""
        return [int(self.image_size * scale) for scale in self.scales]


def _config_of(value: Any, default: str) -> Any:
    """A part's config from its fields; without any, the default of a family, as Transformers sometimes asks for."""
    if isinstance(value, PreTrainedConfig):
        return value
    fields = dict(value or {"model_type": default})
    return AutoConfig.for_model(fields.pop("model_type"), **fields)
