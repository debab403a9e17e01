"""Pictures of occluders as they lie on a disk: RGBA, or colours with a mask in a second file."""

import hashlib
import io
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from .errors import OccluderDataError

__all__ = ["load_rgba", "open_picture", "picture_sha256"]

_FORMATS = (  # an MPO is read as the JPEG it begins with; a TGA has no mark, so it comes last
    *("JPEG", "PNG", "WEBP", "BMP", "DIB", "TIFF", "GIF", "PPM", "JPEG2000", "AVIF", "TGA"),
)
_MAX_PIXELS = 50_000_000  # refused by the header, before a byte is decoded

UInt8 = NDArray[np.uint8]


def open_picture(data: bytes) -> Image.Image:
    """Return a picture of which the header alone is read.

    Parameters
    ----------
    data : bytes
        A JPEG, PNG, WebP, BMP, TIFF, GIF, PNM, JPEG 2000, AVIF or TGA file.

    Raises
    ------
    UnidentifiedImageError
        When it is none of these, or of a format the installed Pillow lacks, as some lack AVIF.
    Exception
        Of any kind, when the data are damaged.

    Notes
    -----
    Pillow is let read pictures alone: it hands PostScript to a program that runs it.
    """
    Image.init()
    formats = tuple(name for name in _FORMATS if name in Image.OPEN)
    with warnings.catch_warnings():  # the callers have limits of their own; odd metadata is no harm
        warnings.simplefilter("ignore")
        return Image.open(io.BytesIO(data), formats=formats)


def picture_sha256(root: Any, file: str, mask: str = "") -> str:
    """Return the SHA-256 of a picture's file, followed by that of its mask where it has one.

    Raises
    ------
    OccluderDataError
        When one cannot be read.
    """
    return hashlib.sha256(_read(root / file) + (_read(root / mask) if mask else b"")).hexdigest()


def load_rgba(root: Any, file: str, sha256: str, mask: str = "") -> UInt8:
    """Return a picture file as RGBA.

    Parameters
    ----------
    root : Path or Traversable
    file : str
        Relative to `root`.
    sha256 : str
        Of the file, or of the file followed by its mask.
    mask : str, optional
        File whose levels are the matte, white where the occluder is seen; of a picture with
        transparency, its alpha. A mask of zeros and ones is read as one of black and white.

    Raises
    ------
    OccluderDataError
        When one is missing, damaged, too large, not what the library was opened with, or the mask
        has another size.
    """
    path = root / file
    data = _read(path)
    mask_data = _read(root / mask) if mask else b""
    if hashlib.sha256(data + mask_data).hexdigest() != sha256:
        raise OccluderDataError(f"{path} changed since the library was opened, or is damaged")
    picture = _decoded(path, data)
    if not mask:
        return picture
    levels = _decoded(root / mask, mask_data)
    if levels.shape != picture.shape:
        sizes = [f"{side[1]}x{side[0]}" for side in (levels.shape, picture.shape)]
        raise OccluderDataError(f"{root / mask} is {sizes[0]} pixels and its picture {sizes[1]}")
    if (levels[:, :, 3] < 255).any():
        matte = levels[:, :, 3]
    else:
        matte = np.rint(levels[:, :, :3] @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
    if matte.max() == 1:
        matte = matte * np.uint8(255)
    picture[:, :, 3] = matte
    return picture


def _read(path: Any) -> bytes:
    try:
        return bytes(path.read_bytes())
    except OSError as error:
        raise OccluderDataError(f"{path} cannot be read ({error.strerror})") from error


def _decoded(path: Any, data: bytes) -> UInt8:
    try:
        with warnings.catch_warnings():  # our own limit follows; odd metadata is no reason
            warnings.simplefilter("ignore")
            with open_picture(data) as picture:
                if picture.width * picture.height <= _MAX_PIXELS:
                    upright = ImageOps.exif_transpose(picture)
                    if upright.mode.startswith("I;16"):  # Pillow would make all above 255 white
                        upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
                    return np.array(upright.convert("RGBA"))
    except Image.DecompressionBombError:
        pass
    except UnidentifiedImageError as error:
        raise OccluderDataError(f"{path} is damaged or no picture this machine can read") from error
    except Exception as error:  # a reader given damaged data may raise anything
        raise OccluderDataError(f"{path} is damaged or no picture ({error})") from error
    raise OccluderDataError(f"{path} is too large: more than {_MAX_PIXELS:,} pixels")
