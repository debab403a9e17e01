"""Downloads from a server of this machine: whole, cut off, wrong, absent; and hostile archives."""

import functools
import hashlib
import http.server
import io
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from occgen_cli.main import main

from occgen import DataError, InputError, catalog, fetching
from occgen.catalog import CATALOG, Download
from occgen.fetching import fetch


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, with ranges; cuts off where it is told to."""

    asked: list[str | None]
    cut_after: int | None = None
    no_ranges = False

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        wanted = self.headers.get("Range")
        type(self).asked.append(wanted)
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if self.no_ranges:
            start = 0
        elif start >= len(data) and wanted:
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        body = data[start:]
        cut, type(self).cut_after = type(self).cut_after, None
        self.wfile.write(body[:cut] if cut is not None else body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path, type[Handler]]]:
    """Address, folder and handler of a server on the loopback."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = type("Own", (Handler,), {"asked": []})
    made = functools.partial(handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), made) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}", folder, handler
        running.shutdown()
        thread.join()


def archive(members: list[tuple[str, bytes]], **extra: tarfile.TarInfo) -> bytes:
    """Return a compressed tar."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            packed.addfile(member, io.BytesIO(data))
        for member in extra.values():
            packed.addfile(member)
    return buffer.getvalue()


FACES = [("lfw_funneled/A/A_0001.jpg", b"one" * 40_000), ("lfw_funneled/B/B_0001.jpg", b"two")]


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Files of a small set that stands in for LFW, by name."""
    import dataclasses

    files = {"faces.tgz": archive(FACES), "pairs.txt": b"A 1 2\n"}
    downloads = tuple(
        Download(
            name=name,
            url=f"http://127.0.0.1:9/{name}",
            hash=f"sha256:{hashlib.sha256(data).hexdigest()}",
            unpack=name.endswith("tgz"),
        )
        for name, data in files.items()
    )
    small = dataclasses.replace(CATALOG["lfw"], downloads=downloads)
    monkeypatch.setitem(catalog.CATALOG, "lfw", small)
    assert fetching.CATALOG is catalog.CATALOG
    return files


def put(folder: Path, files: dict[str, bytes]) -> None:
    """Write files into a folder."""
    folder.mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)


def check(out: Path) -> None:
    """Check that the small set is there whole, and nothing else."""
    found = {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file()
    }
    assert found.pop("faces.tgz")
    assert found.pop("pairs.txt") == b"A 1 2\n"
    assert found == {
        "originals/A/A_0001.jpg": FACES[0][1],
        "originals/B/B_0001.jpg": b"two",
        "originals/pairs.txt": b"A 1 2\n",
    }


