"""Every odd picture a person may have is read as they see it; every bad one is named."""

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, ImageFile, features

from occgen.codec import (
    MAX_PIXELS,
    MAX_SIDE,
    _jfif_size,
    bgr_to_rgb,
    decode_image,
    encoder,
    read_size,
)
from occgen.errors import DataError, InputError

UInt8 = NDArray[np.uint8]
Draw = Callable[..., UInt8]
Encode = Callable[..., bytes]

needs_avif = pytest.mark.skipif(
    "avif" not in features.get_supported_modules(), reason="this Pillow reads no AVIF"
)


@pytest.fixture
def picture(draw_picture: Draw) -> UInt8:
    return draw_picture(0, 40, 30)


def saved(picture: Image.Image, file_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, file_format, **options)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    """Return a PNG of a few bytes whose header claims a size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def jpeg_header(data: bytes, width: int, height: int) -> bytes:
    """Return a JPEG whose header claims another size."""
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def test_jpeg_pixels_are_those_of_pillow(picture: UInt8, encode_picture: Encode) -> None:
    for options in ({}, {"subsampling": 0}, {"progressive": True}, {"quality": 30}):
        data = encode_picture(picture, "JPEG", **options)
        expected = np.array(Image.open(io.BytesIO(data)).convert("RGB"))
        decoded = decode_image(data)
        assert decoded.dtype == np.uint8
        assert (decoded == expected).all()


def test_the_size_a_header_names_is_the_codecs_wherever_the_header_ends(
    picture: UInt8, encode_picture: Encode
) -> None:
    """The short way through a JFIF header says what the codec says, or nothing."""
    known = 0
    for options in ({}, {"optimize": True}, {"progressive": True}, {"comment": b"x" * 900}):
        data = encode_picture(picture, "JPEG", **options)
        for end in (*range(0, 1400, 7), len(data)):
            size = _jfif_size(data[:end])
            assert size in (None, picture.shape[:2])
            known += size is not None
        assert _jfif_size(data) == simplejpeg.decode_jpeg_header(data)[:2]
    assert known > 100
    grey = encode_picture(picture[:, :, 0], "JPEG")
    assert _jfif_size(grey) is None


@pytest.mark.parametrize("file_format", ["PNG", "BMP", "TIFF", "PPM", "TGA"])
def test_lossless_files_give_their_pixels(
    file_format: str, picture: UInt8, encode_picture: Encode
) -> None:
    data = encode_picture(picture, file_format)
    assert (decode_image(data) == picture).all()
    assert read_size(data) == (40, 30)


def test_webp_and_gif_are_read(picture: UInt8, encode_picture: Encode) -> None:
    assert (decode_image(encode_picture(picture, "WEBP", lossless=True)) == picture).all()
    gif = saved(Image.fromarray(picture).quantize(64), "GIF")
    assert np.abs(decode_image(gif).astype(int) - picture).mean() < 12


@needs_avif
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_avif_is_read_and_turned(orientation: int, picture: UInt8) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(np.rot90(picture, {1: 0, 3: 2, 6: 1}[orientation]))
    data = saved(Image.fromarray(stored), "AVIF", quality=95, subsampling="4:4:4", exif=exif)
    assert np.abs(decode_image(data).astype(int) - picture).mean() < 3
    assert read_size(data) == (40, 30)


def test_a_format_this_pillow_lacks_is_passed_over(
    picture: UInt8, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pillow raises KeyError for a format it does not know, whatever comes after it."""
    tga = saved(Image.fromarray(picture), "TGA")
    monkeypatch.delitem(Image.OPEN, "AVIF", raising=False)
    assert (decode_image(tga) == picture).all()
    with pytest.raises(DataError, match="not a picture this machine can read"):
        decode_image(b"\0\0\0\x20ftypavif\0\0\0\0" + bytes(200))


def test_the_first_picture_of_an_mpo_is_read(picture: UInt8) -> None:
    frames = [Image.fromarray(picture), Image.fromarray(255 - picture)]
    for exif in (b"", Image.Exif().tobytes()):  # without it libjpeg-turbo reads the file alone
        data = saved(frames[0], "MPO", save_all=True, append_images=frames[1:], exif=exif)
        assert Image.open(io.BytesIO(data)).format == "MPO"
        assert np.abs(decode_image(data).astype(int) - picture).mean() < 12
        assert read_size(data) == (40, 30)


