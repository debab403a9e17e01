"""Whether the texts of an HDF5 file can be looked for without end.

Texts of attributes lie in a global heap: a head, then objects one behind the other, each with its
size, the last of them what is free. HDF5 1.14 and 2.0 walk it by these sizes and, where a byte of
one is damaged, may walk for ever; so they are added up here before HDF5 is asked for a text.
"""

from ..errors import ShardError

__all__ = ["check_heaps"]

_HEAD = b"GCOL\x01\0\0\0"
_OBJECT = 16  # bytes of a head: of the heap, and of each object
_SEARCHED = 1 << 16  # heaps of a shard lie before all data


def check_heaps(data: bytes, where: object) -> None:
    """Raise ShardError where the objects of a global heap do not fill it.

    Parameters
    ----------
    data : bytes
        Of the file, its beginning at least.
    where : object
        The file, for the message.
    """
    start = data.find(_HEAD, 0, _SEARCHED)
    while start >= 0:
        size = int.from_bytes(data[start + 8 : start + 16], "little")
        if size < _OBJECT or not _is_filled(data, start + _OBJECT, start + size):
            raise ShardError(f"{where} is damaged or no shard of occgen (its texts overlap)")
        start = data.find(_HEAD, start + size, _SEARCHED)


def _is_filled(data: bytes, place: int, end: int) -> bool:
    """Whether objects lead from a place to the end; what lies beyond the data is not looked at."""
    while place + _OBJECT <= min(end, len(data)):
        index = int.from_bytes(data[place : place + 2], "little")
        size = int.from_bytes(data[place + 8 : place + 16], "little")
        if index == 0:  # what is free, with its head
            return size == end - place
        place += _OBJECT + -(-size // 8) * 8
    return place <= end
