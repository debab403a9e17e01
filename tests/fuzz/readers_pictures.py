"""Pictures, occluder libraries, and the lists that come with data sets."""

import io
import json
import random
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from mutations import HOSTILE_TEXT, dump_json, mutate_bytes, mutate_json, mutate_text
from PIL import Image
from samples import encode, make_library, make_tree, picture, touch_source
from trial import Files, Reader

from occgen.codec import decode_image, jpeg_quality, read_size
from occgen.config import BuildConfig
from occgen.errors import DataError, InputError
from occgen.inspection import check_library
from occgen.labelling import label_csv, label_folder
from occgen.landmark_files import read_landmark_file
from occgen.landmark_table import LandmarkTable
from occgen.sources import FolderSource, TableSource
from occluders import from_directory

EYES = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
POINTS = ",".join(f"{name}_{axis}" for name in EYES for axis in "xy")
TEN = "10,25,38,25,24,38,12,50,36,50"


def _make_pictures(root: Path) -> None:
    image = picture(1)
    exif = Image.Exif()
    exif[0x0112] = 6
    grey16 = (image[:, :, 0].astype(np.uint16) << 8) | 7
    rgba = np.dstack([image, image[:, :, 0]])
    cmyk = io.BytesIO()
    Image.fromarray(image).convert("CMYK").save(cmyk, "JPEG")
    palette = io.BytesIO()
    Image.fromarray(image).quantize(32).save(palette, "PNG", transparency=3)
    for name, data in {
        "a.jpg": encode(image),
        "b.jpg": encode(image, progressive=True),
        "c.jpg": encode(image, exif=exif),
        "d.jpg": cmyk.getvalue(),
        "e.jpg": encode(image[:, :, 0]),
        "f.png": encode(image, "PNG"),
        "g.png": encode(rgba, "PNG"),
        "h.png": encode(grey16, "PNG"),
        "i.png": palette.getvalue(),
        "j.webp": encode(image, "WEBP"),
        "k.webp": encode(rgba, "WEBP", lossless=True),
        "l.bmp": encode(image, "BMP"),
        "m.tif": encode(image, "TIFF", compression="tiff_lzw"),
        "n.tif": encode(image, "TIFF"),
        "o.gif": encode(image, "GIF"),
        "p.ppm": encode(image, "PPM"),
        "q.jp2": encode(image, "JPEG2000"),
        "r.tif": encode(image, "TIFF", compression="tiff_adobe_deflate"),
    }.items():
        (root / name).write_bytes(data)


def _read_pictures(root: Path, changed: bool) -> None:
    for path in root.glob("*"):
        data = path.read_bytes()
        jpeg_quality(data)
        try:
            image = decode_image(data)
            assert image.dtype == np.uint8, image.dtype
            assert image.ndim == 3, image.shape
            assert image.size <= 150_000_000, image.shape
        except DataError:
            pass
        try:
            height, width = read_size(data)
        except DataError:
            continue
        assert 0 < height * width <= 50_000_000


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width: int, height: int, *chunks: tuple[bytes, bytes], depth: int = 8) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    body = b"".join(_chunk(*chunk) for chunk in (*chunks, (b"IEND", b"")))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + body


