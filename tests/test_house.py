"""The house itself: sizes, the promises of the README, and that the documents know what the code has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from interceptor.options import Options
from tests.conftest import allowed_skips
from tests.support import way_cells
from tests.support.written_docs import PAGES

TOP = Path(__file__).parent.parent
LINES_AT_MOST = 500
LONGER_FILES: dict[str, str] = {}
"""File -> why it may be longer than that."""


def sources() -> list[Path]:
    return sorted((TOP / "interceptor").rglob("*.py"))


def test_no_file_outgrows_its_idea() -> None:
    long = {str(path.relative_to(TOP)): len(path.read_text().splitlines()) for path in sources()}
    assert {name: size for name, size in long.items() if size > LINES_AT_MOST and name not in LONGER_FILES} == {}
    assert set(LONGER_FILES) <= set(long), "an exception for a file that is gone"


def test_no_module_is_named_after_nothing() -> None:
    nameless = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}
    assert [str(path.relative_to(TOP)) for path in sources() if path.stem in nameless] == []


def test_every_module_opens_with_its_theory() -> None:
    silent = [
        str(path.relative_to(TOP))
        for path in sources()
        if path.stem != "__init__" and not path.read_text().lstrip().startswith(('"""', "r'''", "'''", 'r"""'))
    ]
    assert silent == []


def test_nothing_is_left_behind() -> None:
    marks = re.compile(r"#\s*(TODO|FIXME|XXX)\b|raise NotImplementedError")
    left = [str(path.relative_to(TOP)) for path in sources() if marks.search(path.read_text())]
    assert left == []


def test_every_folder_of_tests_is_a_package() -> None:
    folders = {path.parent for path in (TOP / "tests").rglob("test_*.py")}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


def test_the_readme_begins_with_the_two_commands() -> None:
    beginning = (TOP / "README.md").read_text()[:600]
    assert "make run" in beginning
    assert "make test" in beginning


@pytest.mark.parametrize("name", ["keys.md", "options.md", "filters.md", "commands.md"])
def test_pages_written_from_the_code_are_up_to_date(name: str) -> None:
    assert (TOP / "docs" / name).read_text() == PAGES[name](), "`make docs` writes it anew"


def test_the_matrix_of_ways_has_passed_as_a_whole() -> None:
    passed = way_cells.page(dict.fromkeys(way_cells.cells(), ""))
    assert (TOP / "docs" / "matrix.md").read_text() == passed, "`make matrix` runs it and writes the page anew"


def test_every_option_is_looked_at_somewhere() -> None:
    words = {word for path in sources() if path.name != "options.py" for word in re.findall(r"\w+", path.read_text())}
    assert [option.name for option in Options.declared() if option.name not in words] == []


def test_every_file_is_in_the_list_of_files() -> None:
    listed = re.findall(r"^(?:## `(.+)/`|\| `(.+?)`)", (TOP / "docs" / "files.md").read_text(), re.MULTILINE)
    wanted = re.findall(r"^(?:## `(.+)/`|\| `(.+?)`)", PAGES["files.md"](), re.MULTILINE)
    assert listed == wanted, "`make docs` writes it anew"


def test_relative_links_in_the_documents_lead_somewhere() -> None:
    broken = []
    for document in [*TOP.glob("*.md"), *(TOP / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text()):
            if "://" not in target and not (document.parent / target).exists():
                broken.append(f"{document.name}: {target}")
    assert broken == []


def test_every_allowed_skip_has_a_reason() -> None:
    allowed_skips((TOP / "tests" / "may-skip.txt").read_text())
