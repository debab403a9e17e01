import numpy as np
import pytest

from frommodel.pairs import Pairs, draw_pairs, find_pairs, folder_pairs, name_resolver, read_pairs
from frommodel.picture_paths import path_resolver
from occgen.errors import DataError, InputError


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_lfw_form_with_folds(tmp_path):
    lines = ["2\t2"]
    for fold in range(2):
        lines += [f"Ann{fold}\t1\t2", f"Ben{fold}\t3\t10"]
        lines += [f"Ann{fold}\t1\tBen{fold}\t2", f"Cy{fold}\t4\tAnn{fold}\t1"]
    pairs = read_pairs(write(tmp_path / "pairs.txt", "\n".join(lines)))
    assert len(pairs) == 8
    assert pairs.keys_a[1] == "Ben0/Ben0_0003.jpg"
    assert pairs.keys_b[1] == "Ben0/Ben0_0010.jpg"
    assert pairs.keys_b[2] == "Ben0/Ben0_0002.jpg"
    assert pairs.same.tolist() == [True, True, False, False] * 2
    assert pairs.folds.tolist() == [0] * 4 + [1] * 4


def test_lfw_form_of_one_set_and_mfr2_without_header(tmp_path):
    body = "Ann 1 2\nBen 1 Ann 3\n"
    one = read_pairs(write(tmp_path / "dev.txt", "1\n" + body))
    bare = read_pairs(write(tmp_path / "pairs.txt", body))
    for pairs in (one, bare):
        assert pairs.same.tolist() == [True, False]
        assert pairs.folds is None
    paths = read_pairs(write(tmp_path / "paths.txt", "a/1.png a/2.png 1\na/1.png b/1.png 0\n"))
    assert paths.keys_b == ("a/2.png", "b/1.png")
    assert paths.same.tolist() == [True, False]


def test_csv_with_and_without_folds(tmp_path):
    text = "image_a,image_b,same,fold\na/1.jpg,a/2.jpg,1,x\na/1.jpg,b/1.jpg,0,y\n"
    pairs = read_pairs(write(tmp_path / "pairs.csv", text))
    assert pairs.folds.tolist() == [0, 1]
    plain = "same,image_b,image_a\nfalse,b/1.jpg,a/1.jpg\n"
    pairs = read_pairs(write(tmp_path / "other.csv", plain))
    assert (pairs.keys_a, pairs.same.tolist(), pairs.folds) == (("a/1.jpg",), [False], None)


@pytest.mark.parametrize(
    "text",
    [
        "image_a,image_b,same\nx y/1.jpg,x y/2.jpg,1\nx y/1.jpg,b/1.jpg,0\n",
        'note,Image1,IMAGE_2,Label\n"a, b",x y/1.jpg,x y/2.jpg,1.0\n,x y/1.jpg,b/1.jpg,0.0\n',
        "img1;img2;is_same;\nx y/1.jpg;x y/2.jpg;True;\n\nx y/1.jpg;b/1.jpg;False;\n",
        "path_a\tpath_b\tmatch\nx y/1.jpg\tx y/2.jpg\tyes\nx y/1.jpg\tb/1.jpg\tno\n",
        "x y/1.jpg,x y/2.jpg,1\nx y/1.jpg,b/1.jpg,0\n",
    ],
)
def test_tables_as_others_write_them(tmp_path, text):
    pairs = read_pairs(write(tmp_path / "pairs.csv", "\ufeff" + text))
    assert pairs.keys_a == ("x y/1.jpg", "x y/1.jpg")
    assert pairs.keys_b == ("x y/2.jpg", "b/1.jpg")
    assert pairs.same.tolist() == [True, False]
    assert pairs.folds is None


