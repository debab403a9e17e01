"""Decode pictures to RGB uint8 arrays and encode them; the only place that knows file formats.

JPEG goes through libjpeg-turbo (simplejpeg) with the accurate transform, so pixels equal those of
Pillow and OpenCV; everything else goes through Pillow.
"""

import io
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from occluders.picture_file import open_picture

from .errors import DataError, InputError

__all__ = [
    "MAX_PIXELS",
    "MAX_SIDE",
    "bgr_to_rgb",
    "decode_image",
    "encoder",
    "jpeg_quality",
    "picture_ending",
    "read_size",
    "round_trip_jpeg",
]

MAX_PIXELS = 50_000_000  # refused by the header, before a byte is decoded
MAX_SIDE = 32_767  # pixels; boxes are int16
_LEAST_SCAN = 8  # bytes of a scan's marker and header, whatever it holds
_MOST_PASSES = 20 * MAX_PIXELS  # pixels times scans of a JPEG: each scan goes over all of them

_TURNS = {  # EXIF orientation: what brings the picture upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_USUAL_HEAD = 611  # bytes to the mark of the scan, with the standard tables before it
_EXIF = b"Exif\0\0"
_XMP_TURN = b"tiff:Orientation"  # XMP may say what EXIF says elsewhere
_SCAN = b"\xff\xda"

_LUMA_SUM = 3688  # of the standard table of quantisation for luminance, at quality 50
_BEGINNINGS = (  # of files, and the ending such a file has
    (b"\xff\xd8\xff", ".jpg"),
    (b"\x89PNG", ".png"),
    (b"GIF8", ".gif"),
    (b"RIFF", ".webp"),
    (b"II*\0", ".tif"),
    (b"MM\0*", ".tif"),
    (b"\0\0\0\x0cjP", ".jp2"),
    (b"BM", ".bmp"),
    (b"P5", ".pgm"),
    (b"P6", ".ppm"),
)

UInt8 = NDArray[np.uint8]


def picture_ending(data: bytes) -> str:
    """Return the file name's ending that goes with an encoded picture, with its dot."""
    return next((ending for start, ending in _BEGINNINGS if data.startswith(start)), ".jpg")


def bgr_to_rgb(image: UInt8) -> UInt8:
    """Return an image with its channels reversed; its own inverse.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W, 3)

    Returns
    -------
    ndarray of uint8, shape (H, W, 3)
    """
    return np.ascontiguousarray(image[..., ::-1])


def read_size(data: bytes) -> tuple[int, int]:
    """Return height and width from the header alone, as the decoded picture will have them.

    Raises
    ------
    DataError
        When the data are empty, no picture, or larger than `MAX_PIXELS` or `MAX_SIDE`.
    """
    with _opened(data) as picture:
        width, height = picture.size
        if _orientation(picture) >= 5:
            width, height = height, width
    return height, width


def decode_image(data: bytes) -> UInt8:
    """Return a picture's pixels as a person would see them.

    Parameters
    ----------
    data : bytes
        A JPEG, PNG, WebP, BMP, TIFF, GIF, PNM, JPEG 2000, TGA or AVIF file.

    Returns
    -------
    ndarray of uint8, shape (H, W, 3)
        RGB. Grey is repeated, a palette looked up, 16 bits a channel cut to 8, CMYK converted,
        transparency laid on black, an EXIF rotation applied; of several frames the first is taken.

    Raises
    ------
    DataError
        When the data are empty, truncated, no picture, larger than `MAX_PIXELS` or `MAX_SIDE`, or
        of levels that tell no range; the message is the reason alone, without a file name.

    Notes
    -----
    The range of floats and of whole numbers of 32 bits is told by the levels themselves: floats up
    to 1 are shares of white, levels up to 255 stay, levels up to 65,535 are cut to 8 bits.
    """
    if _is_plain_jpeg(data):
        try:
            return simplejpeg.decode_jpeg(data, "RGB", fastdct=False, fastupsample=False)
        except ValueError as error:
            raise DataError(f"damaged or truncated JPEG ({_first_line(error)})") from error
    with _opened(data) as picture:
        kind = picture.format or "picture"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                picture.load()
                turn = _TURNS.get(_orientation(picture))
                return _to_rgb(picture if turn is None else picture.transpose(turn), kind)
        except DataError:
            raise
        except Exception as error:  # a decoder given damaged data may raise anything
            raise DataError(f"damaged or truncated {kind} ({_first_line(error)})") from error


def encoder(codec: str, quality: int) -> Callable[[UInt8], bytes]:
    """Return the function that encodes an RGB image.

    Parameters
    ----------
    codec : {'jpeg', 'png', 'pillow-jpeg'}
        JPEG with 4:2:0 colour by libjpeg-turbo, lossless PNG, or JPEG by Pillow, as the published
        generator writes it.
    quality : int
        Of a JPEG, 1 to 100.

    Returns
    -------
    callable
        From an array of uint8, shape (H, W, 3), to bytes.
    """
    if codec == "jpeg":
        return lambda image: simplejpeg.encode_jpeg(
            image, quality=quality, colorspace="RGB", colorsubsampling="420", fastdct=False
        )
    formats: dict[str, tuple[str, dict[str, Any]]] = {
        "png": ("PNG", {"compress_level": 3}),
        "pillow-jpeg": ("JPEG", {"quality": quality}),
    }
    if codec not in formats:
        raise InputError(f"codec must be jpeg or png, got {codec!r}")
    file_format, options = formats[codec]

    def encode(image: UInt8) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, file_format, **options)
        return buffer.getvalue()

    return encode