def test_a_tga_header_of_no_kind_is_named(picture: UInt8) -> None:
    data = bytearray(saved(Image.fromarray(picture), "TGA"))
    data[16] = 8  # bits a pixel of a picture in colour
    with pytest.raises(DataError, match="damaged or truncated TGA"):
        decode_image(bytes(data))


def test_of_several_frames_the_first_is_taken(picture: UInt8) -> None:
    frames = [Image.fromarray(picture), Image.fromarray(255 - picture)]
    data = saved(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    assert (decode_image(data) == picture).all()


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "BMP"])
def test_grey_is_repeated(file_format: str, picture: UInt8) -> None:
    data = saved(Image.fromarray(picture).convert("L"), file_format)
    decoded = decode_image(data)
    assert decoded.shape == (40, 30, 3)
    assert (decoded == np.array(Image.open(io.BytesIO(data)))[:, :, None]).all()


def test_one_bit_is_black_and_white(picture: UInt8) -> None:
    bits = Image.fromarray(picture).convert("1")
    assert set(np.unique(decode_image(saved(bits, "PNG")))) <= {0, 255}


def test_a_palette_is_looked_up(picture: UInt8) -> None:
    flat = Image.fromarray(picture).quantize(16)
    assert (decode_image(saved(flat, "PNG")) == np.array(flat.convert("RGB"))).all()


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF"])
def test_transparency_is_laid_on_black(file_format: str, picture: UInt8) -> None:
    alpha = np.zeros((40, 30), np.uint8)
    alpha[:, 10:20], alpha[:, 20:] = 128, 255
    options = {"lossless": True, "exact": True} if file_format == "WEBP" else {}
    data = saved(Image.fromarray(np.dstack([picture, alpha])), file_format, **options)
    decoded = decode_image(data)
    assert (decoded[:, :10] == 0).all()
    assert np.abs(decoded[:, 10:20] - picture[:, 10:20] * (128 / 255)).max() <= 1
    assert (decoded[:, 20:] == picture[:, 20:]).all()


def test_grey_with_alpha_and_a_transparent_palette_entry(picture: UInt8) -> None:
    grey = Image.fromarray(picture).convert("LA")
    grey.putalpha(Image.fromarray(np.full((40, 30), 0, np.uint8)))
    assert (decode_image(saved(grey, "PNG")) == 0).all()
    flat = Image.fromarray(np.tile([[0, 1]], (4, 2)).astype(np.uint8), "L").convert("P")
    flat.putpalette([200, 100, 50, 10, 20, 30])
    decoded = decode_image(saved(flat, "PNG", transparency=0))
    assert decoded[0, :2].tolist() == [[0, 0, 0], [10, 20, 30]]


def test_sixteen_bits_are_cut_to_eight() -> None:
    levels = np.array([[0, 257, 128 * 257, 65535]], np.uint16)
    for file_format in ("PNG", "TIFF"):
        decoded = decode_image(saved(Image.fromarray(levels), file_format))
        assert decoded.tolist() == [[[0] * 3, [1] * 3, [128] * 3, [255] * 3]]


def test_a_sixteen_bit_colour_png_is_cut_to_eight() -> None:
    """Written byte by byte, since Pillow writes no such file."""
    rows = b"\0" + np.array([0x1234, 0x80FF, 0xFFFF, 0, 0x7F00, 0x0100], ">u2").tobytes()

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0))
    data += chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    expected = np.array([[[0x12, 0x80, 0xFF], [0, 0x7F, 1]]])
    assert np.abs(decode_image(data).astype(int) - expected).max() <= 1


def test_float_tiff_is_read() -> None:
    grey = np.linspace(0, 255, 12, dtype=np.float32).reshape(3, 4)
    decoded = decode_image(saved(Image.fromarray(grey), "TIFF"))
    assert np.abs(decoded[:, :, 0] - grey).max() <= 0.5


