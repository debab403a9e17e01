"""Demo faces: the same everywhere, exact points, people spread over the whole face."""

import os
import pickle
import subprocess
import sys
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from occgen.demo import DemoFaces
from occgen.demo_canvas import hill, loft, noise, smooth, step
from occgen.demo_head import Head
from occgen.demo_person import Person, Picture
from occgen.demo_scene import Scene
from occgen.errors import DataError, InputError
from occgen.landmarks import fit_similarity, template
from occgen.seeding import Stream
from occgen.sources.demo import DemoSource

PEOPLE, PICTURES, TRAINED = 40, 8, 6
EYES, MOUTH = (10, 30, 90, 70), (25, 82, 75, 107)
CHANCE = 1 / PEOPLE

Array = NDArray[Any]


@pytest.fixture(scope="module", autouse=True)
def draw_crowd() -> None:
    """Draw before the tests that need it, so that none of them seems slow."""
    crowd()


@lru_cache(maxsize=1)
def crowd() -> Array:
    """Return pictures of some people, uint8 (people, pictures, 112, 96, 3)."""
    faces = DemoFaces(seed=7)
    return np.array(
        [[faces.draw(person, n).image for n in range(PICTURES)] for person in range(PEOPLE)]
    )


def split(features: Array) -> tuple[Array, Array, Array, Array]:
    """Return training and test features (N, F) with their identities."""
    flat = features.reshape(PEOPLE, PICTURES, -1).astype(np.float64)
    who = np.repeat(np.arange(PEOPLE), PICTURES).reshape(PEOPLE, PICTURES)
    train, test = flat[:, :TRAINED], flat[:, TRAINED:]
    return (
        train.reshape(-1, flat.shape[2]),
        who[:, :TRAINED].ravel(),
        test.reshape(-1, flat.shape[2]),
        who[:, TRAINED:].ravel(),
    )


def shrunk(images: Array) -> Array:
    """Return grey pictures of half the size, each of mean 0 and deviation 1."""
    grey = images.astype(np.float32).mean(axis=-1)
    grey = grey.reshape(*grey.shape[:2], 56, 2, 48, 2).mean(axis=(3, 5))
    grey = grey - grey.mean(axis=(2, 3), keepdims=True)
    return np.asarray(grey / grey.std(axis=(2, 3), keepdims=True))


def hidden(images: Array, box: tuple[int, int, int, int]) -> Array:
    x0, y0, x1, y1 = box
    images = images.copy()
    images[:, :, y0:y1, x0:x1] = 128
    return images


def recogniser() -> Any:
    """Return Fisherfaces."""
    return make_pipeline(
        PCA(100, svd_solver="full"), LinearDiscriminantAnalysis(solver="eigen", shrinkage=0.2)
    )


@lru_cache(maxsize=1)
def rates() -> dict[str, float]:
    """Return how many test pictures Fisherfaces name rightly, clean and with boxes hidden."""
    train, who, _, truth = split(shrunk(crowd()))
    model = recogniser().fit(train, who)
    seen = {
        "clean": crowd(),
        "eyes": hidden(crowd(), EYES),
        "mouth": hidden(crowd(), MOUTH),
    }
    return {
        name: float(model.score(split(shrunk(images))[2], truth)) for name, images in seen.items()
    }


def test_people_are_told_apart() -> None:
    assert rates()["clean"] > 0.8


def test_hiding_the_eyes_costs_more_than_hiding_the_mouth() -> None:
    found = rates()
    assert found["clean"] - found["eyes"] > (found["clean"] - found["mouth"]) + 0.1
    assert found["mouth"] > 0.5


