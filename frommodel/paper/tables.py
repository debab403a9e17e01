"""What is set beside what: the paper's tables, and those of questions it left open."""

from occgen.errors import InputError
from occgen.regions import REGIONS

from .table_spec import Column, Row, TableSpec

__all__ = ["TABLES", "choose_tables"]


def _pairs(heading: str, *conditions: str, figure: str = "accuracy") -> Column:
    return Column(heading=heading, test="pairs", conditions=conditions, figure=figure)


def _faces(heading: str, *conditions: str) -> Column:
    return Column(heading=heading, test="faces", conditions=conditions, figure="rank_1")


def _rows(*named: tuple[str, str]) -> tuple[Row, ...]:
    return tuple(Row(label=label, run=run) for label, run in named)


_REGIONS = tuple(f"region-{name}" for name in REGIONS)
_OCCLUDED = ("occ-1.0", "occ-1.5", "occ-2.0")
_RANKS = (
    _faces("MF1", "clean"),
    *(_faces(f"Occ-MF1-{name.removeprefix('occ-')}", name) for name in _OCCLUDED),
    _faces("mean", *_OCCLUDED),
    _pairs("LFW", "clean"),
    _pairs("Occ-LFW-2.0", "occ-2.0"),
)
_FOUR = _rows(
    ("Baseline", "baseline"),
    ("Baseline-Aug", "baseline-aug"),
    ("Baseline-MD", "baseline-md"),
    ("FROM", "from"),
)
_SCALES = tuple(f"occ-{scale}" for scale in ("1.0", "2.0", "3.0"))
_HARD = (
    _pairs("clean", "clean"),
    *(_pairs(f"Occ-{name.removeprefix('occ-')}", name) for name in _SCALES),
    _pairs("mean of these", *_SCALES),
    _pairs("nine regions", *_REGIONS),
    _pairs("rendered, worn or held", "rendered-worn-held"),
)
_CUT_OUTS = (_pairs("real, worn", "cut-outs-worn"), _pairs("real, held", "cut-outs-held"))
_PAPERS = ("SphereFace", "ArcFace", "CosFace", "PDSN", "SRC", "NMR", "MLERPM", "SCF-PKR", "RPSM")


def _papers_own(*labels: str) -> tuple[Row, ...]:
    return tuple(Row(label=label, run=None) for label in labels)


def _task(heading: str, condition: str, test: str, figure: str = "accuracy") -> Column:
    return Column(heading=heading, test=test, conditions=(condition,), figure=figure)