def test_a_set_is_fetched_unpacked_and_not_fetched_again(
    server: tuple[str, Path, type[Handler]], known: dict[str, bytes], tmp_path: Path
) -> None:
    url, folder, handler = server
    put(folder, known)
    arguments = ["fetch", "lfw", "--mirror", url, "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.stderr
    assert "occgen align" in result.stdout
    assert CATALOG["lfw"].licence in result.stdout
    check(tmp_path / "out")
    assert len(handler.asked) == 2
    assert CliRunner().invoke(main, arguments).exit_code == 0
    assert len(handler.asked) == 2


@pytest.mark.parametrize("no_ranges", [False, True])
def test_a_download_that_was_cut_off_goes_on(
    server: tuple[str, Path, type[Handler]],
    known: dict[str, bytes],
    tmp_path: Path,
    no_ranges: bool,
) -> None:
    url, folder, handler = server
    put(folder, known)
    handler.cut_after, handler.no_ranges = 100, no_ranges
    with pytest.raises(DataError, match=r"faces\.tgz cannot be had .*run the same command again"):
        fetch("lfw", tmp_path / "out", url)
    assert not (tmp_path / "out" / "faces.tgz").exists()
    fetch("lfw", tmp_path / "out", url)
    assert handler.asked[:2] == [None, "bytes=100-"]
    check(tmp_path / "out")


def test_a_rest_that_is_no_rest_is_begun_anew(
    server: tuple[str, Path, type[Handler]], known: dict[str, bytes], tmp_path: Path
) -> None:
    url, folder, _ = server
    put(folder, known)
    put(tmp_path / "out", {".faces.tgz.part": bytes(10**6)})
    fetch("lfw", tmp_path / "out", url)
    check(tmp_path / "out")


def test_another_file_is_not_kept(
    server: tuple[str, Path, type[Handler]], known: dict[str, bytes], tmp_path: Path
) -> None:
    url, folder, _ = server
    put(folder, known | {"faces.tgz": archive([("x/y.jpg", b"other")])})
    with pytest.raises(DataError, match=r"is not the known faces\.tgz \(sha256:.*not kept"):
        fetch("lfw", tmp_path / "out", url)
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out").iterdir())


def test_offline_it_says_what_to_put_where(known: dict[str, bytes], tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["fetch", "lfw", "--out", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert f"or put faces.tgz (sha256:{hashlib.sha256(known['faces.tgz']).hexdigest()}) into" in (
        result.stderr
    )
    put(tmp_path / "out", known)  # as it was told
    fetch("lfw", tmp_path / "out")
    check(tmp_path / "out")


def test_files_of_this_machine_are_a_mirror(known: dict[str, bytes], tmp_path: Path) -> None:
    put(tmp_path / "stick", known)
    fetch("lfw", tmp_path / "a", str(tmp_path / "stick"))
    check(tmp_path / "a")
    fetch("lfw", tmp_path / "b", str(tmp_path / "stick" / "faces.tgz"))
    check(tmp_path / "b")
    with pytest.raises(InputError, match="none does not exist; --mirror holds faces"):
        fetch("lfw", tmp_path / "c", str(tmp_path / "none"))
    with pytest.raises(InputError, match="--mirror takes http, https, a folder or a file"):
        fetch("lfw", tmp_path / "c", "ftp://example.org/lfw")


def link(name: str, target: str, kind: bytes) -> tarfile.TarInfo:
    """Return a link in a tar."""
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (archive([("../outside.jpg", b"x")]), "leads out of a folder"),
        (archive([("/tmp/outside.jpg", b"x")]), "leads out of a folder"),
        (archive([("a/../../outside.jpg", b"x")]), "leads out of a folder"),
        (archive([("a/b.jpg", b"x")], l=link("a/l", "/etc", tarfile.SYMTYPE)), "a link or device"),
        (archive([("a/b.jpg", b"x")], l=link("a/l", "a/b.jpg", tarfile.LNKTYPE)), "a link or dev"),
        (archive([("a/b.jpg", b"x")], l=link("a/f", "", tarfile.FIFOTYPE)), "a link or device"),
        (archive(FACES)[:120], "damaged archive"),
        (b"\x1f\x8bnot gzip at all", "damaged archive"),
        (b"no tar", "damaged head"),
    ],
)
def test_hostile_archives_write_nothing(
    known: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    data: bytes,
    reason: str,
) -> None:
    import dataclasses

    lfw = CATALOG["lfw"]
    first = dataclasses.replace(lfw.downloads[0], hash=f"sha256:{hashlib.sha256(data).hexdigest()}")
    monkeypatch.setitem(
        catalog.CATALOG, "lfw", dataclasses.replace(lfw, downloads=(first, lfw.downloads[1]))
    )
    put(tmp_path / "stick", known | {"faces.tgz": data})
    with pytest.raises(DataError, match=reason):
        fetch("lfw", tmp_path / "out", str(tmp_path / "stick"))
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"faces.tgz", "pairs.txt"}
    assert {path.name for path in tmp_path.iterdir()} == {"out", "stick"}


@pytest.mark.parametrize("name", sorted(set(CATALOG) - {"lfw"}))
def test_what_may_not_be_downloaded_is_told_how_to_get(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OCCGEN_DATA", str(tmp_path))
    result = CliRunner().invoke(main, ["fetch", name])
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert CATALOG[name].source in result.stderr
    assert str(tmp_path / name) in result.stderr


def test_a_place_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OCCGEN_DATA", raising=False)
    with pytest.raises(InputError, match="name a folder with --out DIR, or set OCCGEN_DATA"):
        fetch("lfw")
    with pytest.raises(InputError, match="got 'nothing'"):
        fetch("nothing")