@pytest.mark.parametrize("kind", [np.float32, np.int32])
@pytest.mark.parametrize("most", [1, 255, 65535])
def test_levels_of_any_range_become_eight_bits(kind: type, most: int) -> None:
    grey = np.arange(256).reshape(16, 16)
    levels = (grey * (most / 255)).astype(kind)
    decoded = decode_image(saved(Image.fromarray(levels), "TIFF"))
    if kind is np.int32 and most == 1:  # whole levels are levels, as in a mask of zeros and ones
        grey = levels
    assert (decoded == grey[:, :, None]).all()


@pytest.mark.parametrize(
    ("level", "reason"),
    [
        (-3, r"levels from -3 to 5: 0 to 1 \(floats\), to 255 or to 65,535 can be read"),
        (65536, "levels from 5 to 65,536: 0 to 1"),
        (np.nan, "levels from nan to nan: 0 to 1"),
        (np.inf, "levels from 5 to inf: 0 to 1"),
    ],
)
def test_levels_of_no_range_are_named(level: float, reason: str) -> None:
    for kind in (np.float32, np.int32) if np.isfinite(level) else (np.float32,):
        levels = np.array([[5, level, 5]]).astype(kind)
        with pytest.raises(DataError, match=f"^{reason}"):
            decode_image(saved(Image.fromarray(levels), "TIFF"))


def test_a_dark_picture_of_sixteen_bits_stays_dark() -> None:
    """PNG and PGM say that they have 16 bits, whatever the levels."""
    levels = np.array([[0, 255]], np.uint16)
    pgm = b"P5 2 1 65535\n" + levels.astype(">u2").tobytes()
    for data in (saved(Image.fromarray(levels), "PNG"), pgm):
        assert decode_image(data).tolist() == [[[0] * 3, [1] * 3]]


