"""The contact sheet of a library: every member is on it, on chequers, by category."""

import numpy as np

from occgen.gallery import library_sheet
from occluders import OccluderLibrary


def test_every_member_has_its_place(small_library: OccluderLibrary) -> None:
    sheet = library_sheet(small_library, "Small", ["a note"], size=40, columns=16)
    fewer = library_sheet(small_library, "Small", ["a note"], size=40, columns=1)
    assert sheet.dtype == np.uint8
    assert sheet.shape[0] == 48 + 18 + 9 * (24 + 46) + 12  # a row a category
    assert fewer.shape[0] == sheet.shape[0] + 9 * 46  # two members, two rows
    most = library_sheet(small_library, "Small", ["a note"], size=40, columns=1, most=1)
    assert most.shape[0] == sheet.shape[0]
    first = small_library.members("book")[0]
    middle = sheet[48 + 18 + 24 + 20, 12 + 20].astype(int)
    expected = first.rgba[first.rgba.shape[0] // 2, first.rgba.shape[1] // 2, :3].astype(int)
    assert np.abs(middle - expected).max() < 40
    corner = sheet[48 + 18 + 24, 12]
    assert corner.tolist() == [222, 222, 222]
