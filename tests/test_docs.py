"""What the documents name exists."""

import re

import pytest

from tests.support.pages import FILE
from tests.support.shared_data import REPOSITORY

DOCUMENTS = [*sorted(REPOSITORY.glob("*.md")), *sorted((REPOSITORY / "docs").glob("*.md"))]
PATH = re.compile(r"(?<![\w/.-])((?:flows|pipeline|model|tests|sql|docs|tools)/[\w./-]*\w)")
MODULE = re.compile(r"(?<![\w/.-])((?:flows|pipeline|tests)(?:\.\w+)+|model(?:\.\w+){2,})")


def missing(module: str) -> bool:
    """Whether there is no such package, module, or name in it: looked up in the text, as importing takes seconds."""
    folder, parts = REPOSITORY, module.split(".")
    while parts and (folder / parts[0]).is_dir():
        folder /= parts.pop(0)
    if not parts:
        return False
    file = folder / f"{parts.pop(0)}.py"
    if not file.is_file():
        return True
    text = file.read_text(encoding="utf-8")
    return any(not re.search(rf"^ *(?:(?:async )?def |class )?{name}\b", text, re.MULTILINE) for name in parts)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_document_names_only_what_exists(document):
    text = document.read_text(encoding="utf-8")
    shown = dict(FILE.findall(text))  # files that the reader is to write
    assert not [path for path in PATH.findall(text) if path not in shown and not (REPOSITORY / path).exists()]
    modules = {path.removesuffix(".py").replace("/", ".") for path in shown}
    assert not [module for module in MODULE.findall(text) if module not in modules and missing(module)]


@pytest.mark.parametrize("module", ["pipeline.download", "pipeline.evaluation.models.weights.model_folder", "tests.no"])
def test_a_name_that_does_not_exist_is_noticed(module):
    assert MODULE.fullmatch(module)
    assert missing(module)
