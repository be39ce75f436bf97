"""Parameters of a query: the text that a user wrote as a value of the type that the header of the SQL file says."""

import math
from collections.abc import Callable, Mapping

from pipeline.core.errors import QueryError
from pipeline.store.sql_files import Parameter, SqlFile


def parameter_values(query: SqlFile, parameters: Mapping[str, str]) -> dict[str, object]:
    """The values that a statement takes, from what a user wrote and the defaults of the header.

    Raises:
        QueryError: a parameter is not the query's, is missing, or has a text that is not of its type.
    """
    known = {parameter.name: parameter for parameter in query.parameters}
    if unknown := [name for name in parameters if name not in known]:
        expected = "\n".join(map(_explained, query.parameters)) or "  none"
        raise QueryError(f"query {query.name} has no parameter {', '.join(map(repr, unknown))}; it has:\n{expected}")
    return {
        name: _value(query, parameter, parameters.get(name, parameter.default)) for name, parameter in known.items()
    }


def _value(query: SqlFile, parameter: Parameter, text: str | None) -> object:
    if text is None:
        if parameter.is_required:
            raise QueryError(f"query {query.name} needs a value for {parameter.name}:\n{_explained(parameter)}")
        return None
    try:
        return PARAMETER_READERS[parameter.type](text)
    except ValueError as error:
        problem = f"query {query.name}: {parameter.name}={text!r} is not of the type {parameter.type}"
        raise QueryError(f"{problem}:\n{_explained(parameter)}") from error


def _explained(parameter: Parameter) -> str:
    default = "" if parameter.is_required else f" (default {parameter.default or 'none'})"
    return f"  {parameter.name}  {parameter.type}  {parameter.meaning}{default}"


def _integer(text: str) -> int:
    number = int(text)
    if abs(number) >= 2**63:
        raise ValueError("does not fit into 64 bits")
    return number


def _double(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("not finite")
    return number


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


PARAMETER_READERS: Mapping[str, Callable[[str], object]] = {
    "integer": _integer,
    "double": _double,
    "string": str,
    "check": str,
    "encoder": str,
    "experiment": str,
    "experiments": _names,
}
"""How the text of a parameter becomes a value, by the type in the header."""
