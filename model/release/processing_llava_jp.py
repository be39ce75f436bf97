"""Images and conversations to the inputs of a released model. Needs torch, Transformers and Pillow only."""

import base64
import io
import os
import re
from collections.abc import Sequence
from typing import Any
from urllib.request import urlopen

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F
from transformers import BatchFeature, ProcessorMixin
from transformers.image_processing_utils import BaseImageProcessor
from transformers.processing_utils import MultiModalData

PHOTO_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""What files from outside may be, as in training. Pillow has forty decoders more; that of EPS starts Ghostscript."""


class LlavaJpImageProcessor(BaseImageProcessor):
    """An image to the tiles of all its S2 scales.

    Args:
        image_size: side of the square that every image is resized to, in pixels; the aspect is not kept.
        scales: relative to ``image_size``, in the order of the model's channels.
        tile_size: side of a tile, in pixels.
        image_mean: of each colour, of pixels from 0 to 1.
        image_std: the same.
    """

    model_input_names = ["pixel_values"]  # noqa: RUF012

    def __init__(
        self,
        image_size: int = 384,
        scales: Sequence[float] = (1.0,),
        tile_size: int = 384,
        image_mean: Sequence[float] = (0.5, 0.5, 0.5),
        image_std: Sequence[float] = (0.5, 0.5, 0.5),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.image_size = image_size
        self.scales = list(scales)
        self.tile_size = tile_size
        self.image_mean = list(image_mean)
        self.image_std = list(image_std)

    def __call__(self, images: Any, **kwargs: Any) -> BatchFeature:
        return self.preprocess(images, **kwargs)

    def fetch_images(self, image_url_or_urls: Any) -> Any:
        """Images that are named by path, URL or base64; as they are stored, so that ``_rgb`` sees all their bits."""
        if isinstance(image_url_or_urls, str):
            return _opened(image_url_or_urls)
        return super().fetch_images(image_url_or_urls)

    def preprocess(self, images: Any, return_tensors: str | None = None, **kwargs: Any) -> BatchFeature:
        """``pixel_values``, float32 ``[images, tiles, 3, tile, tile]``: scale after scale, row by row."""
        flat = _flat(self.fetch_images(images))
        tiles = [self._tiles(_rgb(image)) for image in flat]
        return BatchFeature({"pixel_values": torch.stack(tiles)}, tensor_type=return_tensors)

    def _tiles(self, image: Image.Image) -> torch.Tensor:
        # In two steps, because a single call gives other pixels from Pillow 13 on.
        narrow = image.resize((self.image_size, image.height), Image.Resampling.BICUBIC)
        resized = narrow.resize((self.image_size, self.image_size), Image.Resampling.BICUBIC)
        pixels = torch.from_numpy(np.array(resized, dtype=np.uint8)).permute(2, 0, 1)[None]
        mean, std = (torch.tensor(values)[:, None, None] for values in (self.image_mean, self.image_std))
        normalised = (pixels.float() / 255 - mean) / std
        tiles = [self._tiles_of_scale(normalised, int(self.image_size * scale)) for scale in self.scales]
        return torch.cat(tiles)

    def _tiles_of_scale(self, image: torch.Tensor, side: int) -> torch.Tensor:
        if side != self.image_size:
            image = F.interpolate(image, size=(side, side), mode="bicubic", align_corners=False)
        n = side // self.tile_size
        split = image.reshape(3, n, self.tile_size, n, self.tile_size).permute(1, 3, 0, 2, 4)
        return split.reshape(n * n, 3, self.tile_size, self.tile_size)


class LlavaJpProcessor(ProcessorMixin):
    """Conversations with images to ``input_ids``, ``attention_mask`` and ``pixel_values``.

    The text around an image is tokenised piece by piece, with what the tokenizer adds to each piece, because the model
    was trained so. An end-of-text that the tokenizer adds to the whole is left out: the answer follows there.

    Args:
        image_processor: makes ``pixel_values``.
        tokenizer: the LLM's, with ``<image>`` added.
        chat_template: Jinja; the conversation template the model was trained with.
        num_image_tokens: vision tokens of one image.
        adds_special_tokens: whether the tokenizer may add its own, such as BOS; not where the chat template has them.
    """

    image_token = "<image>"
    _cut = "\ufdd0"  # no character of any text; stands inside of control tokens that messages spell

    def __init__(
        self,
        image_processor: Any = None,
        tokenizer: Any = None,
        chat_template: str | None = None,
        num_image_tokens: int = 729,
        adds_special_tokens: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(image_processor, tokenizer, chat_template=chat_template)
        self.num_image_tokens = num_image_tokens
        self.adds_special_tokens = adds_special_tokens
        self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
        self.tokenizer.padding_side = "left"  # answers follow the prompts of a batch

    def __call__(
        self,
        images: Any = None,
        text: str | Sequence[str] | None = None,
        *,
        return_tensors: str | None = None,
        padding: bool | str | None = None,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        add_special_tokens: bool | None = None,
        return_text_replacement_offsets: bool = False,
        **kwargs: Any,
    ) -> BatchFeature:
        """Prepare prompts, each with one ``<image>`` for every image of it, in order.

        Args:
            images: one image, a list, or a list of lists; Pillow, arrays, tensors, paths or URLs.
            text: one prompt or several; they are padded on the left when there are several.
            return_tensors: ``pt`` or None.
            padding: as in Transformers' tokenizers.
            max_length: the length to pad to, with ``padding="max_length"``.
            pad_to_multiple_of: as in Transformers' tokenizers.
            add_special_tokens: see ``adds_special_tokens`` of the processor.
            return_text_replacement_offsets: also what stands for each image, as engines ask for it.

        Raises:
            ValueError: the images and the ``<image>`` in the texts differ in number, or truncation was asked for.
        """
        if kwargs.get("truncation"):
            raise ValueError("truncation would cut vision tokens off; shorten the text instead")
        flat = [] if images is None else _flat(self.image_processor.fetch_images(images))
        texts = [] if text is None else [text] if isinstance(text, str) else list(text)
        if text is not None and (found := sum(one.count(self.image_token) for one in texts)) != len(flat):
            raise ValueError(f"the text has {found} {self.image_token} for {len(flat)} images")
        data: dict[str, Any] = {}
        if text is not None:
            adds = self.adds_special_tokens if add_special_tokens is None else add_special_tokens
            rows = [self._ids(one, add_special_tokens=adds and self.adds_special_tokens) for one in texts]
            padded = self.tokenizer.pad(
                {"input_ids": rows},
                padding=len(rows) > 1 if padding is None else padding,
                max_length=max_length,
                pad_to_multiple_of=pad_to_multiple_of,
                return_tensors=return_tensors,
            )
            data |= {name: padded[name] for name in ("input_ids", "attention_mask")}
        if flat:
            data |= self.image_processor(flat)
        if return_text_replacement_offsets:
            data["text_replacement_offsets"] = [self._replacements(one) for one in texts]
        return BatchFeature(data, tensor_type=return_tensors, skip_tensor_conversion=["text_replacement_offsets"])

    def replace_image_token(self, image_inputs: Any, image_idx: int, **kwargs: Any) -> str:
        """What an image becomes in the text: as many placeholders as it has vision tokens."""
        return self.image_token * self.num_image_tokens

    def _get_num_multimodal_tokens(self, image_sizes: Any = None, **kwargs: Any) -> MultiModalData:
        """Vision tokens of images and rows of ``pixel_values`` that belong to each; asked for by engines."""
        num_images = len(image_sizes or ())
        return MultiModalData(num_image_tokens=[self.num_image_tokens] * num_images, num_image_patches=[1] * num_images)

    def _replacements(self, text: str) -> list[dict[str, Any]]:
        token, longer = self.image_token, self.replace_image_token({}, 0)
        starts = [found.start() for found in re.finditer(re.escape(token), text)]
        grown = len(longer) - len(token)
        return [
            {
                "type": "image",
                "text": token,
                "replacement": longer,
                "span": (start, start + len(token)),
                "new_span": (start + index * grown, start + index * grown + len(longer)),
            }
            for index, start in enumerate(starts)
        ]

    def apply_chat_template(self, conversation: Any, chat_template: str | None = None, **kwargs: Any) -> Any:
        """As in Transformers; but a control token that a message spells is text, as it was in training."""
        return super().apply_chat_template(self._as_text(conversation), chat_template, **kwargs)

    def _as_text(self, part: Any) -> Any:
        """Messages whose texts are cut behind the first character of every control token that they spell."""
        if isinstance(part, list | tuple):
            return [self._as_text(one) for one in part]
        if isinstance(part, dict):
            return {key: self._as_text(one) if key in ("content", "text") else one for key, one in part.items()}
        if not isinstance(part, str):
            return part
        for token in sorted(self._control_tokens(), key=len, reverse=True):
            part = part.replace(token, token[0] + self._cut + token[1:])
        return part

    def _control_tokens(self) -> set[str]:
        added = {token.content for token in self.tokenizer.added_tokens_decoder.values() if token.special}
        return {token for token in added | set(self.tokenizer.all_special_tokens) if len(token) > 1} - {
            self.image_token
        }

    def _piece_ids(self, piece: str, *, add_special_tokens: bool) -> list[int]:
        """Ids of the text between two images, with what the tokenizer adds to a text once."""
        if self._cut not in piece:
            return list(self.tokenizer(piece, add_special_tokens=add_special_tokens)["input_ids"])
        ids = [
            token
            for part in piece.split(self._cut)
            for token in self.tokenizer(part, add_special_tokens=False)["input_ids"]
        ]
        if not add_special_tokens:
            return ids
        bare, whole = (self.tokenizer("a", add_special_tokens=adds)["input_ids"] for adds in (False, True))
        start = next(place for place in range(len(whole)) if whole[place : place + len(bare)] == bare)
        return [*whole[:start], *ids, *whole[start + len(bare) :]]

    def _ids(self, text: str, *, add_special_tokens: bool) -> list[int]:
        ids: list[int] = []
        for index, piece in enumerate(text.split(self.image_token)):
            own = self._piece_ids(piece, add_special_tokens=add_special_tokens)
            if index:
                ids += [self.image_token_id] * self.num_image_tokens
                if add_special_tokens and own[:1] == [self.tokenizer.bos_token_id]:
                    own = own[1:]  # the text has begun already
            ids += own
        adds_end = add_special_tokens and self.tokenizer("")["input_ids"][-1:] == [self.tokenizer.eos_token_id]
        return ids[:-1] if adds_end else ids

    @property
    def model_input_names(self) -> list[str]:
        return ["input_ids", "attention_mask", "pixel_values"]


def _flat(images: Any) -> list[Any]:
    if isinstance(images, list | tuple):
        return [image for each in images for image in _flat(each)]
    return [images] if images is not None else []


def _rgb(image: Any) -> Image.Image:
    """An upright RGB image; arrays and tensors are uint8 with the colours first or last."""
    if not isinstance(image, Image.Image):
        array = np.asarray(image)
        if array.ndim == 3 and array.shape[0] in (1, 3) and array.shape[2] not in (1, 3):
            array = array.transpose(1, 2, 0)
        if array.dtype != np.uint8:
            raise ValueError(f"images as arrays must be uint8, from 0 to 255; this one is {array.dtype}")
        image = Image.fromarray(array.squeeze())
    image = _upright(image)
    if image.mode.startswith("I"):  # 16 bits a pixel; convert alone would turn every value above 255 into white
        values = np.asarray(image)
        if image.mode.startswith("I;16") or values.max(initial=0) > 255:
            image = Image.fromarray((np.clip(values, 0, 0xFFFF) >> 8).astype(np.uint8))
    return image.convert("RGB")


def _opened(source: str) -> Image.Image:
    """Transformers' own ``load_image`` would make 16-bit images white."""
    if source.startswith(("http://", "https://")):
        with urlopen(source, timeout=60) as answer:
            content = answer.read()
    elif os.path.isfile(source):
        with open(source, "rb") as file:
            content = file.read()
    else:
        content = base64.b64decode(source.rpartition(",")[2])
    return Image.open(io.BytesIO(content), formats=PHOTO_FORMATS)


def _upright(image: Image.Image) -> Image.Image:
    """Turned as EXIF says. Pillow's ``exif_transpose`` turns nothing where it cannot write the EXIF block again."""
    image.load()  # the block may stand behind the pixels
    try:
        turn = _TURNS.get(image.getexif().get(0x0112, 1))
    except Exception:  # damaged EXIF raises all kinds of errors and says nothing; the pixels are whole
        return image
    return image if turn is None else image.transpose(turn)


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each EXIF orientation."""
