"""What belongs together because it shows the same images, so that it says nothing new or gives an answer away."""

from collections.abc import Sequence


def image_clusters(images: Sequence[Sequence[str]]) -> list[str | None]:
    """The cluster of each item or sample, by its images: those that share any are in one, also through others.

    A cluster is named by the first image of its first item; an item without images is in none.
    """
    parents: dict[str, str] = {}

    def root(image: str) -> str:
        while (parent := parents.setdefault(image, image)) != image:
            parents[image] = image = parents[parent]  # from left to right
        return image

    for own in images:
        for image in own[1:]:
            first, other = root(own[0]), root(image)
            parents[other] = first
    names: dict[str, str] = {}
    return [names.setdefault(root(own[0]), own[0]) if own else None for own in images]
