import pytest
import torch
from torch.nn import functional as F

from model.vision.s2 import join_scales, multiscale_features, published_grid, square_grid


def quadrants(side: int) -> torch.Tensor:
    """One grey image whose quadrants have the values 0 1 / 2 3."""
    image = torch.tensor([[0.0, 1.0], [2.0, 3.0]])
    return image.repeat_interleave(side // 2, 0).repeat_interleave(side // 2, 1)[None, None]


def patch_means(tiles: torch.Tensor) -> torch.Tensor:
    """A tower with patches of two pixels whose features are the patch's mean colours."""
    return F.avg_pool2d(tiles.float(), 2).flatten(2).transpose(1, 2).to(tiles.dtype)


def patch_pixels(tiles: torch.Tensor) -> torch.Tensor:
    """A tower with patches of two pixels whose features are all pixels of the patch, not linear in them."""
    return F.unfold(tiles.float(), 2, stride=2).transpose(1, 2).sin().to(tiles.dtype)


def s2_wrapper(encode, images, *, sides, tile_size):
    """S2-Wrapper as tosiyuki/LLaVA-JP runs it: the grid follows from the tokens, 728 give 26 x 28.

    Tiles go through the tower one by one; their features are put together row by row.
    """
    per_scale = []
    for side in sides:
        resized = F.interpolate(images.to(torch.float32), size=side, mode="bicubic").to(images.dtype)
        rows = []
        for top in range(0, side, tile_size):
            row = []
            for left in range(0, side, tile_size):
                features = encode(resized[:, :, top : top + tile_size, left : left + tile_size])
                height = int(features.shape[1] ** 0.5)
                width = features.shape[1] // height
                row.append(features.transpose(1, 2).reshape(len(images), -1, height, width))
            rows.append(torch.cat(row, dim=3))
        whole = torch.cat(rows, dim=2).to(torch.float32)
        pooled = F.interpolate(whole, size=(height, width), mode="area").to(images.dtype)
        per_scale.append(pooled.flatten(2).transpose(1, 2))
    return torch.cat(per_scale, dim=2)


def test_tiles_return_to_their_places():
    features = multiscale_features(patch_means, quadrants(16), sides=(16,), tile_size=8, grid=(4, 4))
    assert features.shape == (1, 1, 16, 1)
    assert features[0, 0, :, 0].tolist() == [0, 0, 1, 1, 0, 0, 1, 1, 2, 2, 3, 3, 2, 2, 3, 3]


def test_area_pooling_takes_the_mean_of_the_patches_that_fall_into_one():
    # Four patches a side become two: each is the mean of a 2x2 block of patches, such as (0 + 1 + 4 + 5) / 4.
    image = torch.arange(16.0).reshape(4, 4).repeat_interleave(2, 0).repeat_interleave(2, 1)[None, None]
    features = multiscale_features(patch_means, image, sides=(8,), tile_size=4, grid=(2, 2))
    assert features[0, 0, :, 0].tolist() == [2.5, 4.5, 10.5, 12.5]


def test_a_single_scale_of_one_tile_is_the_towers_output():
    images = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    features = multiscale_features(patch_pixels, images, sides=(8,), tile_size=8, grid=(4, 4))
    assert torch.equal(features[:, 0], patch_pixels(images))


def test_the_order_of_the_sides_is_the_order_of_the_channels():
    images = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    large, small = (
        multiscale_features(patch_pixels, images, sides=(side,), tile_size=8, grid=(4, 4)) for side in (16, 8)
    )
    both = multiscale_features(patch_pixels, images, sides=(16, 8), tile_size=8, grid=(4, 4))
    assert torch.equal(join_scales(both), torch.cat([large[:, 0], small[:, 0]], dim=2))
    reversed_order = multiscale_features(patch_pixels, images, sides=(8, 16), tile_size=8, grid=(4, 4))
    assert torch.equal(join_scales(reversed_order), torch.cat([small[:, 0], large[:, 0]], dim=2))


def test_joined_scales_stand_side_by_side_in_the_channels():
    features = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]]])
    assert join_scales(features).tolist() == [[[1, 2, 5, 6], [3, 4, 7, 8]]]


@pytest.mark.parametrize("sides", [(8,), (16, 8), (8, 16, 24), (24, 8)])
def test_the_arithmetic_is_that_of_s2_wrapper(sides):
    images = torch.randn(3, 3, max(sides), max(sides), generator=torch.Generator().manual_seed(1))
    ours = join_scales(multiscale_features(patch_pixels, images, sides=sides, tile_size=8, grid=(4, 4)))
    theirs = s2_wrapper(patch_pixels, images, sides=sides, tile_size=8)
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("sides", [(8,), (16, 8), (8, 16, 24)])
def test_the_published_layout_puts_patches_where_llava_jp_puts_them(sides):
    def without_the_first(tiles):
        return patch_pixels(tiles)[:, 1:]

    images = torch.randn(2, 3, max(sides), max(sides), generator=torch.Generator().manual_seed(1))
    grid = published_grid(15)
    assert grid == (3, 5)
    ours = join_scales(multiscale_features(without_the_first, images, sides=sides, tile_size=8, grid=grid))
    assert ours.shape == (2, 15, 12 * len(sides))
    assert torch.equal(ours, s2_wrapper(without_the_first, images, sides=sides, tile_size=8))


def test_the_published_grid_of_so400m_is_26_by_28_and_the_true_one_27_by_27():
    assert published_grid(728) == (26, 28)
    assert square_grid(729) == (27, 27)


def test_the_tiles_of_all_scales_go_through_the_tower_together():
    calls = []

    def encode(tiles):
        calls.append(len(tiles))
        return patch_means(tiles)

    multiscale_features(encode, torch.rand(3, 3, 16, 16), sides=(16, 8), tile_size=8, grid=(4, 4))
    assert calls == [15]


def test_a_smaller_scale_is_not_antialiased():
    # Bicubic without antialiasing weighs (-3, 19, 19, -3) / 32: a stripe of one pixel in four is seen or not.
    stripes = torch.tensor([0.0, 0.0, 1.0, 0.0] * 4).expand(16, 16)[None, None]
    features = multiscale_features(
        lambda tiles: tiles.flatten(2).transpose(1, 2), stripes, sides=(8,), tile_size=8, grid=(8, 8)
    )
    assert features[0, 0, 8 + 2 : 8 + 4, 0].tolist() == pytest.approx([-3 / 32, 19 / 32])


def test_tokens_that_are_no_square_grid_are_refused():
    with pytest.raises(ValueError, match="the tower returned 15 tokens, which is not a square grid of patches"):
        square_grid(15)


def test_tokens_that_do_not_fill_the_grid_are_refused():
    message = r"the tower returned 16 tokens, which is not a grid of \(3, 5\)"
    with pytest.raises(ValueError, match=message):
        multiscale_features(patch_means, quadrants(16), sides=(16,), tile_size=8, grid=(3, 5))


def test_a_side_that_is_no_multiple_of_the_tile_is_refused():
    with pytest.raises(ValueError, match="a scale of 20 pixels is not a multiple of tile_size=8"):
        multiscale_features(patch_means, quadrants(40), sides=(40, 20), tile_size=8, grid=(4, 4))
