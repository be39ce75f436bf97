"""Reads YAML that people write: nothing in it is lost in silence, and nothing in it can keep the reader for ever."""

from typing import Any

import yaml

from pipeline.core.errors import ConfigError

MOST_NODES = 100_000
"""Of a document with its aliases written out; ten lines of aliases to aliases can mean billions."""


def read_yaml(text: str, *, source: str) -> Any:
    """The values of one document.

    Raises:
        ConfigError: it is not YAML, a key stands twice, an alias leads into itself, or there is too much of it.
    """
    loader = None
    try:
        loader = yaml.SafeLoader(text)  # which looks for characters that no YAML has
        node = loader.get_single_node()
        if node is None:
            return None
        _require_readable(node, source)
        return loader.construct_document(node)
    except RecursionError as error:
        raise ConfigError(f"{source} is nested too deeply to be read") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{source} is not YAML: {error}") from error
    except (ValueError, OverflowError) as error:
        raise ConfigError(
            f"{source} holds a value that looks like a date or a number and is none ({error}); quote it if it is text"
        ) from error
    finally:
        if loader:
            loader.dispose()


def _require_readable(root: yaml.Node, source: str) -> None:
    """Walks through the document as it would be with its aliases written out."""
    num_nodes = 0
    waiting: list[tuple[yaml.Node, frozenset[int]]] = [(root, frozenset())]
    while waiting:
        node, around = waiting.pop()
        num_nodes += 1
        if id(node) in around:
            raise ConfigError(f"{source}, line {_line(node)}: an alias (*) leads into its own anchor (&); write it out")
        if num_nodes > MOST_NODES:
            raise ConfigError(f"{source} has more than {MOST_NODES} values, with its aliases (*) written out")
        inside = around | {id(node)}
        if isinstance(node, yaml.ScalarNode):
            _require_text(node, source)
        elif isinstance(node, yaml.MappingNode):
            _require_different_keys(node, source)
            waiting += [(child, inside) for pair in node.value for child in pair]
        elif isinstance(node, yaml.SequenceNode):
            waiting += [(child, inside) for child in node.value]


def _require_text(node: yaml.ScalarNode, source: str) -> None:
    try:
        is_text = b"\0" not in node.value.encode()
    except UnicodeEncodeError:
        is_text = False
    if not is_text:
        raise ConfigError(
            f"{source}, line {_line(node)}: {node.value!r} holds half a character or a NUL, which is no text"
        )


def _require_different_keys(mapping: yaml.MappingNode, source: str) -> None:
    lines: dict[tuple[str, str], int] = {}
    for key, _ in mapping.value:
        if not isinstance(key, yaml.ScalarNode):
            continue  # no field has such a name, which the constructor or the validation says
        if (name := (key.tag, key.value)) in lines:
            raise ConfigError(
                f"{source}: {key.value!r} stands twice, in lines {lines[name]} and {_line(key)}, and only the last "
                "would count; make one of them"
            )
        lines[name] = _line(key)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