@pytest.mark.parametrize("header", ["", "name,imagenum1,imagenum2,\n", "Name1;n1;Name2;n2\n"])
def test_tables_of_names_and_numbers(tmp_path, header):
    text = header + "Ann Lee,1,2,\nAnn Lee,1,Ben,3\n"
    text = text.replace(",", ";") if ";" in header else text
    pairs = read_pairs(write(tmp_path / "pairs.csv", text))
    assert pairs.keys_a == ("Ann Lee/Ann Lee_0001.jpg",) * 2
    assert pairs.keys_b == ("Ann Lee/Ann Lee_0002.jpg", "Ben/Ben_0003.jpg")
    assert pairs.same.tolist() == [True, False]


def test_paths_of_other_machines_find_the_file(tmp_path):
    root = tmp_path / "set"
    for key in ("Ann Lee/with mask/1.JPG", "2.webp", "Ann Lee/3.a.png", "Ann Lee/3.jpg"):
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(b"x")
    resolve = path_resolver(root)
    for path, key in {
        "Ann Lee/with mask/1.JPG": "Ann Lee/with mask/1.JPG",
        "Ann Lee\\with mask\\1.jpg": "Ann Lee/with mask/1.JPG",
        "./2.webp": "2.webp",
        "set/2.webp": "2.webp",
        str(root / "2.webp"): "2.webp",
        "/data/set/Ann Lee/3.jpg": "Ann Lee/3.jpg",
        "2": "2.webp",
        "2.png": "2.webp",
        "Ann Lee/3.a": "Ann Lee/3.a.png",
        "none/1.jpg": "none/1.jpg",
        "/etc/2.webp": "/etc/2.webp",
        "sets/../../set/2.webp": "2.webp",
        "Ann Lee": "Ann Lee",
    }.items():
        assert resolve(path) == key, path
    (root / "pairs.csv").write_text("image_a,image_b,same\n2,.\\Ann Lee\\3.jpg,0\n")
    pairs = folder_pairs(root / "pairs.csv", root)
    assert (pairs.keys_a, pairs.keys_b) == (("2.webp",), ("Ann Lee/3.jpg",))


def test_a_folder_that_holds_many_people_is_nobody():
    """Where impostors share the first folder, the last one, or no folder, tells people apart."""
    deep = Pairs(
        keys_a=("masked/Ann/1", "masked/Ann/1", "masked/Ben/1"),
        keys_b=("masked/Ann/2", "masked/Ben/2", "masked/Ben/2"),
        same=np.array([True, False, True]),
    )
    first, second = deep.people()
    assert ((first == second) == deep.same).all()
    assert len({*first, *second}) == 2
    apart = Pairs(
        keys_a=("plain/1", "plain/1", "plain/2", "plain/3"),
        keys_b=("masked/1", "masked/2", "masked/2", "masked/4"),
        same=np.array([True, False, True, False]),
    )
    first, second = apart.people()
    assert ((first == second) == apart.same).all()
    assert len({*first, *second}) == 4


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("pairs.txt", "", "is empty"),
        ("pairs.txt", "1 2\n", "says 1 x 2 pairs of each kind, 4 lines, but 0 follow"),
        ("pairs.txt", "Ann 1 2\nAnn one 2\n", "line 2 should be"),
        ("pairs.txt", "10 300\nAnn 1 2\n", "6000 lines, but 1 follow"),
        ("pairs.csv", "image_a,same\na,1\n", "no column image_b"),
        ("pairs.csv", "a,b,c,d\n1,2,3,4\n", "line 1 names no column image_a, image_b, same"),
        ("pairs.csv", "name,n1,n2\nAnn,one,2\n", "line 2 should be"),
        ("pairs.csv", "name,n1,n2\n", "no pairs below"),
        ("pairs.csv", "image_a,image_b,same\na,b,maybe\n", "line 2 should hold two pictures"),
        ("pairs.csv", "image_a,image_b,same,fold\na,b,1,\n", "and a fold"),
        ("pairs.csv", "image_a,image_b,same\n", "no pairs below"),
    ],
)
def test_bad_lists_are_named(tmp_path, name, text, message):
    with pytest.raises(DataError, match=message) as caught:
        read_pairs(write(tmp_path / name, text))
    assert name in str(caught.value)