def _craft_pictures(valid: Files) -> Iterator[Files]:
    bomb = zlib.compress(bytes(150_000_000), 9)
    yield {"bomb.png": _png(7000, 7000, (b"IDAT", bomb))}  # as large as is let in
    yield {"bomb.png": _png(40_000, 40_000, (b"IDAT", bomb))}
    yield {"bomb.png": _png(2**31 - 1, 2**31 - 1, (b"IDAT", b""))}
    yield {"text.png": _png(8, 8, (b"zTXt", b"a\0\0" + bomb), (b"IDAT", zlib.compress(bytes(200))))}
    yield {"icc.png": _png(8, 8, (b"iCCP", b"a\0\0" + bomb), (b"IDAT", zlib.compress(bytes(200))))}
    yield {"zero.png": _png(0, 0, (b"IDAT", b""))}
    yield {"more.png": _png(8, 8, (b"IDAT", bomb))}
    jpeg = bytearray(valid["a.jpg"])
    place = jpeg.find(b"\xff\xc0") + 5
    for height, width in ((0, 0), (65535, 65535), (65500, 700), (1, 65535), (65535, 0)):
        jpeg[place : place + 4] = struct.pack(">HH", height, width)
        yield {"size.jpg": bytes(jpeg)}
    scan = valid["b.jpg"].rfind(b"\xff\xda")
    again = valid["b.jpg"][scan:-2]
    yield {"scans.jpg": valid["b.jpg"][:-2] + again * 3000 + b"\xff\xd9"}  # each costs a pass
    yield {"gif.gif": b"GIF89a" + struct.pack("<HH", 65535, 65535) + valid["o.gif"][10:]}
    yield {"bmp.bmp": valid["l.bmp"][:18] + struct.pack("<ii", 2**31 - 1, -(2**31)) + b"\0" * 99}
    yield {"ppm.ppm": b"P6 99999 99999 255\n"}
    yield {"ppm.ppm": b"P6 " + b"9" * 5000 + b" 1 255\n"}
    yield {"eps.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) (w) file quit\n"}
    tiff = bytearray(valid["n.tif"])
    place = struct.unpack_from("<I", tiff, 4)[0]
    yield {"loop.tif": bytes(tiff[:4]) + struct.pack("<I", 4) + bytes(tiff[8:])}
    yield {"many.tif": bytes(tiff[:place]) + b"\xff\xff" + bytes(tiff[place + 2 :])}
    for data in (b"", b"\xff", b"\xff\xd8\xff", b"RIFF\xff\xff\xff\xffWEBP", b"II*\0", b"BM"):
        yield {"short": data}


def _make_occluders(root: Path) -> None:
    make_library(root)
    (root / "occluders.csv").write_text(
        "file,natural_width,natural_height,mask,category,left_eye_x,left_eye_y,nose\n"
        'book/a.png,40,50,,,1,2,\ncup/b.jpg,30,30,cup/b_mask.png,cup,,,"3, 4"\n'
    )
    (root / "splits.json").write_text('{"train": ["book", "cup/*"], "test": ["eye_mask"]}')


def _make_indexed(root: Path) -> None:
    make_library(root)
    members = [
        {
            "name": f"{folder}/{name}",
            "category": folder,
            "file": f"{folder}/{name}.png",
            "natural_size": [40, 50],
            "anchors": {"nose": [0.5, 0.4], "left_eye": [0.2, 0.2]},
            "mask": "",
        }
        for folder in ("book", "cup")
        for name in ("a",)
    ]
    (root / "index.json").write_text(json.dumps({"members": members, "licence": "x"}))
    (root / "splits.json").write_text('{"train": ["book"], "test": ["cup"]}')


def _make_templates(root: Path) -> None:
    make_library(root)
    corners = "".join(f"mask_{letter} = {number}, {number + 4}\n" for number, letter in
                      enumerate("abcdef", 3))  # fmt: skip
    (root / "masks.cfg").write_text(
        f"[surgical]\ntemplate = masks/book/a.png\n{corners}[surgical_left]\n"
        f"template = cup/a.png\n{corners}"
    )


def _read_occluders(root: Path, changed: bool) -> None:
    library = from_directory(root)
    for member in library:
        assert member.rgba.shape[2] == 4
        assert all(np.isfinite(side) and side > 0 for side in member.natural_size)
        member.resized(20, 20)
    check_library(library)


def _damage_listed(name: str, data: bytes, rng: random.Random) -> bytes:
    if name.endswith((".json", ".jsonl")) and rng.random() < 0.7:
        try:
            return dump_json(mutate_json(json.loads(data), rng))
        except (ValueError, UnicodeEncodeError):
            pass
    if name.endswith((".png", ".jpg")):
        return mutate_bytes(data, rng)
    return mutate_text(data, rng)


def _make_lists(root: Path) -> None:
    make_tree(root)
    keys = ("anna/1.jpg", "anna/2.jpg", "bert/1.jpg", "bert/2.jpg")
    (root / "labels.csv").write_text(
        "image,identity\n" + "".join(f"{key},{key[:4]}\n" for key in keys)
    )
    records = [json.dumps({"file_name": key, "label": key[:4]}) for key in keys]
    (root / "metadata.jsonl").write_text("\n".join(records))
    (root / "list.lst").write_text("".join(f"1\t{key}\t{n}\n" for n, key in enumerate(keys)))