def test_the_mouth_alone_still_says_something() -> None:
    """Who it is is spread over the face: each third of it beats chance by far."""
    for y0, y1 in ((0, 38), (38, 76), (76, 112)):
        part = shrunk(crowd())[:, :, y0 // 2 : y1 // 2]
        train, who, test, truth = split(part)
        assert recogniser().fit(train, who).score(test, truth) > 8 * CHANCE


def mean_colour(images: Array) -> Array:
    return np.asarray(images.mean(axis=(2, 3)))


def corners(images: Array) -> Array:
    patches = [images[:, :, y : y + 10, x : x + 10] for y in (0, 102) for x in (0, 86)]
    return np.concatenate([patch.mean(axis=(2, 3)) for patch in patches], axis=-1)


def histogram(images: Array) -> Array:
    flat = images.reshape(PEOPLE, PICTURES, -1, 3) // 16
    counts = [[[(flat[..., c] == level).mean(-1)] for level in range(16)] for c in range(3)]
    return np.moveaxis(np.array(counts).reshape(48, PEOPLE, PICTURES), 0, 2)


@pytest.mark.parametrize(
    ("statistic", "most"), [(mean_colour, 0.2), (corners, 0.3), (histogram, 0.35)]
)
def test_no_single_statistic_gives_the_person_away(statistic: Any, most: float) -> None:
    train, who, test, truth = split(statistic(crowd()))
    models = (
        make_pipeline(StandardScaler(), KNeighborsClassifier(3)),
        make_pipeline(StandardScaler(), LinearDiscriminantAnalysis(solver="eigen", shrinkage=0.2)),
    )
    for model in models:
        assert model.fit(train, who).score(test, truth) < most


@pytest.mark.parametrize(("height", "width"), [(112, 96), (112, 112), (64, 64), (97, 83)])
def test_pictures_have_the_size_asked_for(height: int, width: int) -> None:
    faces = DemoFaces(height=height, width=width)
    for number in range(6):
        face = faces.draw(number, 0)
        assert face.image.shape == (height, width, 3)
        assert face.image.dtype == np.uint8
        assert face.image.flags.c_contiguous
        assert 20 < face.image.mean() < 235
        assert face.image.std() > 15
        assert face.landmarks.shape == (5, 2)
        assert face.landmarks.dtype == np.float32
        assert np.isfinite(face.landmarks).all()


def test_the_same_numbers_give_the_same_picture() -> None:
    first = DemoFaces().draw(3, 5)
    other = DemoFaces(identities=2, images=1)
    for person in range(20):  # other people between, so that the head is painted anew
        other.landmarks(person, 0)
    again = other.draw(3, 5)
    travelled = pickle.loads(pickle.dumps(other)).draw(3, 5)
    for face in (again, travelled):
        assert np.array_equal(first.image, face.image)
        assert np.array_equal(first.landmarks, face.landmarks)
    assert np.array_equal(first.landmarks, other.landmarks(3, 5))


def test_pictures_do_not_depend_on_the_processor() -> None:
    """Without its vector instructions a processor draws the same bytes."""
    script = (
        "import hashlib; from occgen.demo import DemoFaces\n"
        "digest = hashlib.blake2b()\n"
        "for n in range(24): digest.update(DemoFaces(seed=3).draw(n, n).image.tobytes())\n"
        "print(digest.hexdigest())"
    )
    plain = {"NPY_DISABLE_CPU_FEATURES": "X86_V3", "OPENCV_CPU_DISABLE": "AVX2,FMA3,AVX,FP16"}
    found = []
    for disabled in ({}, plain):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", script],
            env=os.environ | disabled,
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(done.stdout.splitlines()[-1])
    assert found[0] == found[1]


def test_points_stay_as_they_were_published() -> None:
    """A change of the drawing moves them; say so in the changelog."""
    expected = [[28.91, 52.84], [67.63, 51.88], [47.61, 71.67], [33.75, 91.87], [62.23, 91.25]]
    assert np.abs(DemoFaces().landmarks(2, 1) - expected).max() < 0.01


def test_numbers_and_seed_change_the_picture() -> None:
    pictures = [
        DemoFaces(seed=seed).draw(person, number).image.tobytes()
        for seed in (0, 1)
        for person in (0, 1, 1000, 123_456)
        for number in (0, 1)
    ]
    assert len(set(pictures)) == 16


def test_points_are_fitted_to_the_template() -> None:
    faces = DemoFaces()
    points = np.array([faces.landmarks(person, n) for person in range(60) for n in range(2)])
    goal = template(112, 96)
    for found in points[:20].astype(np.float64):  # aligned: no similarity brings them closer
        matrix = fit_similarity(found, goal)
        assert np.abs(matrix - [[1, 0, 0], [0, 1, 0]]).max() < 1e-3
    distance = np.linalg.norm(points - goal, axis=2)
    assert distance.mean() < 2.5
    assert distance.max() < 12
    assert (points.std(axis=0) > 0.3).all()  # yet faces differ


def test_pupils_are_where_the_points_say() -> None:
    """The dark of each pupil is centred on its point, in pictures without blur and noise."""
    errors: list[float] = []
    for number in range(30):
        head = Head(Person(Stream(0, f"{number}", "demo person").generator()))
        picture = Picture(Stream(0, f"{number}/0", "demo picture").generator())
        picture.blur, picture.noise, picture.quality = 0.25, 0, 97
        picture.blink, picture.lamp = 1.6, (0.0, 0.0, 1.0)
        marked, plain = (Scene(head, picture, 112, 96) for _ in range(2))
        head.eyes.iris = head.eyes.iris * 0 + 1.0  # shine, so that they stand out
        bright = marked.render().astype(float)
        head.eyes.iris = head.eyes.iris * 0
        change = np.abs(bright - plain.render().astype(float)).sum(axis=2)
        for x, y in marked.points[:2]:
            x0, y0 = round(float(x)) - 6, round(float(y)) - 6
            part = change[y0 : y0 + 13, x0 : x0 + 13]
            part = np.where(part > 0.3 * part.max(), part, 0)
            rows, columns = np.indices(part.shape)
            centre = [(part * axis).sum() / part.sum() for axis in (columns, rows)]
            errors.append(np.hypot(x0 + centre[0] - x, y0 + centre[1] - y))
    assert np.median(errors) < 0.6
    assert np.max(errors) < 1.6


def test_negative_numbers_are_refused() -> None:
    with pytest.raises(InputError, match=r"identity and image must be >= 0, got -1, 0"):
        DemoFaces().draw(-1, 0)
    with pytest.raises(InputError, match=r"identity and image must be >= 0, got 0, -2"):
        DemoFaces().landmarks(0, -2)


def test_a_source_may_hold_any_number_of_people() -> None:
    source = DemoSource(identities=1500, images=2)
    refs = list(source.refs())
    assert len(refs) == source.count() == 3000
    assert len({ref.identity for ref in refs}) == 1500
    assert source.read(refs[-1].key)[:2] == b"\xff\xd8"
    points = source.landmarks(refs[-1].key, 112, 112)
    assert np.abs(points - template(112, 112)).max() < 12


def test_a_text_names_the_drawn_people() -> None:
    first, second = DemoSource.parse("3x2"), DemoSource.parse("3x2@7")
    assert [ref.key for ref in first.refs()][-1] == "person-00002/0001.jpg"
    assert [ref.key for ref in second.refs()][-1] == "person-7-00002/0001.jpg"
    assert first.read("person-00002/0001.jpg") != second.read("person-7-00002/0001.jpg")
    assert DemoSource.parse(None).count() == 1000
    for key in ("person-00003/0000.jpg", "person-00000/0002.jpg", "person-7-00000/0000.jpg"):
        with pytest.raises(DataError, match="no such drawn face"):
            first.read(key)


@pytest.mark.parametrize("spec", ["", "3", "0x4", "3x", "3x2@", "-1x2", "3x2@x", "faces"])
def test_a_text_of_another_form_is_refused(spec: str) -> None:
    with pytest.raises(InputError, match="IDENTITIESxIMAGES"):
        DemoSource.parse(spec)


def test_bumps_and_curves() -> None:
    x = np.linspace(-4, 4, 81, dtype=np.float32)
    assert np.abs(hill(x) - np.exp(-(x**2))).max() < 0.06
    assert hill(x)[0] == 0
    assert np.array_equal(step(x, 2.0), np.clip(x / 2 + 0.5, 0, 1))
    assert smooth(x, -1, 1)[[0, 40, 80]].tolist() == [0, 0.5, 1]
    assert smooth(x, 1, -1)[[0, 40, 80]].tolist() == [1, 0.5, 0]
    knots = [(-2.0, 1.0), (0.0, 3.0), (1.0, 2.0)]
    assert loft(np.array([-5.0, -2.0, 0.0, 1.0, 9.0]), knots).tolist() == [1, 1, 3, 2, 2]


@pytest.mark.parametrize("kind", ["fine", "blob", "cloud", "strand"])
def test_noise_is_normal_and_fixed(kind: str) -> None:
    whole = noise(kind, 0, 512, 512)
    assert abs(float(whole.mean())) < 1e-3
    assert abs(float(whole.std()) - 1) < 1e-3
    assert np.array_equal(noise(kind, 5, 20, 30), noise(kind, 5, 20, 30))
    assert noise(kind, 4095, 156, 150).shape == (156, 150)
