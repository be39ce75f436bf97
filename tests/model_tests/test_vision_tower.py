import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image

from model.config import ImageConfig, LocalFolder, VisionTowerConfig
from model.release.processing_llava_jp import LlavaJpImageProcessor
from model.vision.tower import build_vision_tower, pixels_of
from pipeline.data.images import decode
from tests.support.small_model import tower_config

ONE_TILE = ImageConfig(image_size=16)
TWO_SCALES = ImageConfig(image_size=32, scales=(1.0, 0.5))


def random_pixels(side: int, count: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(7)
    return torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=generator)


def test_features_are_the_hidden_state_before_the_last_layer():
    tower, pixels = build_vision_tower(tower_config()), random_pixels(16)
    with torch.no_grad():
        output = tower.vit(pixel_values=pixels.float() / 127.5 - 1, output_hidden_states=True)
    features = tower.encode(pixels, ONE_TILE)
    assert len(output.hidden_states) == 4
    assert torch.allclose(features[:, 0], output.hidden_states[-2], atol=1e-6)
    assert not torch.allclose(features[:, 0], output.last_hidden_state, atol=1e-2)


def test_features_leave_out_the_last_layer_and_the_final_norm():
    tower, pixels = build_vision_tower(tower_config()), random_pixels(16)
    with torch.no_grad():
        hidden = tower.vit.embeddings(tower.normalise(pixels))
        for layer in tower.vit.encoder.layers[:2]:
            output = layer(hidden, attention_mask=None)
            hidden = output[0] if isinstance(output, tuple) else output
    assert torch.allclose(tower.encode(pixels, ONE_TILE)[:, 0], hidden, atol=1e-6)


def test_features_have_a_scale_a_token_and_a_channel_axis():
    tower = build_vision_tower(tower_config())
    assert (tower.tile_size, tower.num_patches, tower.width) == (16, 4, 16)
    assert tower.encode(random_pixels(32, 5), TWO_SCALES).shape == (5, 2, 4, 16)


def test_a_seed_names_the_weights():
    pixels = random_pixels(16)
    first, again, other = (build_vision_tower(tower_config(seed=seed)).encode(pixels, ONE_TILE) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_building_a_tower_leaves_the_random_numbers_of_others_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    build_vision_tower(tower_config())
    assert torch.equal(torch.rand(3), expected)


def test_the_patch_gain_multiplies_the_patch_embedding():
    plain, strong = (build_vision_tower(tower_config(patch_gain=gain)) for gain in (1.0, 20.0))
    weight, stronger = (tower.vit.embeddings.patch_embedding.weight for tower in (plain, strong))
    assert torch.equal(stronger, weight * 20)


def test_the_tower_is_frozen_and_makes_no_graph():
    tower = build_vision_tower(tower_config())
    assert not any(parameter.requires_grad for parameter in tower.parameters())
    assert not tower.vit.training
    assert not tower.encode(random_pixels(16), ONE_TILE).requires_grad


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_features_have_the_towers_number_format(dtype):
    tower = build_vision_tower(tower_config(dtype=dtype))
    assert tower.encode(random_pixels(32), TWO_SCALES).dtype == getattr(torch, dtype)


@pytest.mark.parametrize("model_type", ["siglip", "siglip2", "clip"])
def test_a_tower_comes_back_from_its_folder(tmp_path, model_type):
    tower = build_vision_tower(tower_config(model_type=model_type))
    tower.vit.save_pretrained(tmp_path)
    local = VisionTowerConfig(weights=LocalFolder(kind="local", folder=tmp_path), dtype="float32")
    pixels = random_pixels(16)
    assert torch.equal(build_vision_tower(local).encode(pixels, ONE_TILE), tower.encode(pixels, ONE_TILE))


def test_siglip_sees_pixel_values_between_minus_one_and_one():
    pixels = torch.tensor([0, 51, 255], dtype=torch.uint8).expand(1, 3, 1, 3)
    normalised = build_vision_tower(tower_config()).normalise(pixels)
    assert normalised[0, 2, 0].tolist() == pytest.approx([-1.0, -0.6, 1.0])


def test_clip_sees_pixel_values_by_the_mean_and_deviation_of_its_training():
    pixels = torch.tensor([0, 255], dtype=torch.uint8).expand(1, 3, 1, 2)
    normalised = build_vision_tower(tower_config(model_type="clip")).normalise(pixels)
    assert normalised[0, 0, 0].tolist() == pytest.approx([-0.48145466 / 0.26862954, (1 - 0.48145466) / 0.26862954])


def test_clip_gives_the_hidden_state_before_the_last_layer_without_its_class_token():
    tower, pixels = build_vision_tower(tower_config(model_type="clip")), random_pixels(16)
    with torch.no_grad():
        output = tower.vit(pixel_values=tower.normalise(pixels), output_hidden_states=True)
    assert output.hidden_states[-2].shape == (2, 5, 16)
    features = tower.encode(pixels, ONE_TILE)
    assert torch.allclose(features[:, 0], output.hidden_states[-2][:, 1:], atol=1e-6)


def test_naflex_gives_the_hidden_state_before_the_last_layer_for_a_square_tile():
    tower, pixels = build_vision_tower(tower_config(model_type="siglip2")), random_pixels(16)
    normalised = tower.normalise(pixels)
    # The patches as Siglip2ImageProcessor makes them from an image with its channels last.
    patches = normalised.permute(0, 2, 3, 1).reshape(2, 2, 8, 2, 8, 3).transpose(2, 3).reshape(2, 4, 192)
    with torch.no_grad():
        output = tower.vit(
            pixel_values=patches,
            pixel_attention_mask=torch.ones(2, 4, dtype=torch.long),
            spatial_shapes=torch.tensor([[2, 2], [2, 2]]),
            output_hidden_states=True,
        )
    assert (tower.tile_size, tower.num_patches) == (16, 4)
    assert torch.allclose(tower.encode(pixels, ONE_TILE)[:, 0], output.hidden_states[-2], atol=1e-6)


def test_the_last_layer_is_not_run():
    tower = build_vision_tower(tower_config())
    tower.vit.encoder.layers[-1].forward = None  # would raise
    assert tower.encode(random_pixels(16), ONE_TILE).shape == (2, 1, 4, 16)


def test_the_published_layout_drops_the_first_patch_of_siglip():
    tower, pixels = build_vision_tower(tower_config()), random_pixels(16)
    published = tower.encode(pixels, ImageConfig(image_size=16, layout="llava-jp-v1.1"))
    assert tower.num_tokens("llava-jp-v1.1") == 3
    assert torch.equal(published, tower.encode(pixels, ONE_TILE)[:, :, 1:])


def test_the_published_layout_of_clip_is_the_true_grid_since_it_drops_the_class_token():
    tower, pixels = build_vision_tower(tower_config(model_type="clip")), random_pixels(32)
    published = tower.encode(pixels, TWO_SCALES.model_copy(update={"layout": "llava-jp-v1.1"}))
    assert torch.equal(published, tower.encode(pixels, TWO_SCALES))


def test_a_tower_of_an_unknown_family_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "dinov2"}')
    local = VisionTowerConfig(weights=LocalFolder(kind="local", folder=tmp_path), dtype="float32")
    message = "is a 'dinov2'; a vision tower must be one of: siglip, siglip_vision_model, siglip2, .*"
    with pytest.raises(ValueError, match=message):
        build_vision_tower(local)