def _read_lists(root: Path, changed: bool) -> None:
    errors = []
    for name in ("labels.csv", "metadata.jsonl", "list.lst"):
        try:
            touch_source(TableSource(root / name))
        except (DataError, InputError) as error:
            errors.append(error)
    if errors:
        raise errors[0]


def _make_points(root: Path) -> None:
    make_tree(root)
    keys = ("anna/1.jpg", "anna/2.jpg")
    rows = "".join(f"{key},64,48,{TEN}\n" for key in keys)
    (root / "landmarks.csv").write_text(f"crop,width,height,{POINTS}\n{rows}")
    plain = "".join(f"{key} {TEN.replace(',', ' ')}\n" for key in keys)
    (root / "plain.txt").write_text(plain)
    (root / "celeba.txt").write_text(
        "2\nlefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y "
        f"rightmouth_x rightmouth_y\n{plain}"
    )
    table = json.dumps({key: np.arange(10.0).reshape(5, 2).tolist() for key in keys})
    (root / "points.json").write_text(table)
    (root / "list.json").write_text(
        json.dumps([{"image": keys[0], "landmarks": [*range(10)], "box": [0, 0, 9, 9], "score": 1}])
    )
    numbers = "\t".join(map(str, range(14)))
    (root / "faces.lst").write_text(f"0\t{keys[0]}\t3\t{numbers}\n")


def _read_points(root: Path, changed: bool) -> None:
    errors = []
    for path in sorted(root.glob("*.*")):
        try:
            if path.name == "landmarks.csv":
                LandmarkTable.read(path).find("anna/1.jpg", 64, 48)
                touch_source(FolderSource(root))
            else:
                read_landmark_file(path).find("anna/1.jpg")
        except (DataError, InputError) as error:
            errors.append(error)
    if errors:
        raise errors[0]


def _make_boxes(root: Path) -> None:
    (root / "boxes.csv").write_text("key,x0,y0,x1,y1\na,1,2,30,40\nb,0,0,112,96\n")
    (root / "plain.csv").write_text("a,1,2,30,40\nb,0,0,112,96\n")
    (root / "masks").mkdir()
    (root / "masks/a.png").write_bytes(encode(picture(3)[:, :, 0], "PNG"))


def _read_boxes(root: Path, changed: bool) -> None:
    errors = []
    for call in (
        lambda: label_csv(root / "boxes.csv", root / "out.csv", 3, 112, 96),
        lambda: label_csv(root / "plain.csv", root / "out.csv", 3, 112, 96),
        lambda: label_folder(root / "masks", root / "out.csv", 3),
    ):
        try:
            call()
        except (DataError, InputError) as error:
            errors.append(error)
    if errors:
        raise errors[0]


def _make_config(root: Path) -> None:
    (root / "config.json").write_text(
        BuildConfig(dataset="demo", mix="random=1", placement="mixed").to_json()
    )


def _read_config(root: Path, changed: bool) -> None:
    config = BuildConfig.from_json((root / "config.json").read_text("utf-8", "replace"))
    assert len(config.scales) <= 1000


def _craft_lists(valid: Files) -> Iterator[Files]:
    for text in HOSTILE_TEXT:
        cell = text.encode("utf-8", "surrogatepass")
        yield valid | {"labels.csv": b"image,identity\n" + cell + b",a\nanna/1.jpg," + cell + b"\n"}
        yield valid | {"list.lst": b"1\t" + cell + b"\t" + cell + b"\n"}


READERS = [
    Reader("picture", _make_pictures, _read_pictures, crafted=_craft_pictures, is_named=False),
    Reader("occluders.csv", _make_occluders, _read_occluders, damage=_damage_listed),
    Reader("occluders index.json", _make_indexed, _read_occluders, damage=_damage_listed,
           targets=("*.json", "*/*.png")),
    Reader("occluders masks.cfg", _make_templates, _read_occluders, damage=_damage_listed,
           targets=("*.cfg",)),
    Reader("lists of pictures", _make_lists, _read_lists, ("*.*",), _damage_listed,
           crafted=_craft_lists),
    Reader("landmark files", _make_points, _read_points, ("*.*",), _damage_listed),
    Reader("boxes and masks", _make_boxes, _read_boxes, damage=_damage_listed),
    Reader("build configuration", _make_config, _read_config, damage=lambda name, data, rng:
           dump_json(mutate_json(json.loads(data), rng)), is_named=False),
]  # fmt: skip
