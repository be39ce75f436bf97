"""The regular expressions of ``sql/macros`` for Python's ``re``, so that the baseline follows the same rules."""

import re
import sys
from functools import cache

import duckdb
import regex

from pipeline.store.sql_files import check_macros

PROPERTY = re.compile(r"\\p\{(\w+)\}|\\x\{([0-9A-Fa-f]+)\}|\\.|\[|\]")


@cache
def _letters(name: str) -> str:
    """The letters of a Unicode property as ranges of a character class."""
    ranges: list[list[int]] = []
    for letter in regex.findall(rf"\p{{{name}}}", "".join(map(chr, range(0x30000)))):
        if ranges and ranges[-1][1] == ord(letter) - 1:
            ranges[-1][1] += 1
        else:
            ranges.append([ord(letter), ord(letter)])
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)


def pattern(text: str) -> re.Pattern[str]:
    """An RE2 pattern of DuckDB as one of Python: the same classes, and \\w, \\d, \\s and \\b are ASCII."""
    in_class = False

    def translated(found: re.Match[str]) -> str:
        nonlocal in_class
        if found[1]:
            return _letters(found[1]) if in_class else f"[{_letters(found[1])}]"
        if found[2]:
            return f"\\U{int(found[2], 16):08x}"
        if found[0] == "[" and not in_class:
            in_class = True
        elif found[0] == "]" and in_class:
            in_class = False
        elif found[0] == "[":
            return "\\["
        return found[0]

    flags = re.ASCII | (re.IGNORECASE if "(?i)" in text else 0) | (re.DOTALL if "(?s)" in text else 0)
    plain = text.replace("(?i)", "").replace("(?s)", "").replace("\\b?", "")  # RE2 allows it, where it says nothing
    return re.compile(PROPERTY.sub(translated, plain).replace("\\z", "\\Z"), flags)


@cache
def _connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    for macro in check_macros().values():
        connection.execute(macro.text)
    return connection


@cache
def macro_text(name: str) -> str:
    """The regular expression that a macro without parameters stands for."""
    row = _connection().execute(f"select {name}()").fetchone()
    return row[0] if row else sys.exit(f"no macro is named {name}")


@cache
def macro(*names: str) -> re.Pattern[str]:
    """One pattern that matches what any of the macros matches."""
    return pattern("|".join(map(macro_text, names)))


def patterns_inside(name: str) -> list[str]:
    """The quoted texts of a macro with parameters, pieces that are put together with || joined."""
    body = "\n".join(line for line in check_macros()[name].text.splitlines() if not line.startswith("--"))
    joined = re.sub(r"'\s*(?:--[^\n]*)?\s*\|\|\s*'", "", body)
    return [text.replace("''", "'") for text in re.findall(r"'((?:[^']|'')*)'", joined)]
