"""The house, read from the imports: floors, doors that stand alone, no cycles."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "llm_magics"
FLOORS = {
    0: {"errors", "config", "setting_kinds", "config_files", "secrets", "events", "printable", "surrogates", "pictures"}
    | {"redaction", "scrub", "logs", "key_shapes", "trust", "votes", "acting"},
    1: {"wire", "refusals", "endpoints", "manager", "calls", "runtime", "interrupts", "interpolate", "usage"}
    | {"faults", "remarks", "keyless", "doctor", "arena", "judge", "loop", "deadlines"},
    2: {"contexts", "schemas", "tools", "toolsets", "frames", "mcp", "demo", "local", "texts"}
    | {"drawings", "plain_values"},
    3: {"channel", "view", "safe", "tables", "renderers", "call_views", "comparisons"},
    4: {"live", "terminal", "lanes", "following", "comparing", "boards", "configuration", "served_models"}
    | {"project_trust", "traits", "choices", "magic_lines", "lines", "toolbox", "mcp_tools", "tool_use", "tool_runs"}
    | {"captured", "session", "checks", "widgets", "commands", "completion", "cell_text", "running"}
    | {"parsers", "magics", "extension"},
}
ROOMS = {name: floor for floor, names in FLOORS.items() for name in names}
FILES = sorted(PACKAGE.rglob("*.py"))
MODULES = {
    ".".join(("llm_magics", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in FILES
}


def room(path: Path) -> str:
    """The top-level module or folder a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@functools.cache
def imports(path: Path, *, types_too: bool = False) -> list[tuple[str, bool]]:
    """What a file imports, and whether it does so at once, when it is itself imported."""
    tree = ast.parse(path.read_text("utf-8"))
    at_once = set(ast.walk(ast.Module(body=[n for n in tree.body if not _for_types(n)], type_ignores=[])))
    inside = {n for f in ast.walk(tree) if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef) for n in ast.walk(f)}
    found = []
    for node in ast.walk(tree):
        if not types_too and node not in at_once:
            continue
        for name in _names(node):
            found.append((name, node not in inside))
    return found


def _for_types(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        inner = [f"{node.module}.{alias.name}" for alias in node.names]
        return [name if name in MODULES else node.module for name in inner]  # a module, or what stands in one
    return []


def ours(path: Path) -> set[str]:
    """The rooms a file imports from."""
    return {name.split(".")[1] for name in modules(path)}


def modules(path: Path) -> set[str]:
    """The modules of ours that a file imports, but the front door."""
    return {name for name, _ in imports(path) if name in MODULES} - {"llm_magics"}


def calls(path: Path, name: str) -> bool:
    """Whether a file calls a function of this name."""
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
    )


def test_every_file_has_its_floor() -> None:
    assert {room(path) for path in FILES} - {"__init__"} == set(ROOMS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_floor_imports_itself_and_the_floors_below(path: Path) -> None:
    if room(path) == "__init__":
        return
    above = {name for name in ours(path) if ROOMS[name] > ROOMS[room(path)]}
    assert not above


def knots(edges: dict[str, set[str]]) -> set[str]:
    """What stands in a circle, or depends on one."""
    left = dict(edges)
    while leaves := [name for name, others in left.items() if not others & set(left)]:
        for leaf in leaves:
            del left[leaf]
    return set(left)


def test_no_rooms_import_each_other_in_a_circle() -> None:
    assert not knots(
        {name: {other for path in FILES if room(path) == name for other in ours(path)} - {name} for name in ROOMS}
    )


def test_no_files_of_a_room_import_each_other_in_a_circle() -> None:
    edges = {
        name: {other for other, at_once in imports(path) if at_once and other in MODULES} - {name, "llm_magics"}
        for name, path in MODULES.items()
    }
    assert not knots(edges)


@pytest.mark.parametrize(
    "folder", ["contexts", "comparisons/differences", "doctor/probes", "renderers", "tools", "widgets"]
)
def test_siblings_do_not_import_each_other(folder: str) -> None:
    for path in (PACKAGE / folder).glob("*.py"):
        siblings = [name for name, _ in imports(path) if name.startswith(f"llm_magics.{folder.replace('/', '.')}.")]
        assert path.name == "__init__.py" or not siblings


def test_demo_knows_nothing_of_the_rest() -> None:
    for path in (PACKAGE / "demo").glob("*.py"):
        assert ours(path) <= {"demo"}


def test_only_live_displays() -> None:
    assert [path.name for path in FILES if calls(path, "display") or calls(path, "clear_output")] == ["live.py"]


def test_every_display_of_ours_passes_the_door_for_html() -> None:
    shown = [
        ast.unparse(node.args[0])
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and node.args and any(word.arg == "raw" for word in node.keywords)
    ]
    assert shown
    assert set(shown) == {"safe_bundle(bundle)"}


def test_only_widgets_import_ipywidgets_and_what_they_show_passes_the_door_for_html() -> None:
    users = [path for path in FILES if any(name.split(".")[0] == "ipywidgets" for name, _ in imports(path))]
    assert users
    assert {room(path) for path in users} == {"widgets"}
    for path in users:
        tree = ast.parse(path.read_text("utf-8"))
        calls_made = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        places = [node for node in calls_made if ast.unparse(node.func).endswith(".HTML")]
        assert not any(node.args or {word.arg for word in node.keywords} - {"layout"} for node in places), "use show()"
        assert not [name for name in ("HTMLMath", "Label(", "description_allow_html") if name in ast.unparse(tree)]


def test_the_environment_is_read_at_few_doors() -> None:
    readers = {path.name for path in FILES if "os.environ" in path.read_text("utf-8")}
    assert readers <= {"config.py", "config_files.py", "secrets.py"}


def test_openai_is_imported_by_few_and_never_at_once() -> None:
    for path in FILES:
        for name, at_once in imports(path):
            if name.split(".")[0] == "openai":
                assert path.name in {"manager.py", "calls.py", "exchange.py", "sdk.py", "reply.py", "reach.py"}
                assert not at_once


def test_no_http_library_is_named() -> None:
    for path in FILES:
        assert not [name for name, _ in imports(path, types_too=True) if name.split(".")[0] in {"httpx", "httpx2"}]


def test_ipython_stays_on_the_roof() -> None:
    for path in FILES:
        if any(name.split(".")[0] in {"IPython", "traitlets"} for name, _ in imports(path)):
            assert ROOMS[room(path)] == 4


def test_mutable_globals_stand_only_in_session() -> None:
    for path in FILES:
        tree = ast.parse(path.read_text("utf-8"))
        if any(isinstance(node, ast.Global) for node in ast.walk(tree)):
            assert room(path) == "session"


def test_nobody_imports_the_magics_but_the_extension() -> None:
    assert {path.name for path in FILES if "magics" in ours(path)} <= {"extension.py"}
