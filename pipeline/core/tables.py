"""The schema of a table, from the dataclass of its rows: its fields are the columns, in their order.

str, int, float, bool, bytes    string, int64, float64, bool, binary; not nullable
X | None                        the same, nullable
Literal["a", "b"]               as the values are
tuple[X, ...]                   a list
another dataclass               a struct
Annotated[X, pa.int32()]        the type that is named
Annotated[X, NULLABLE]          a column that may hold null, though such rows have none
"""

from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import pyarrow as pa

ARROW_TYPES = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_(), bytes: pa.binary()}

NULLABLE = "nullable"


def schema_of(row: type) -> pa.Schema:
    """The schema of a table with such rows."""
    return pa.schema(_fields(row))


def struct_of(row: type) -> pa.StructType:
    """The type of a column that holds such rows."""
    return pa.struct(_fields(row))


def row_of(row: Any) -> dict[str, Any]:
    """The values of a row by column."""
    return {field.name: getattr(row, field.name) for field in fields(row)}


def _fields(row: type) -> list[pa.Field]:
    hints = get_type_hints(row, include_extras=True)
    return [_field(field.name, hints[field.name]) for field in fields(row)]


def _field(name: str, hint: Any) -> pa.Field:
    if get_origin(hint) in (Union, UnionType) and NoneType in get_args(hint):
        (hint,) = (arg for arg in get_args(hint) if arg is not NoneType)
        return pa.field(name, _type(hint))
    return pa.field(name, _type(hint), nullable=NULLABLE in getattr(hint, "__metadata__", ()))


def _type(hint: Any) -> pa.DataType:
    """
    Raises:
        TypeError: no type of Arrow is known for it.
    """
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return next((arg for arg in args[1:] if isinstance(arg, pa.DataType)), None) or _type(args[0])
    if origin is Literal:
        (kind,) = {type(arg) for arg in args}
        return ARROW_TYPES[kind]
    if origin is tuple and len(args) == 2 and args[1] is Ellipsis:
        return pa.list_(_type(args[0]))
    if isinstance(hint, type) and is_dataclass(hint):
        return struct_of(hint)
    if hint not in ARROW_TYPES:
        raise TypeError(f"no column can hold {hint}; Annotated names the type")
    return ARROW_TYPES[hint]
