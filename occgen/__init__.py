"""Occluded-face data sets with exact labels.

occgen pastes occluders on aligned faces (Algorithm 1 of the FROM paper, and natural placements),
labels each face with its proximate K x K occlusion pattern, and writes shards in parallel.
Nothing is imported until a name is used, so importing the package costs nothing.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_EXPORTS = {
    "BuildConfig": "occgen.config",
    "PatternGrid": "occgen.patterns",
    "build": "occgen.engine",
    "occlude": "occgen.synthesis",
    "open_shards": "occgen.reader",
    "CheckpointError": "occgen.errors",
    "DataError": "occgen.errors",
    "InputError": "occgen.errors",
    "OccgenError": "occgen.errors",
    "ShardError": "occgen.errors",
}

__all__ = ["__version__", *sorted(_EXPORTS)]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'occgen' has no attribute {name!r}")
    value = getattr(import_module(_EXPORTS[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
