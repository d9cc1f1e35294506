"""Ids in paths: they may hold a slash, and a line's end, at which Starlette's own ``path`` ends."""

from typing import ClassVar

from starlette.convertors import PathConvertor, register_url_convertor

__all__ = ["take_any_id"]


class _AnyId(PathConvertor):
    regex: ClassVar[str] = r"[\s\S]*"


def take_any_id() -> None:
    """Have ``{id:path}`` take any text in the routes that are made from now on."""
    register_url_convertor("path", _AnyId())
