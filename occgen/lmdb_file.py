"""LMDB files, read by code of our own: the library maps a damaged file and dies of it.

A file is pages of one size. Two meta pages say where the tree of the current state begins; branch
and leaf pages list their keys in order; a value too long for a leaf lies on pages of its own. Every
place is checked to lie inside the file before it is looked at.
"""

import mmap
import os
import struct
from pathlib import Path

from .errors import DataError, InputError

__all__ = ["LmdbFile"]

_MAGIC, _VERSION = 0xBEEFC0DE, 1
_HEAD = struct.Struct("<QHHHH")  # page's number, -, flags, end of the places, start of the nodes
_META = struct.Struct("<IIQQ")  # magic, version, address, size of the map
_TREE = struct.Struct("<IHH5Q")  # page size, flags, depth, three counts of pages, entries, root
_NODE = struct.Struct("<HHHH")  # low and high half of a size or page, flags, length of the key
_BRANCH, _LEAF, _OVERFLOW = 1, 2, 4
_ON_OWN_PAGES, _OTHER_KINDS = 1, 6  # of a node: a long value; a tree or a list in it
_NO_PAGE = (1 << 64) - 1
_DEEPEST = 32
_PAGE_SIZES = tuple(1 << bits for bits in range(8, 17))


class LmdbFile:
    """The entries of an LMDB's main table, read only and without its lock.

    Parameters
    ----------
    path : Path
        The data file.

    Raises
    ------
    InputError
        When it cannot be opened, or is no LMDB.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with open(path, "rb") as file:
                if not os.fstat(file.fileno()).st_size:
                    raise InputError(f"{path} cannot be read as LMDB (it is empty)")
                self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise InputError(f"{path} cannot be read as LMDB ({error.strerror})") from error
        metas = [meta for meta in (self._meta(0), *map(self._meta, _PAGE_SIZES)) if meta]
        if not metas:
            raise InputError(f"{path} cannot be read as LMDB (no meta page stands in it)")
        _, self._page_size, self.entries, self._root = max(metas)

    def _meta(self, start: int) -> tuple[int, int, int, int] | None:
        """Return transaction, page size, entries and root that a meta page tells, or None."""
        first = start + _HEAD.size
        last = first + _META.size + 2 * _TREE.size + 16
        if last > len(self._data):
            return None
        magic, version, _, _ = _META.unpack_from(self._data, first)
        free = _TREE.unpack_from(self._data, first + _META.size)
        main = _TREE.unpack_from(self._data, first + _META.size + _TREE.size)
        (transaction,) = struct.unpack_from("<Q", self._data, last - 8)
        if magic != _MAGIC or version != _VERSION or free[0] not in _PAGE_SIZES:
            return None
        return (transaction, free[0], main[6], main[7]) if start in (0, free[0]) else None

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None where there is none.

        Raises
        ------
        DataError
            Where a page on the way is damaged; the message is the reason alone.
        """
        if self._root == _NO_PAGE:
            return None
        number = self._root
        for _ in range(_DEEPEST):
            start, flags, count = self._page(number)
            if flags & _BRANCH:
                place = self._last_up_to(start, count, key, first=1)
                low, high, top, _ = self._node(start, place)
                number = low | high << 16 | top << 32
            elif flags & _LEAF:
                place = self._last_up_to(start, count, key, first=0)
                if place < 0 or self._key(start, place) != key:
                    return None
                return self._value(start, place)
            else:
                raise DataError(f"leads to page {number}, which is none of the tree")
        raise DataError(f"lies deeper than {_DEEPEST} pages")

    def _page(self, number: int) -> tuple[int, int, int]:
        """Return where a page begins, its flags and how many nodes it has."""
        start = number * self._page_size
        if start + self._page_size > len(self._data):
            raise DataError(f"leads to page {number}, beyond the end of the file")
        found, _, flags, end, _ = _HEAD.unpack_from(self._data, start)
        count = (end - _HEAD.size) // 2
        if found != number or not 0 <= count <= self._page_size // 2:
            raise DataError(f"leads to page {number}, which is damaged")
        return start, flags, count

    def _last_up_to(self, start: int, count: int, key: bytes, first: int) -> int:
        """Return the last node whose key is not above one; the one before `first` if none is."""
        low, high = first, count
        while low < high:
            middle = (low + high) // 2
            if self._key(start, middle) <= key:
                low = middle + 1
            else:
                high = middle
        if first and not count:
            raise DataError("leads to a page without entries")
        return low - 1

    def _node(self, start: int, place: int) -> tuple[int, int, int, int]:
        at = self._node_at(start, place)
        low, high, flags, length = _NODE.unpack_from(self._data, at)
        return low, high, flags, length

    def _node_at(self, start: int, place: int) -> int:
        (offset,) = struct.unpack_from("<H", self._data, start + _HEAD.size + 2 * place)
        if not _HEAD.size <= offset <= self._page_size - _NODE.size:
            raise DataError(f"leads to page {start // self._page_size}, which is damaged")
        return start + int(offset)

    def _key(self, start: int, place: int) -> bytes:
        at = self._node_at(start, place)
        length = _NODE.unpack_from(self._data, at)[3]
        if at + _NODE.size + length > start + self._page_size:
            raise DataError(f"leads to page {start // self._page_size}, which is damaged")
        return self._data[at + _NODE.size : at + _NODE.size + length]

    def _value(self, start: int, place: int) -> bytes:
        low, high, flags, length = self._node(start, place)
        size, at = low | high << 16, self._node_at(start, place) + _NODE.size + length
        end = start + self._page_size
        if flags & _OTHER_KINDS:
            raise DataError("holds a table or a list in place of a value")
        if flags & _ON_OWN_PAGES:
            if at + 8 > end:
                raise DataError("is cut off by the end of its page")
            (number,) = struct.unpack_from("<Q", self._data, at)
            head = number * self._page_size
            if head + _HEAD.size + size > len(self._data):
                raise DataError(f"leads to page {number}, beyond the end of the file")
            found, _, kind, _, _ = _HEAD.unpack_from(self._data, head)
            if found != number or not kind & _OVERFLOW:
                raise DataError(f"leads to page {number}, which holds no value")
            at, end = head + _HEAD.size, len(self._data)
        if at + size > end:
            raise DataError("is cut off by the end of its page")
        return self._data[at : at + size]