def test_an_image_of_the_right_size_keeps_every_pixel_and_gets_channels_first():
    image = Image.new("RGB", (2, 2))
    image.putdata([(1, 2, 3), (4, 5, 6), (7, 8, 9), (10, 11, 12)])
    assert pixels_of(image, image_size=2).tolist() == [[[1, 4], [7, 10]], [[2, 5], [8, 11]], [[3, 6], [9, 12]]]


def test_an_image_becomes_a_square_without_keeping_its_aspect():
    halves = Image.new("RGB", (200, 40))
    halves.paste((255, 0, 0), (100, 0, 200, 40))
    pixels = pixels_of(halves, image_size=20)
    assert pixels.shape == (3, 20, 20)
    assert (pixels[0, :, :8] == 0).all()
    assert (pixels[0, :, 12:] == 255).all()


PIXELS = json.loads((Path(__file__).parent / "resized_pixels.json").read_text())


@pytest.mark.parametrize(("width", "height", "side"), [tuple(map(int, name.split("-"))) for name in PIXELS])
def test_the_pixels_are_the_same_whatever_pillow_is_installed(width, height, side):
    """Those of Pillow 10.2 to 12.1, whose single call did what two calls do; a single one of 13.0 gives others."""
    ramp = np.arange(width * height * 3, dtype=np.uint32).reshape(height, width, 3)
    image = Image.fromarray((ramp * 2654435761 >> 13).astype(np.uint8))
    pixels = pixels_of(image, image_size=side)
    assert hashlib.sha256(pixels.numpy().tobytes()).hexdigest() == PIXELS[f"{width}-{height}-{side}"]
    assert torch.equal(tile_of(image, side=side), pixels)


def tile_of(image, *, side):
    """What an exported model sees, as uint8."""
    ((tile,),) = LlavaJpImageProcessor(image_size=side, tile_size=side)(image)["pixel_values"]
    return ((tile * 0.5 + 0.5) * 255).round().to(torch.uint8)


@pytest.mark.parametrize("name", ["1", "L", "LA", "P", "RGBA", "CMYK", "I", "I;16", "F", "upright"])
def test_an_exported_model_sees_the_pixels_that_the_trained_one_saw(name):
    grey = np.arange(40 * 30, dtype=np.uint16).reshape(30, 40)
    image = Image.fromarray(grey * 50) if name == "I;16" else Image.fromarray((grey % 256).astype(np.uint8))
    content = io.BytesIO()
    if name in ("I;16", "upright"):
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = 6
        image.save(content, "PNG", exif=exif)
    else:
        image.convert(name).save(content, "TIFF")
    trained = pixels_of(decode(content.getvalue()), image_size=16)
    assert torch.equal(tile_of(Image.open(content), side=16), trained)
    assert len(trained.unique()) > 1
