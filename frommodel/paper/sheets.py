"""Sheets of faces: what the tests look like, and what the networks see of them."""

from pathlib import Path

import numpy as np

from occgen.atomic import replacing_bytes
from occgen.codec import encoder
from occgen.patterns import PatternGrid
from occgen.preview import Tile, contact_sheet
from occgen.synthesis import OccludedFace

from ..explain import explain_images
from ..explain_plots import face_tiles, save_figure, tsne_plot
from ..models import open_model
from ..network import FROM
from ..pictures import read_pictures
from ..protocols.verification import people_of
from .conditions import CONDITIONS
from .findings import Findings
from .jobs import FINISHED

__all__ = ["example_sheet", "pattern_sheet", "tsne_figure"]

_SIZE = (112, 96)
_FACES = 16
_EXAMPLES = (
    *("clean", "occ-1.0", "occ-2.0", "occ-3.0", "occ-2.0-natural", "rendered-worn-held"),
    *("cut-outs-worn", "cut-outs-held"),
)
_PEOPLE, _IMAGES = 5, 20


def example_sheet(findings: Findings, path: Path) -> bool:
    """Draw a few test faces, a column a condition (Fig. 7)."""
    data = findings.plan.data
    if not data.has_tests:
        return False
    shown = [name for name in _EXAMPLES if data.has_condition(name)]
    tiles = []
    for key in _keys(findings, 5):
        for name in shown:
            face = _face(findings, key, name)
            if face is None:
                image = next(iter(read_pictures(data.source, [key], size=_SIZE)))[1]
                tiles.append(Tile(image, (name,)))
            else:
                tiles.append(Tile(face.image, (name,)))
    notes = [f"{name}: {CONDITIONS[name].title}" for name in shown]
    _save(tiles, "Faces of the tests", notes, path, columns=len(shown))
    return True


def pattern_sheet(findings: Findings, path: Path, run: str, condition: str) -> bool:
    """Draw predicted patterns or boxes and masks on hidden test faces (Fig. 5, 11, 13)."""
    network = _network(findings, run)
    if network is None or network.config.predictor == "none":
        return False
    keys = _keys(findings, _FACES)
    faces = [face for key in keys if (face := _face(findings, key, condition)) is not None]
    found = explain_images(network, [face.image for face in faces])
    grid = PatternGrid(network.config.k, *_SIZE)
    boxes = np.array([face.box for face in faces], np.int64).reshape(-1, 4)
    labels: list[int | None] = list(grid.label_boxes(boxes).tolist())
    drawn = [face.box if face.box[2] > face.box[0] else None for face in faces]
    tiles = face_tiles(found, keys[: len(faces)], drawn, labels)
    notes = ["cyan: predicted; yellow: the true box; beside it the mask, mean over channels"]
    _save(tiles, f"{run}: {CONDITIONS[condition].title}", notes, path, columns=8)
    return True


def tsne_figure(findings: Findings, path: Path) -> bool:
    """Draw maps of the same faces by Baseline, FROM and the improved recipe (Fig. 9)."""
    data = findings.plan.data
    found = [(name, _network(findings, name)) for name in ("baseline", "from", "improved")]
    networks = [(name, network) for name, network in found if network is not None]
    occlusion = data.occlusion(CONDITIONS["occ-2.0"])
    if not networks or not data.has_tests or occlusion is None:
        return False
    people = sorted(people_of(data.source), key=lambda person: -len(person[1]))[:_PEOPLE]
    images, numbers, hidden = [], [], []
    for number, (_, keys) in enumerate(people):
        for place, key in enumerate(keys[:_IMAGES]):
            if place % 2:
                images.append(occlusion.open(data.source, key, _SIZE).image)
            else:
                images.append(next(iter(read_pictures(data.source, [key], size=_SIZE)))[1])
            numbers.append(number)
            hidden.append(bool(place % 2))
    embeddings = [open_model(network).embed(images) for _, network in networks]
    names = [name for name, _ in networks]
    seed = findings.plan.config.seed
    figure = tsne_plot(embeddings, np.array(numbers), np.array(hidden), names, seed)
    save_figure(figure, path)
    return True


def _network(findings: Findings, name: str) -> FROM | None:
    """Return the network of a run's first seed, where it is trained."""
    plan = findings.plan
    if name not in {experiment.name for experiment in plan.experiments}:
        return None
    run = plan.run(name, plan.config.seed)
    if not (run.folder / FINISHED).is_file():
        return None
    network = open_model(run.folder).network
    return network if isinstance(network, FROM) else None


def _keys(findings: Findings, count: int) -> list[str]:
    """Return pictures of different test people, spread evenly."""
    people = people_of(findings.plan.data.source)
    rows = np.unique(np.linspace(0, len(people) - 1, min(count, len(people))).astype(int))
    return [people[row][1][0] for row in rows.tolist()]


def _face(findings: Findings, key: str, condition: str) -> OccludedFace | None:
    data = findings.plan.data
    occlusion = data.occlusion(CONDITIONS[condition])
    return None if occlusion is None else occlusion.open(data.source, key, _SIZE)


def _save(tiles: list[Tile], title: str, notes: list[str], path: Path, columns: int) -> None:
    draw = any(tile.box is not None or tile.pattern is not None for tile in tiles)
    sheet = contact_sheet(tiles, title, notes, columns=columns, draw=draw)
    replacing_bytes(path, encoder("png", 100)(np.ascontiguousarray(sheet)))
