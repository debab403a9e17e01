"""JsonConfig: what every configuration of the model's programs has in common, its JSON form."""

import dataclasses
import json
from typing import Any, ClassVar, Self

from occgen.errors import InputError

__all__ = ["JsonConfig"]


class JsonConfig:
    """Round trip of a configuration through JSON."""

    __slots__ = ()
    _later: ClassVar[tuple[str, ...]] = ()
    """Fields that came later: left out at their defaults, so that digests of before hold."""

    def to_json(self) -> str:
        """Return the configuration as one JSON object, keys in the order of the fields."""
        return json.dumps(self._plain())

    def _plain(self) -> dict[str, Any]:
        values = {}
        for item in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, item.name)
            if item.name not in self._later or value != item.default:
                values[item.name] = value._plain() if isinstance(value, JsonConfig) else value
        return values

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the configuration of a JSON object that `to_json` wrote.

        Raises
        ------
        InputError
            For text that is no JSON object, unknown fields, or values that do not fit.
        """
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(f"the {cls.__name__} is not JSON ({error})") from error
        return cls.from_dict(values)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Return the configuration of a mapping from field names to plain values.

        Raises
        ------
        InputError
            For anything else than a mapping, unknown fields, or values that do not fit.
        """
        if not isinstance(values, dict):
            raise InputError(f"a {cls.__name__} is a JSON object, got {type(values).__name__}")
        known = {f.name for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
        unknown = sorted(set(values) - known)
        if unknown:
            raise InputError(f"{cls.__name__} has no field {', '.join(map(repr, unknown))}")
        try:
            return cls(**values)
        except (TypeError, AttributeError, OverflowError) as error:
            raise InputError(f"a {cls.__name__} takes other values ({error})") from error
