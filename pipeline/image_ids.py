"""COCO and Visual Genome ids of images, read from the paths that the published data sets use."""

import re

COCO_NAME = re.compile(r"(?:^|/)(?:COCO_(?:train|val|test)20\d\d_)?(\d{12})\.\w+$")
"""``coco/train2017/000000000009.jpg``, ``COCO_train2014_000000000009.jpg``: twelve digits since 2014."""
VISUAL_GENOME_NAME = re.compile(r"(?:^|/)(?:VG_100K(?:_2)?|gqa/images)/(\d+)\.\w+$")
"""``vg/VG_100K_2/2354786.jpg``; the images of GQA are those of Visual Genome under the same numbers."""


def coco_id(image: str) -> int | None:
    """The COCO id of an image path, None when it does not tell."""
    found = COCO_NAME.search(image)
    return int(found[1]) if found else None


def visual_genome_id(image: str) -> int | None:
    """The Visual Genome id of an image path, None when it does not tell."""
    found = VISUAL_GENOME_NAME.search(image)
    return int(found[1]) if found else None