def test_a_list_is_found_in_the_root(tmp_path):
    with pytest.raises(InputError, match=r"neither pairs.csv .* nor pairs.txt"):
        find_pairs(tmp_path)
    write(tmp_path / "pairs.txt", "Ann 1 2\n")
    assert find_pairs(tmp_path).name == "pairs.txt"
    write(tmp_path / "pairs.csv", "image_a,image_b,same\na,b,1\n")
    assert find_pairs(tmp_path).name == "pairs.csv"
    with pytest.raises(InputError, match="no such list"):
        read_pairs(tmp_path / "none.csv")


def test_names_find_the_file_whatever_its_ending(tmp_path):
    (tmp_path / "Ann").mkdir()
    for name in ("Ann_0001.png", "Ann_0002_surgical.jpg", "Ann_0003.txt"):
        (tmp_path / "Ann" / name).write_bytes(b"x")
    resolve = name_resolver(tmp_path)
    assert resolve("Ann", "1") == "Ann/Ann_0001.png"
    assert resolve("Ann", "2") == "Ann/Ann_0002_surgical.jpg"
    assert resolve("Ann", "3") == "Ann/Ann_0003.jpg"  # missing, and named so
    assert resolve("Ben", "1") == "Ben/Ben_0001.jpg"


def test_people_are_folders_and_what_genuine_pairs_join():
    pairs = Pairs(
        keys_a=("a/1", "a/1", "x", "x", "p"),
        keys_b=("a/2", "b/1", "y", "z", "q"),
        same=np.array([True, False, True, False, False]),
    )
    first, second = pairs.people()
    assert first[0] == second[0] == first[1]
    assert second[1] != first[1]
    assert first[2] == second[2] == first[3]  # x and y are one person
    assert len({first[0], second[1], first[2], second[3], first[4], second[4]}) == 6


def test_drawn_pairs_are_balanced_and_people_stay_in_a_fold():
    people = [(f"p{i}", [f"p{i}/{j}" for j in range(4)]) for i in range(30)]
    pairs = draw_pairs(people, 200, folds=5, seed=3)
    assert len(pairs) == 200
    assert pairs.same.sum() == 100
    first, second = pairs.people()
    assert ((first == second) == pairs.same).all()
    folds = {}
    for key, fold in zip(pairs.keys_a + pairs.keys_b, [*pairs.folds] * 2, strict=True):
        assert folds.setdefault(key.split("/")[0], fold) == fold
    both = [tuple(sorted(pair)) for pair in zip(pairs.keys_a, pairs.keys_b, strict=True)]
    assert len(set(both)) == 200
    again = draw_pairs(people, 200, folds=5, seed=3)
    assert (again.keys_a, again.keys_b) == (pairs.keys_a, pairs.keys_b)
    assert draw_pairs(people, 200, folds=5, seed=4).keys_a != pairs.keys_a


def test_pairs_cannot_be_drawn_of_too_few():
    with pytest.raises(InputError, match="at least 20 people, got 3"):
        draw_pairs([("a", ["1", "2"])] * 3, 10)
    with pytest.raises(InputError, match="nobody with two pictures"):
        draw_pairs([(f"p{i}", ["x"]) for i in range(4)], 4, folds=2)


def test_keeping_some():
    pairs = Pairs(
        keys_a=("a", "b"), keys_b=("c", "d"), same=np.array([True, False]), folds=np.array([0, 1])
    )
    kept = pairs.keep(np.array([False, True]))
    assert (kept.keys_a, kept.keys_b, kept.folds.tolist()) == (("b",), ("d",), [1])


def test_real_lists_are_read(faces_root):
    pairs = read_pairs(find_pairs(faces_root / "lfw"))
    assert (len(pairs), pairs.same.sum()) == (4185, 2094)
    assert len(np.unique(pairs.folds)) == 7
    first, second = pairs.people()
    assert ((first == second) == pairs.same).all()
