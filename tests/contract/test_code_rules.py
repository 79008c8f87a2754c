"""The rules of style that a machine can check."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(
    path
    for folder in ("app", "schemas")
    for path in (ROOT / folder).rglob("*.py")
    if "_pb2" not in path.name  # generated
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_short(path: Path) -> None:
    """A file has at most 200 lines and a function at most 40."""
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= 200
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno + 1 <= 40, node.name


def test_exit_codes_are_defined_once() -> None:
    """All commands take theirs from app.exit_codes."""
    found = {
        str(path.relative_to(ROOT))
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Name)
        and isinstance(node.ctx, ast.Store)
        and node.id.startswith("EXIT_")
    }
    assert found == {"app/exit_codes.py"}


def test_a_broad_except_is_the_last_handler_of_an_api_or_guards_ray() -> None:
    """Nothing else catches every exception; Ray raises bare ones when it starts."""
    found = [
        str(path.relative_to(ROOT))
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or getattr(node.type, "id", "") in {"Exception", "BaseException"})
    ]
    assert found == [
        "app/api/grpc/middleware.py",
        "app/api/http/middleware.py",
        "app/ray_session.py",
    ]
