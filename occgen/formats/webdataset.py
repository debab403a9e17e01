"""WebDataset shards: a tar a shard, four files a face: picture, label, record and mask."""

import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..codec import picture_ending
from ..columns import Columns
from ..errors import DataError, ShardError
from ..tar_members import read_members, tar_member
from .parts import PartsFormat
from .rows import Rows

__all__ = ["WebDatasetFormat"]

_NOT_PICTURES = (".json", ".cls", ".mask.png")


class WebDatasetFormat(PartsFormat):
    """``shard-00000.tar`` onwards, and columns in ``parts/``.

    Notes
    -----
    A face is ``SSSSS-RRRRR`` (shard and row) with ``.jpg`` (or what the picture is), ``.cls`` (the
    identity's number, -1 where unknown), ``.json`` (all that is known) and, where masks are kept,
    ``.mask.png``. Every face has the same files, as `webdataset` and `datasets` expect.
    """

    files = (r"shard-\d{5,}\.tar",)

    def pictures_name(self, index: int) -> str:
        """Return the name of a shard's tar."""
        return f"shard-{index:05d}.tar"

    def pack(self, index: int, columns: Columns, attributes: Mapping[str, Any]) -> bytes:
        """Return a shard's tar: the same faces give the same bytes."""
        rows = Rows(columns, attributes)
        parts = []
        for row, image in enumerate(rows.images):
            stem = f"{index:05d}-{row:05d}"
            record = json.dumps(rows.record(row), ensure_ascii=False, sort_keys=True)
            parts.append(tar_member(f"{stem}{picture_ending(image)}", image))
            parts.append(tar_member(f"{stem}.cls", b"%d" % rows.identities[row]))
            parts.append(tar_member(f"{stem}.json", record.encode()))
            if rows.has_masks:
                parts.append(tar_member(f"{stem}.mask.png", rows.mask_png(row)))
        return b"".join((*parts, bytes(2 * tarfile.BLOCKSIZE)))

    def unpack(self, path: Path, data: bytes, columns: Columns) -> list[bytes]:
        """Return the pictures in a shard's tar."""
        try:
            members = read_members(data)
            return [body for name, body in members if not name.endswith(_NOT_PICTURES)]
        except DataError as error:
            raise ShardError(f"{path} {error}") from error