def _all() -> list[TableSpec]:
    """Return the tables."""
    t = TableSpec
    thresholds = (None, 0.30, 0.35, 0.40, 0.45, 0.50, 0.55, 0.60)
    scored = tuple(
        Column(heading=f"{what} {name}", test="patterns", conditions=(name,), figure=figure)
        for name in _SCALES
        for what, figure in (("right", "pattern_accuracy"), ("IoU", "iou"), ("tie", "within_tie"))
    )
    return [
        t(name="1", title="Size of the networks", columns=(), rows=()),
        t(
            name="2",
            title="Masks binarised at a threshold",
            columns=(_pairs("LFW", "clean"), _pairs("Occ-LFW-2.0", "occ-2.0")),
            rows=tuple(
                Row(label="soft" if cut is None else f"{cut:.2f}", run="from", threshold=cut)
                for cut in thresholds
            ),
            against="soft",
            compared=("LFW", "Occ-LFW-2.0"),
        ),
        t(
            name="3",
            title="Cells of the pattern grid",
            columns=_RANKS,
            rows=_rows(
                ("none", "small-baseline"),
                ("K = 3", "k3"),
                ("K = 4", "k4"),
                ("K = 5", "small-from"),
                ("K = 6", "k6"),
            ),
            against="K = 5",
            compared=("mean", "Occ-LFW-2.0"),
        ),
        t(
            name="4",
            title="Weight of the pattern loss",
            columns=_RANKS,
            rows=_rows(
                ("lambda 0", "small-md"),
                ("lambda 0.5", "lambda-0.5"),
                ("lambda 1", "small-from"),
            ),
            against="lambda 1",
            compared=("mean", "Occ-LFW-2.0"),
        ),
        t(
            name="5",
            title="The four recipes",
            columns=(
                _faces("MF1", "clean"),
                _faces("Occ-MF1-AVG", *_REGIONS),
                _pairs("LFW", "clean"),
                _pairs("Occ-LFW-2.0", "occ-2.0"),
                _pairs("Occ-LFW-1.0", "occ-1.0"),
                _pairs("Occ-LFW-3.0", "occ-3.0"),
                Column(heading="official pairs", test="official", conditions=("clean",)),
                Column(heading="official, 2.0", test="official", conditions=("occ-2.0",)),
            ),
            rows=_FOUR,
            against="FROM",
            compared=("MF1", "Occ-MF1-AVG", "LFW", "Occ-LFW-2.0", "Occ-LFW-3.0"),
        ),
        t(
            name="6",
            title="Nine regions hidden, rank 1",
            columns=(
                *(
                    _faces(name.replace("-", " "), f"region-{name}")
                    for name in (
                        *("left", "right", "upper", "lower", "left-eye", "right-eye", "eyes"),
                        *("nose", "mouth"),
                    )
                ),
                _faces("mean", *_REGIONS),
            ),
            rows=_FOUR,
            against="FROM",
            compared=("mean",),
        ),
        t(
            name="7",
            title="Place and shape of the mask",
            columns=_RANKS,
            rows=_rows(("FC", "mask-fc"), ("2D", "mask-2d"), ("3D", "small-from")),
            against="3D",
            compared=("mean", "Occ-LFW-2.0"),
        ),
        t(
            name="8",
            title="Regression of the box in place of patterns, TAR",
            columns=(
                _pairs("LFW", "clean", figure="tar"),
                *(_pairs(f"Occ-LFW-{n.removeprefix('occ-')}", n, figure="tar") for n in _SCALES),
            ),
            rows=_rows(
                ("FROM", "small-from"),
                *((f"regression, lambda {w}", f"regression-{w}") for w in ("0.1", "0.2", "0.5")),
                ("regression in fractions, lambda 1", "regression-fraction"),
            ),
        ),
        t(
            name="9",
            title="Real and simulated masks, O_LFW",
            columns=(
                _task("MFR2", "mfr2", "as given"),
                _task("LFW-SM", "lfw-sm", "clean-masked"),
                _task("O_LFW N-O", "olfw", "N-O"),
                _task("O_LFW O-O", "olfw", "O-O"),
            ),
            rows=(
                *_papers_own("CosFace", "MFRSA", "BEL"),
                *_rows(("Baseline", "baseline"), ("FROM", "from"), ("improved", "improved")),
            ),
            against="Baseline",
            compared=("MFR2", "LFW-SM", "O_LFW N-O", "O_LFW O-O"),
        ),
        t(
            name="10",
            title="Others' recognisers, rank 1",
            columns=(_faces("MF1", "clean"), _faces("Occ-MF1-1.0", "occ-1.0")),
            rows=(
                *_papers_own("CenterFace", "SphereFace", "CosFace", "ArcFace", "PDSN"),
                *_rows(("Baseline", "baseline"), ("FROM", "from")),
            ),
            against="Baseline",
            compared=("MF1", "Occ-MF1-1.0"),
        ),
        t(
            name="11",
            title="AR, rank 1",
            columns=tuple(
                _task(f"{what}, {count}", protocol, what, "rank_1")
                for protocol, count in (("ar-1", "six"), ("ar-2", "one"))
                for what in ("sunglasses", "scarf")
            ),
            rows=(
                *_papers_own(*_PAPERS, "MaskNet", "Stringface", "LMA"),
                *_rows(("Baseline", "baseline"), ("FROM", "from")),
            ),
        ),
        t(
            name="improved",
            title="The recipe beyond the paper's",
            columns=(*_HARD, *_CUT_OUTS),
            rows=(
                *_FOUR,
                *_rows(
                    ("FROM, trained for as long again", "from-longer"), ("improved", "improved")
                ),
            ),
            against="improved",
            compared=("clean", "Occ-2.0", "mean of these", "nine regions"),
        ),
        t(
            name="steps",
            title="What each step beyond the paper's recipe brings, small network",
            columns=(*_HARD, *_CUT_OUTS),
            rows=_rows(
                ("Baseline", "small-baseline"),
                ("Baseline-Aug", "small-aug"),
                ("Baseline-MD", "small-md"),
                ("FROM", "small-from"),
                ("FROM, taught by the baseline", "teacher"),
                ("FROM, trained for as long again", "longer"),
                ("FROM, second round: taught by the first", "second"),
                ("and soft patterns", "second-soft"),
                ("and mixed placement", "second-mixed"),
                ("and more face masks: improved", "small-improved"),
                ("Baseline-Aug, second round, mixed placement", "aug-second"),
            ),
            against="FROM",
            compared=("clean", "Occ-2.0", "mean of these"),
        ),
        t(
            name="library",
            title="What is pasted while training; tested with real cut-outs",
            columns=(*_CUT_OUTS, *_HARD),
            rows=_rows(
                ("none", "baseline"),
                ("plain rectangles", "rectangles"),
                ("rendered", "from"),
                ("real cut-outs", "cut-outs"),
                ("rendered, improved", "improved"),
                ("real cut-outs, improved", "improved-cut-outs"),
            ),
            against="plain rectangles",
            compared=("real, worn", "real, held", "clean"),
        ),
        t(
            name="library-small",
            title="What is pasted while training, in the small network",
            columns=(*_CUT_OUTS, *_HARD),
            rows=_rows(
                ("none", "small-baseline"),
                ("plain rectangles", "small-rectangles"),
                ("rendered", "small-from"),
                ("real cut-outs", "small-cut-outs"),
            ),
            against="plain rectangles",
            compared=("real, worn", "real, held", "clean"),
            small=True,
        ),
        t(
            name="blend",
            title="Blending while training and testing",
            columns=(
                _pairs("clean", "clean"),
                _pairs("2.0 opaque", "occ-2.0-opaque"),
                _pairs("2.0 alpha", "occ-2.0"),
                _pairs("2.0 natural", "occ-2.0-natural"),
                _pairs("rendered, worn or held", "rendered-worn-held"),
                *_CUT_OUTS,
            ),
            rows=_rows(
                ("opaque", "from-opaque"), ("alpha", "small-from"), ("natural", "from-natural")
            ),
            against="alpha",
            compared=("2.0 alpha", "real, worn", "real, held"),
        ),
        t(
            name="placement",
            title="Placement while training",
            columns=(*_HARD, *_CUT_OUTS),
            rows=_rows(
                ("random", "small-from"), ("landmarks", "from-landmarks"), ("mixed", "from-mixed")
            ),
            against="random",
            compared=("Occ-2.0", "rendered, worn or held", "real, worn", "real, held"),
        ),
        t(
            name="unseen",
            title="Occluder groups never trained on, scale 1.0 (Fig. 12)",
            columns=(
                *(_pairs(f"R{group}", f"group-{group}") for group in (1, 2, 3)),
                _pairs("all", "occ-1.0"),
            ),
            rows=(
                Row(label="Baseline", run="small-baseline"),
                Row(
                    label="without the group",
                    run=None,
                    runs=tuple((f"group-{group}", f"unseen-{group}") for group in (1, 2, 3)),
                ),
                Row(label="all groups", run="k4"),
            ),
            against="all groups",
            compared=("R1", "R2", "R3"),
        ),
        t(
            name="patterns",
            title="Patterns predicted: right, mean IoU with the true one, right or nearly tied",
            columns=scored,
            rows=_rows(
                *(("FROM", "from"), ("improved", "improved")),
                *(("small, K = 3", "k3"), ("small, K = 4", "k4"), ("small, K = 5", "small-from")),
                *(("small, K = 6", "k6"), ("small, lambda 0.5", "lambda-0.5")),
                *(("small, second round, soft", "second-soft"), ("small, 2D", "mask-2d")),
                ("small, FC", "mask-fc"),
            ),
        ),
    ]


TABLES: dict[str, TableSpec] = {table.name: table for table in _all()}


def choose_tables(text: str | None) -> tuple[str, ...]:
    """Return the tables of a list such as ``3,5,library``; all where there is none.

    Raises
    ------
    InputError
        For a name that is none.
    """
    if not text:
        return tuple(TABLES)
    wanted = [part.strip() for part in text.split(",") if part.strip()]
    unknown = [name for name in wanted if name not in TABLES]
    if unknown or not wanted:
        raise InputError(f"table must be one of {', '.join(TABLES)}, got {text!r}")
    return tuple(name for name in TABLES if name in wanted)