def test_cmyk_is_converted(picture: UInt8) -> None:
    data = saved(Image.fromarray(picture).convert("CMYK"), "JPEG", quality=95)
    decoded = decode_image(data)
    assert decoded.shape == picture.shape
    assert np.abs(decoded.astype(int) - picture).mean() < 8


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_exif_rotation_is_applied(orientation: int, picture: UInt8) -> None:
    """The file holds the picture turned, the tag says how to turn it back."""
    stored = {
        1: picture,
        2: picture[:, ::-1],
        3: picture[::-1, ::-1],
        4: picture[::-1],
        5: picture.transpose(1, 0, 2),
        6: np.rot90(picture, 1),
        7: picture[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(picture, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    whole = Image.fromarray(np.ascontiguousarray(stored))
    data = saved(whole, "JPEG", quality=95, subsampling=0, exif=exif)
    assert np.abs(decode_image(data).astype(int) - picture).mean() < 3
    assert read_size(data) == (40, 30)


def jpeg_parts(picture: UInt8, orientation: int) -> tuple[bytes, bytes]:
    """Return a JFIF file without tags, and the segment that says how to turn it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(Image.fromarray(picture), "JPEG", quality=95, exif=exif)
    start = data.index(b"\xff\xe1")
    segment = data[start : start + 2 + int.from_bytes(data[start + 2 : start + 4], "big")]
    plain = data.replace(segment, b"")
    if not plain[6:11].startswith(b"JFIF"):
        jfif = b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"
        plain = plain[:2] + jfif + plain[2:]
    return plain, segment


def jpeg_segment(kind: int, body: bytes) -> bytes:
    return bytes([0xFF, kind]) + struct.pack(">H", len(body) + 2) + body


@pytest.mark.parametrize("behind_frame", [False, True])
def test_an_exif_rotation_counts_wherever_it_stands_before_the_scan(
    behind_frame: bool, picture: UInt8
) -> None:
    plain, segment = jpeg_parts(picture, 3)
    at = plain.index(b"\xff\xda") if behind_frame else 20  # behind the JFIF segment
    turned = decode_image(plain[:at] + segment + plain[at:])
    np.testing.assert_array_equal(turned, decode_image(plain)[::-1, ::-1])


@pytest.mark.parametrize("length", [1_000, 2_100, 3_000, 65_000])
@pytest.mark.parametrize(("kind", "start"), [(0xE2, b"ICC_PROFILE\0\1\1"), (0xFE, b"")])
def test_an_exif_rotation_counts_behind_a_profile_or_comment_of_any_length(
    kind: int, start: bytes, length: int, picture: UInt8
) -> None:
    plain, segment = jpeg_parts(picture, 6)
    data = plain[:20] + jpeg_segment(kind, start + b"x" * length) + segment + plain[20:]
    np.testing.assert_array_equal(decode_image(data), np.rot90(decode_image(plain), -1))
    assert read_size(data) == (30, 40)


def test_a_rotation_in_xmp_counts_in_the_pixels_where_it_counts_in_the_size(
    picture: UInt8,
) -> None:
    """Not every Pillow looks for it."""
    plain, _ = jpeg_parts(picture, 1)
    xmp = b'http://ns.adobe.com/xap/1.0/\0<x:xmpmeta tiff:Orientation="6"></x:xmpmeta>'
    data = plain[:20] + jpeg_segment(0xE1, xmp) + plain[20:]
    assert decode_image(data).shape[:2] == read_size(data)


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_an_exif_rotation_counts_in_every_format(
    file_format: str, orientation: int, picture: UInt8
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.rot90(picture, {3: 2, 6: 1, 8: -1}[orientation])
    options = {"lossless": True} if file_format == "WEBP" else {}
    whole = Image.fromarray(np.ascontiguousarray(stored))
    data = saved(whole, file_format, exif=exif, **options)
    assert (decode_image(data) == picture).all()
    assert read_size(data) == (40, 30)


def test_damaged_tags_are_no_reason_to_refuse_the_pixels(picture: UInt8) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    data = bytearray(saved(Image.fromarray(picture), "JPEG", exif=exif))
    at = data.index(b"Exif\0\0") + 6
    for damage in (b"XX", b"\xff" * 20):
        data[at : at + len(damage)] = damage
        assert decode_image(bytes(data)).shape in ((40, 30, 3), (30, 40, 3))


def test_exif_without_rotation_changes_nothing(picture: UInt8) -> None:
    exif = Image.Exif()
    exif[0x010F] = "maker"
    plain, tagged = (
        saved(Image.fromarray(picture), "JPEG", **options) for options in ({}, {"exif": exif})
    )
    assert (decode_image(plain) == decode_image(tagged)).all()


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF", "BMP"])
@pytest.mark.parametrize("share", [0.2, 0.6, 0.95])
def test_truncated_files_are_named(
    file_format: str, share: float, draw_picture: Draw, encode_picture: Encode
) -> None:
    data = encode_picture(draw_picture(1), file_format)
    with pytest.raises(DataError) as caught:
        decode_image(data[: int(len(data) * share)])
    message = str(caught.value)
    assert "truncated" in message or "not a picture" in message
    assert "\n" not in message


def test_a_jpeg_cut_after_its_tags_is_named(picture: UInt8) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved(Image.fromarray(picture), "JPEG", exif=exif)
    with pytest.raises(DataError, match="damaged or truncated JPEG"):
        decode_image(data[: len(data) // 2 + 200])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", r"empty file \(0 bytes\)"),
        (b"hello, this is a text\n" * 50, "not a picture"),
        (b"\xff\xd8\xff", "not a picture|truncated"),
        (b"\x89PNG\r\n\x1a\n", "not a picture"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "not a picture"),
        (b"\0" * 4096, "not a picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
    ],
)
def test_no_picture_is_named(data: bytes, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        decode_image(data)
    with pytest.raises(DataError, match="empty file" if not data else "picture"):
        read_size(data)


@pytest.mark.parametrize("side", [8_000, 60_000, 2_000_000_000])
def test_a_huge_png_is_refused_by_its_header(side: int) -> None:
    assert side * side > MAX_PIXELS
    for read in (decode_image, read_size):
        with pytest.raises(DataError, match="too large"):
            read(png_header(side, side))


def test_a_huge_jpeg_is_refused_by_its_header(picture: UInt8, encode_picture: Encode) -> None:
    data = jpeg_header(encode_picture(picture), 65_000, 65_000)
    for read in (decode_image, read_size):
        with pytest.raises(DataError, match="too large"):
            read(data)


@pytest.mark.parametrize("tagged", [False, True])
@pytest.mark.parametrize("size", [(MAX_SIDE + 1, 2), (2, MAX_SIDE + 1)])
@pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
def test_a_side_too_long_for_a_box_is_refused_by_its_header(
    file_format: str, size: tuple[int, int], tagged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved(Image.new("RGB", size), file_format, **({"exif": exif} if tagged else {}))
    monkeypatch.setattr(simplejpeg, "decode_jpeg", lambda *_, **__: pytest.fail("decoded"))
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("decoded"))
    reason = f"too large: {size[0]}x{size[1]} has a side of more than 32,767 pixels"
    for read in (decode_image, read_size):
        with pytest.raises(DataError, match=reason):
            read(data)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
def test_the_longest_side_is_read(file_format: str) -> None:
    data = saved(Image.new("RGB", (2, MAX_SIDE)), file_format)
    assert decode_image(data).shape == (MAX_SIDE, 2, 3)


@pytest.mark.parametrize(
    "file_format",
    [
        *("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "PPM", "TGA"),
        pytest.param("AVIF", marks=needs_avif),
    ],
)
@pytest.mark.parametrize("tagged", [False, True])
def test_flipped_bytes_give_a_picture_or_a_reason(
    file_format: str, tagged: bool, picture: UInt8
) -> None:
    """Never another exception or a warning, whatever the damage."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    data = saved(Image.fromarray(picture), file_format, **({"exif": exif} if tagged else {}))
    rng = np.random.default_rng(0)
    reasons = []
    for number in range(90):
        damaged = bytearray(data)
        for at in rng.integers(0, min(len(data), 300 if number % 2 else 10**6), 3):
            damaged[at] = rng.integers(256)
        cut = rng.integers(1, len(data)) if number % 3 == 0 else len(data)
        for read in (decode_image, read_size):
            try:
                read(bytes(damaged[:cut]))
            except DataError as error:
                reasons.append(str(error))
    assert reasons
    assert all("\n" not in reason and len(reason) < 200 for reason in reasons)


def test_png_is_lossless_and_jpeg_is_420(picture: UInt8) -> None:
    assert (decode_image(encoder("png", 95)(picture)) == picture).all()
    data = encoder("jpeg", 95)(picture)
    opened = Image.open(io.BytesIO(data))
    assert opened.format == "JPEG"
    assert [component[1:3] for component in opened.layer] == [(2, 2), (1, 1), (1, 1)]  # type: ignore[attr-defined]
    assert np.abs(decode_image(data).astype(int) - picture).mean() < 4


def test_quality_orders_the_sizes(draw_picture: Draw) -> None:
    sizes = [len(encoder("jpeg", quality)(draw_picture(3))) for quality in (10, 50, 95, 100)]
    assert sizes == sorted(set(sizes))


def test_published_jpeg_is_pillows(picture: UInt8, encode_picture: Encode) -> None:
    assert encoder("pillow-jpeg", 75)(picture) == encode_picture(picture, "JPEG")


def test_encoding_repeats_and_takes_a_cut_array(draw_picture: Draw) -> None:
    wide = draw_picture(2)
    for codec in ("jpeg", "png", "pillow-jpeg"):
        encode = encoder(codec, 95)
        cut = np.ascontiguousarray(wide[:, 8:104])
        assert encode(cut) == encode(cut.copy())
        assert decode_image(encode(cut)).shape == (112, 96, 3)


def test_an_unknown_codec_is_named() -> None:
    with pytest.raises(InputError, match="codec must be jpeg or png, got 'gif'"):
        encoder("gif", 95)


def test_bgr_to_rgb_is_its_own_inverse(picture: UInt8) -> None:
    turned = bgr_to_rgb(picture)
    assert (turned[:, :, 0] == picture[:, :, 2]).all()
    assert turned.flags.c_contiguous
    assert (bgr_to_rgb(turned) == picture).all()
