"""Occluders with exact alpha mattes: nine rendered categories, or a user's own directory."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .directory import from_directory, from_spec, open_library
    from .library import OccluderLibrary, bundled
    from .member import Occluder
    from .resizing import Resized

_EXPORTS = {
    "Occluder": "occluders.member",
    "OccluderLibrary": "occluders.library",
    "Resized": "occluders.resizing",
    "bundled": "occluders.library",
    "from_directory": "occluders.directory",
    "from_spec": "occluders.directory",
    "open_library": "occluders.directory",
    "OccluderDataError": "occluders.errors",
    "OccluderError": "occluders.errors",
    "OccluderInputError": "occluders.errors",
}

__all__ = [
    "Occluder",
    "OccluderDataError",
    "OccluderError",
    "OccluderInputError",
    "OccluderLibrary",
    "Resized",
    "bundled",
    "from_directory",
    "from_spec",
    "open_library",
]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'occluders' has no attribute {name!r}")
    value = getattr(import_module(_EXPORTS[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
