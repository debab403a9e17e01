"""Imports go down the layers only, heavy ones come late, and modules are laid out as agreed."""

import ast
import configparser
import graphlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = {"occluders": 0, "occgen": 1, "frommodel": 2, "cli": 3}
INSTALLED_AS = {"cli": "occgen_cli"}
ONLY_IN_FROMMODEL = {"torch", "torchvision", "safetensors"}

pytestmark = pytest.mark.filterwarnings("ignore::SyntaxWarning")


def modules() -> dict[str, Path]:
    """Return every module of the four packages by its dotted name, cli as in the tree."""
    found = {}
    for package in LAYERS:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports(name: str, path: Path, *, with_types: bool = True) -> Iterator[str]:
    """Yield the absolute dotted name of everything a module imports, wherever it does.

    Relative imports are resolved, ``from package import module`` gives the module, and names in
    an ``_EXPORTS`` table or given to ``import_module`` count as well.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    skipped = set()
    for node in ast.walk(tree):
        if node in skipped:
            skipped.update(ast.iter_child_nodes(node))
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test) and not with_types:
            skipped.update(node.body)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                above = parts[: len(parts) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield inner if inner in MODULES else base
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            yield from (a.value for a in node.args if isinstance(a, ast.Constant))
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_EXPORTS":
            assert isinstance(node.value, ast.Dict)
            yield from {v.value for v in node.value.values if isinstance(v, ast.Constant)}


@pytest.mark.parametrize("name", MODULES)
def test_imports_go_down_the_layers(name: str) -> None:
    own = name.partition(".")[0]
    for imported in imports(name, MODULES[name]):
        top = imported.partition(".")[0].replace("occgen_cli", "cli")
        if top in LAYERS and top != own:
            assert LAYERS[top] < LAYERS[own], f"{name} imports {imported}, which lies above it"


SOURCES = [*MODULES.values(), *sorted((ROOT / "tests").rglob("*.py"))]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nobody_imports_cli_by_its_folder_name(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        assert "cli" not in {name.partition(".")[0] for name in names}, "say occgen_cli"


@pytest.mark.parametrize("name", MODULES)
def test_torch_only_in_frommodel(name: str) -> None:
    if name.partition(".")[0] != "frommodel":
        tops = {imported.partition(".")[0] for imported in imports(name, MODULES[name])}
        assert not tops & ONLY_IN_FROMMODEL


def test_the_reader_of_imports_sees_every_form(tmp_path: Path) -> None:
    path = tmp_path / "sample.py"
    path.write_text(
        "import a.b as c, d\nfrom .errors import X\nfrom . import geometry\nfrom .. import cli\n"
        "_EXPORTS = {'n': 'occgen.reader'}\ndef f():\n    import_module('late')\n"
        "if TYPE_CHECKING:\n    import typed\n",
        encoding="utf-8",
    )
    seen = set(imports("occgen.sample", path))
    assert seen >= {"a.b", "d", "occgen.errors", "occgen.geometry", "occgen.reader", "late"}
    assert "typed" in seen
    assert "typed" not in set(imports("occgen.sample", path, with_types=False))


def test_no_cycles_between_modules() -> None:
    graph = {}
    for name, path in MODULES.items():
        if path.name != "__init__.py" or name.count("."):  # a package's lazy table is no import
            seen = set(imports(name, path, with_types=False))
            graph[name] = {other for other in seen if other in MODULES and "." in other} - {name}
    cycle: list[str] = []
    try:
        list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        cycle = error.args[1]
    assert not cycle, f"modules import each other: {' -> '.join(cycle)}"


@pytest.mark.parametrize("name", MODULES)
def test_every_module_lists_its_public_names(name: str) -> None:
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    names = {
        target.id
        for node in tree.body
        if isinstance(node, (ast.Assign, ast.AnnAssign))
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    empty = len(tree.body) <= 1  # a docstring alone
    assert "__all__" in names or empty
    assert ast.get_docstring(tree), f"{name} has no docstring"


@pytest.mark.parametrize("package", ["occluders", "occgen", "frommodel"])
def test_no_public_name_hides_a_module(package: str) -> None:
    stems = {path.stem for path in (ROOT / package).iterdir() if path.suffix == ".py"}
    stems |= {path.name for path in (ROOT / package).iterdir() if path.is_dir()}
    code = f"import json, {package}; print(json.dumps(list({package}.__all__)))"
    assert not stems & set(json.loads(printed(code)))


def test_packages_are_listed_in_setup_cfg() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    listed = set(setup["options"]["packages"].split())
    found = set()
    for name, path in MODULES.items():
        if path.name == "__init__.py":
            top, _, rest = name.partition(".")
            found.add(INSTALLED_AS.get(top, top) + (f".{rest}" if rest else ""))
    assert listed == found


def test_occgen_help_loads_nothing_heavy() -> None:
    code = (
        "import json, sys\nfrom occgen_cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "print('\\n' + json.dumps(sorted(sys.modules)))"
    )
    loaded = set(json.loads(printed(code).splitlines()[-1]))
    assert not loaded & {"torch", "cv2", "h5py", "joblib", "PIL", "numpy", "scipy"}


@pytest.mark.parametrize("package", ["occgen", "occluders", "frommodel"])
def test_importing_a_package_loads_nothing_heavy(package: str) -> None:
    loaded = set(printed(f"import sys, {package}; print(*sys.modules)").split())
    assert not loaded & {"torch", "cv2", "h5py", "numpy"}


def printed(code: str) -> str:
    """Return what a fresh interpreter prints for code, away from the source tree."""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT.parent)
    return done.stdout
