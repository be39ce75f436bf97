"""The first page: its map is that of the tree, its links and pictures are there, both languages say the same."""

import re
import tomllib
from pathlib import Path

import pytest
from PIL import Image

REPOSITORY = Path(__file__).parents[2]
PAGES = ["README.md", "README.ja.md"]
ALL_PAGES = [*PAGES, "CONTRIBUTING.md", *(f"docs/{page.name}" for page in sorted((REPOSITORY / "docs").glob("*.md")))]
LINK = re.compile(r'\]\(([^)#:]+)(?:#[^)]*)?\)|src="([^":]+)"')


def text_of(page: str) -> str:
    return (REPOSITORY / page).read_text(encoding="utf-8")


def map_of(page: str) -> dict[str, tuple[str, str]]:
    """Room to what it is and the file where reading starts."""
    rows = re.findall(r"^\| `(\w+)` \| (.+) \| `(\w+\.py)` \|$", text_of(page), flags=re.MULTILINE)
    return {room: (what, start) for room, what, start in rows}


def rooms() -> list[str]:
    """The rooms of the import contract, from top to bottom."""
    contracts = tomllib.loads(text_of("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract.get("containers") == ["pipeline"])
    return [room for layer in layers for room in layer.split(" | ")]


@pytest.mark.parametrize("page", PAGES)
def test_the_map_has_the_rooms_in_their_order_and_a_file_to_start_with(page):
    assert list(map_of(page)) == rooms()
    for room, (_, start) in map_of(page).items():
        assert (REPOSITORY / "pipeline" / room / start).is_file(), f"{room}/{start}"


@pytest.mark.parametrize("page", ALL_PAGES)
def test_links_and_pictures_are_there(page):
    for groups in LINK.findall(text_of(page)):
        target = next(group for group in groups if group)
        assert (REPOSITORY / page).parent.joinpath(target).exists(), target


def test_both_languages_name_the_same_commands_and_files():
    english, japanese = (
        set(re.findall(r"`((?:make|flows/|pipeline/|model/|sql/)[^`]*)`", text_of(page))) for page in PAGES
    )
    assert english == japanese
    starts = [[start for _, start in map_of(page).values()] for page in PAGES]
    assert starts[0] == starts[1]


def test_the_pictures_can_be_read():
    pictures = sorted((REPOSITORY / "docs/images").iterdir())
    assert [picture.name for picture in pictures] == ["position.png", "radar.png", "small-detail.png"]
    for picture in pictures:
        with Image.open(picture) as image:
            image.verify()
