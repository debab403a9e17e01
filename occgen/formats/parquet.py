"""Parquet with an image column, as Hugging Face `datasets` reads it."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..codec import picture_ending
from ..columns import Columns
from ..errors import InputError, ShardError
from .parts import PartsFormat
from .rows import Rows

__all__ = ["ParquetFormat", "import_parquet"]

_ROWS_A_GROUP = 256  # so that one row can be read without a shard


def import_parquet() -> Any:
    """Return ``pyarrow.parquet``.

    Raises
    ------
    InputError
        When pyarrow is not installed.
    """
    try:
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise InputError("parquet needs pyarrow: pip install 'occgen[parquet]'") from error
    return parquet


class ParquetFormat(PartsFormat):
    """``data/train-00000.parquet`` onwards, and columns in ``parts/``.

    Notes
    -----
    The columns `image` and `mask` hold encoded pictures and are marked as such for `datasets`;
    ``patterns``, ``pastes`` and ``landmarks`` are nested, the rest are plain.
    """

    folders = ("parts", "data")

    def pictures_name(self, index: int) -> str:
        """Return the name of a shard's Parquet file."""
        return f"data/train-{index:05d}.parquet"

    def pack(self, index: int, columns: Columns, attributes: Mapping[str, Any]) -> bytes:
        """Return a shard's Parquet file."""
        parquet = import_parquet()
        import pyarrow as pa

        rows = Rows(columns, attributes)
        records = [rows.record(row) for row in range(len(rows))]
        picture = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        names = [
            f"{index:05d}-{row:05d}{picture_ending(data)}" for row, data in enumerate(rows.images)
        ]
        pictures = [{"bytes": d, "path": n} for d, n in zip(rows.images, names, strict=True)]
        made: dict[str, Any] = {"image": (pictures, picture)}
        if rows.has_masks:
            masks = [{"bytes": rows.mask_png(row), "path": None} for row in range(len(rows))]
            made["mask"] = masks, picture
        box = pa.list_(pa.int16(), 4)
        paste = [("box", box), ("category", pa.string()), ("occluder", pa.string())]
        types = {
            "key": pa.string(),
            "identity": pa.int32(),
            "identity_name": pa.string(),
            "box": box,
            "category": pa.string(),
            "occluder": pa.string(),
            "scale": pa.float32(),
            "coverage": pa.float32(),
            "mask_coverage": pa.float32(),
            "patterns": pa.struct([(name, pa.int16()) for name in rows.labels]),
            "pastes": pa.list_(pa.struct([*paste, ("scale", pa.float32())])),
        }
        if rows.has_landmarks:
            types["landmarks"] = pa.list_(pa.list_(pa.float32(), 2), 5)
        made |= {name: ([record[name] for record in records], kind) for name, kind in types.items()}
        table = pa.table({name: pa.array(values, kind) for name, (values, kind) in made.items()})
        features = {name: {"_type": "Image"} for name in ("image", "mask") if name in made}
        marks = {"huggingface": json.dumps({"info": {"features": features}})}
        sink = io.BytesIO()
        parquet.write_table(
            table.replace_schema_metadata(marks),
            sink,
            row_group_size=_ROWS_A_GROUP,
            compression="none",
        )
        return sink.getvalue()

    def unpack(self, path: Path, data: bytes, columns: Columns) -> list[bytes]:
        """Return the pictures in a shard's Parquet file."""
        parquet = import_parquet()
        try:
            table = parquet.read_table(io.BytesIO(data), columns=["image"])
            return [value["bytes"] for value in table["image"].to_pylist()]
        except Exception as error:  # given damaged data the library may raise anything
            raise ShardError(f"{path} cannot be read as Parquet ({error})") from error
