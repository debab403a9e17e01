"""Nothing in the sources can run what a file holds: no pickle, eval, unsafe load or unpacking."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("occluders", "occgen", "frommodel", "cli")
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))

MODULES = {  # that run code, or build objects, out of data
    *("pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "yaml", "imp", "code"),
    *("jsonpickle", "joblib.load"),
}
ALLOWED = {  # module of ours -> what it may import of these: it writes pickles, and reads none
    "occgen/verification_bin.py": {"pickle"},
}
CALLS = {"eval", "exec", "compile", "__import__"}
METHODS = {  # attribute called -> modules it is dangerous of; None for any
    "extractall": None,
    "extract": None,
    "unpack_archive": None,
    "loads": {"pickle", "marshal"},
    "load": {"pickle", "marshal", "joblib", "yaml"},
    "Unpickler": None,
    "unsafe_load": None,
    "full_load": None,
    "popen": {"os"},
    "system": {"os"},
    "fromfile": {"np", "numpy"},
}


def problems(tree: ast.Module, name: str) -> Iterator[str]:
    """Yield what a module does that could run, or trust, what a file holds."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names]
            if isinstance(node, ast.ImportFrom):
                names = [node.module or "", *(f"{node.module}.{each}" for each in names)]
            for each in names:
                if each in MODULES - ALLOWED.get(name, set()):
                    yield f"line {node.lineno} imports {each}"
        if isinstance(node, ast.Call):
            yield from _problems_of_call(node)


def _problems_of_call(node: ast.Call) -> Iterator[str]:
    keywords = {word.arg: word.value for word in node.keywords}
    function = node.func
    if isinstance(function, ast.Name) and function.id in CALLS:
        yield f"line {node.lineno} calls {function.id}"
    for word, wanted in (("allow_pickle", False), ("shell", False)):
        value = keywords.get(word)
        if value is not None and not (isinstance(value, ast.Constant) and value.value is wanted):
            yield f"line {node.lineno} sets {word}"
    if not isinstance(function, ast.Attribute):
        return
    owner = function.value.id if isinstance(function.value, ast.Name) else None
    if owner == "torch" and function.attr == "load":
        only = keywords.get("weights_only")
        if not (isinstance(only, ast.Constant) and only.value is True):
            yield f"line {node.lineno} calls torch.load without weights_only=True"
    if owner in ("np", "numpy") and function.attr == "load" and "allow_pickle" not in keywords:
        yield f"line {node.lineno} calls np.load and does not say allow_pickle=False"
    owners = METHODS.get(function.attr, set())
    if owners is None or owner in owners:
        yield f"line {node.lineno} calls {owner or '...'}.{function.attr}"
    if owner == "Image" and function.attr == "open" and "formats" not in keywords:
        yield f"line {node.lineno} lets Pillow read PostScript: name formats"
    if owner == "tarfile" and function.attr in ("open", "TarFile"):
        yield f"line {node.lineno} opens a tar with the standard library: occgen.tar_members reads"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_runs_what_a_file_holds(path: Path) -> None:
    name = path.relative_to(ROOT).as_posix()
    assert list(problems(ast.parse(path.read_text(encoding="utf-8")), name)) == []


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from pickle import loads",
        "import yaml",
        "eval(x)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "tar.extractall(path)",
        "Image.open(path)",
        "subprocess.run(x, shell=True)",
        "os.system(x)",
    ],
)
def test_the_scan_sees_it(text: str) -> None:
    assert list(problems(ast.parse(text), "any.py"))


def test_only_the_one_module_imports_pickle_and_calls_dumps_alone() -> None:
    tree = ast.parse((ROOT / "occgen/verification_bin.py").read_text(encoding="utf-8"))
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "pickle"
    }
    assert used == {"dumps"}