def jpeg_quality(data: bytes) -> int | None:
    """Return the quality a JPEG was written with, as libjpeg counts it.

    Parameters
    ----------
    data : bytes
        Of any file.

    Returns
    -------
    int or None
        1 to 100, from the sum of its first table of quantisation, so a little high below 20; None
        for what is no JPEG.
    """
    if data[:3] != b"\xff\xd8\xff":
        return None
    start = data.find(b"\xff\xdb", 2)
    table = data[start + 5 : start + 69]
    if start < 0 or len(table) < 64 or data[start + 4] >> 4:
        return None
    percent = 100 * sum(table) / _LUMA_SUM
    quality = (200 - percent) / 2 if percent <= 100 else 5000 / percent
    return max(1, min(100, round(quality)))


def round_trip_jpeg(image: UInt8, quality: int) -> UInt8:
    """Return an image as it is after JPEG compression with 4:2:0 colour.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W, 3)
    quality : int
        1 to 100.
    """
    data = simplejpeg.encode_jpeg(
        image, quality=quality, colorspace="RGB", colorsubsampling="420", fastdct=True
    )
    return simplejpeg.decode_jpeg(data, "RGB", fastdct=True, fastupsample=True)


def _opened(data: bytes) -> Image.Image:
    if not data:
        raise DataError("empty file (0 bytes)")
    try:
        picture = open_picture(data)
    except Image.DecompressionBombError as error:
        raise DataError(f"too large: more than {MAX_PIXELS:,} pixels") from error
    except Exception as error:  # a reader given damaged data may raise anything
        raise DataError("not a picture this machine can read") from error
    _check_size(picture.height, picture.width)
    if picture.format in ("JPEG", "MPO"):
        _check_scans(data, picture.height, picture.width)
    return picture


