"""What data sets can be read by name: what each is, how its owner lays it out, what it asks."""

import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CATALOG", "DataSet", "Download", "expected_at"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Download:
    """A file that may be downloaded freely."""

    name: str
    url: str
    hash: str
    """As `pooch` writes it: the algorithm, a colon, the digest."""
    unpack: bool = False
    """Whether it is an archive of pictures."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DataSet:
    """A data set that can be named."""

    name: str
    about: str
    layout: str
    """What is looked for in its folder."""
    licence: str
    """What its owners ask, in a sentence; written in the manifest of a build."""
    source: str
    """How to get it."""
    downloads: tuple[Download, ...] = ()
    """What ``occgen fetch`` gets."""


_OWN = "as its owner has it: the pictures' rights and consents are the user's to know."
_LFW = "LFW is for research; the photographs belong to their news agencies."

_ALL = (
    DataSet(
        name="demo",
        about="drawn faces, 250 people x 4 pictures",
        layout="nothing; --root 1000x8@7 says how many people, pictures and which",
        licence="CC0: drawn by occgen from parameters, shows nobody.",
        source="comes with occgen",
    ),
    DataSet(
        name="lfw",
        about="Labeled Faces in the Wild, 13,233 pictures of 5,749 people",
        layout="NAME/NAME_0001.jpg, aligned crops; pairs.txt or pairs.csv",
        licence=_LFW,
        source="occgen fetch lfw, then occgen align",
        downloads=(
            Download(
                name="lfw-funneled.tgz",
                url="https://ndownloader.figshare.com/files/5976015",
                hash="sha256:b47c8422c8cded889dc5a13418c4bc2abbda121092b3533a83306f90d900100a",
                unpack=True,
            ),
            Download(
                name="pairs.txt",
                url="https://ndownloader.figshare.com/files/5976006",
                hash="sha256:ea42330c62c92989f9d7c03237ed5d591365e89b3e649747777b70e692dc1592",
            ),
        ),
    ),
    DataSet(
        name="webface",
        about="CASIA-WebFace, 0.49 M pictures of 10,575 people",
        layout="0000045/001.jpg, or images/ of these; train.rec; train.lmdb of the published code",
        licence="CASIA-WebFace is for non-commercial research, on application to CASIA.",
        source="its owners no longer hand it out; InsightFace packed it as faces_webface_112x112",
    ),
    DataSet(
        name="mf1",
        about="MegaFace challenge 1: FaceScrub probes, a million distractors",
        layout="facescrub_images/ and megaface_images/; or --probes DIR, --gallery DIR|FILE.rec",
        licence="MegaFace was withdrawn by its owners; it was for non-commercial research.",
        source="no longer handed out; any folder of probes and of distractors does",
    ),
    DataSet(
        name="facescrub",
        about="FaceScrub, pictures of 530 actors and actresses",
        layout="NAME/..., facescrub_images/NAME/..., or actors/faces/, actresses/faces/ of these",
        licence="FaceScrub is a list of links for non-commercial research; the pictures belong to "
        "their owners.",
        source="by form from its authors (vintage.winklerbros.net/facescrub.html)",
    ),
    DataSet(
        name="ar",
        about="AR faces, 26 shots of each person in two sessions, sunglasses and scarves",
        layout="M-001-01.bmp, at any depth: man or woman, person, shot 01-26",
        licence="AR is for research, on application; pictures may not be passed on.",
        source="by form from its author (A. Martinez, Ohio State University)",
    ),
    DataSet(
        name="mfr2",
        about="Masked faces in the real world for recognition, 269 pictures of 53 people",
        layout="NAME/NAME_0001.png, pairs.txt, mfr2_labels.txt; or mfr2/ of these",
        licence="MFR2 comes with MaskTheFace (MIT); its pictures were collected from the web, for "
        "research.",
        source="link in the README of github.com/aqeelanwar/MaskTheFace",
    ),
    DataSet(
        name="lfw-sm",
        about="LFW with simulated masks",
        layout="clean/NAME/NAME_0001.jpg, masked/NAME/NAME_0001*.jpg, or one tree; pairs.txt",
        licence=_LFW,
        source="made from LFW with MaskTheFace, or from the authors of MFRSA",
    ),
    DataSet(
        name="olfw",
        about="O_LFW, LFW with 200 occlusions, pairs N-O and O-O",
        layout="clean/NAME/NAME_0001.jpg, occluded/NAME/NAME_0001*.jpg, or one tree; pairs*.txt",
        licence=_LFW,
        source="from its authors, who made it from LFW",
    ),
    DataSet(
        name="folder",
        about="identity folders, or pictures that a list names",
        layout="NAME/...; or labels.csv, labels.jsonl, metadata.csv, metadata.jsonl, FILE.lst",
        licence=_OWN,
        source="yours",
    ),
    DataSet(
        name="rec",
        about="an InsightFace training set",
        layout="train.rec with train.idx, or --root FILE.rec",
        licence="as its owner has it; most web-collected training sets are for research alone.",
        source="yours; the set's own licence holds",
    ),
    DataSet(
        name="bin",
        about="an InsightFace verification set",
        layout="one .bin, or --root FILE.bin",
        licence="as the set it was packed from has it (LFW, CFP, AgeDB and so on: research).",
        source="yours; the set's own licence holds",
    ),
    DataSet(
        name="shards",
        about="a finished set of occgen; tars of webdataset; Parquet of datasets",
        layout="manifest.json; *.tar; *.parquet or data/*.parquet",
        licence=_OWN,
        source="occgen build, occgen convert, or yours",
    ),
)
CATALOG = {known.name: known for known in _ALL}


def expected_at(name: str) -> Path | None:
    """Return where a data set is looked for without ``--root``; None where OCCGEN_DATA is unset."""
    base = os.environ.get("OCCGEN_DATA")
    return Path(base) / name if base else None