def _orientation(picture: Image.Image) -> int:
    """Return the EXIF orientation still to be applied, 1 where there is none or it is damaged."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = picture.getexif().get(0x0112, 1)
    except Exception:  # damaged tags are no reason to refuse the pixels
        return 1
    return value if value in _TURNS and picture.format != "TIFF" else 1  # a TIFF turns on loading


def _is_plain_jpeg(data: bytes) -> bool:
    """Whether libjpeg-turbo alone gives the picture: no rotation, not CMYK, not too large."""
    area = _usual_area(data[:_USUAL_HEAD])
    if area is not None and area <= MAX_PIXELS and len(data) // _LEAST_SCAN * area <= _MOST_PASSES:
        return True  # as most: what is checked below takes a microsecond
    if data[:3] != b"\xff\xd8\xff":
        return False
    size = _jfif_size(data)
    if size is not None:
        _check_size(*size)
        _check_scans(data, *size)
        return True
    if _EXIF in data or _XMP_TURN in data:  # behind a profile or comment of any length
        return False
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return False
    _check_size(height, width)
    _check_scans(data, height, width)
    return space in ("YCbCr", "RGB", "Gray")


def _jfif_size(data: bytes) -> tuple[int, int] | None:
    """Return height and width of a JFIF file of three components, or None for any other.

    JFIF has grey or YCbCr alone, so the headers need not be parsed by the codec as well, which
    takes ten times as long.
    """
    return _frame_size(data) if data[6:11] == b"JFIF\0" else None


def _frame_size(data: bytes) -> tuple[int, int] | None:
    """Return height and width of a JPEG that has plain segments alone up to its scan, or None."""
    place, end, size = 2, len(data) - 1, None
    while place < end and data[place] == 0xFF:
        kind = data[place + 1]
        if kind == 0xDA:  # the scan
            return size
        if kind in (0xC0, 0xC2):  # baseline or progressive frame
            if len(data) < place + 10 or data[place + 9] != 3:
                return None
            size = data[place + 5] << 8 | data[place + 6], data[place + 7] << 8 | data[place + 8]
        elif not (kind == 0xDB or kind == 0xC4 or kind == 0xE0 or kind == 0xFE or kind == 0xDD):
            return None  # a profile, EXIF, an Adobe marker: the codec looks itself
        if place + 4 > len(data):
            return None
        place += 2 + (data[place + 2] << 8 | data[place + 3])
    return None


@lru_cache(maxsize=64)
def _usual_area(head: bytes) -> int | None:
    """Return the pixels of a JFIF file as its first bytes tell them, or None.

    None as well where a side is too long. Files of one writer most often begin alike, down to
    their scan.
    """
    if head[:3] != b"\xff\xd8\xff":
        return None
    size = _jfif_size(head)
    return None if size is None or max(size) > MAX_SIDE else size[0] * size[1]


def _check_size(height: int, width: int) -> None:
    if height * width > MAX_PIXELS:
        raise DataError(f"too large: {width}x{height} is more than {MAX_PIXELS:,} pixels")
    if max(height, width) > MAX_SIDE:
        raise DataError(f"too large: {width}x{height} has a side of more than {MAX_SIDE:,} pixels")


def _check_scans(data: bytes, height: int, width: int) -> None:
    """Raise DataError for a JPEG of so many scans that a small file takes hours."""
    if len(data) // _LEAST_SCAN * height * width <= _MOST_PASSES:
        return  # there is no room for so many: counting takes a tenth of decoding
    scans = data.count(_SCAN)  # inside a scan 0xff is never followed by 0xda
    if scans * height * width > _MOST_PASSES:
        raise DataError(f"{scans} scans of {width}x{height} pixels: no JPEG needs so many")


def _to_rgb(picture: Image.Image, kind: str) -> UInt8:
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        levels = np.asarray(picture)
        has_any_range = picture.mode == "F" or (picture.mode == "I" and kind == "TIFF")
        scale = _level_scale(levels) if has_any_range else 1 / 257
        grey = np.clip(np.rint(levels.astype(np.float64) * scale), 0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        picture = Image.new("RGBA", layer.size, (0, 0, 0, 255))
        picture.alpha_composite(layer)
    return np.array(picture.convert("RGB"))


def _level_scale(levels: NDArray[Any]) -> float:
    """Return what brings the levels of a file that does not say their range to 0..255."""
    least, most = levels.min().item(), levels.max().item()
    if not (least >= 0 and most <= 65535):  # also where one is NaN
        raise DataError(
            f"levels from {least:,.6g} to {most:,.6g}: "
            "0 to 1 (floats), to 255 or to 65,535 can be read"
        )
    if most > 255:
        return 1 / 257
    return 255.0 if most <= 1 and levels.dtype.kind == "f" else 1.0


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].strip()[:120]
