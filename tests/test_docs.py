"""Documents name things that exist: files, modules, links and options."""

from __future__ import annotations

import itertools
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import yaml

from semlink._version import __version__
from tests.documents import find_commands

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in (".", "docs", "docs/results", "training", "benchmarks", *(f"models/{one}" for one in ("pocket",)))
    for path in (ROOT / folder).glob("*.md")
)
OWN = (
    "sender",
    "channel",
    "receiver",
    "shared",
    "semlink",
    "training",
    "benchmarks",
    "deploy",
    "models",
    "tests",
    "docs",
)
PATH = re.compile(rf"`((?:{'|'.join(OWN)})/[\w./-]+)`")
MODULE = re.compile(rf"python -m ((?:{'|'.join(OWN)})[\w.]*)")
OUTSIDE = re.compile(r"NAME|prometheus/targets/")
"""Placeholders, and files that a command writes."""
INSTALL = re.compile(r"pip install ((?:(?:'[^']+'|[\w./=-]+)(?: (?=[\w'.-])|))+)")
"""A command in a text: options, names and paths up to punctuation, a backtick or a variable."""
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)]*)?\)")
CONFLICT = re.compile(r"^(<{7}|={7}|>{7})( |$)", re.MULTILINE)
"""A line that git leaves where two versions do not merge."""


@pytest.mark.parametrize("document", DOCUMENTS)
def test_files_modules_and_links_of_a_document_exist(document):
    path = ROOT / document
    text = path.read_text("utf-8")
    assert not CONFLICT.search(text)
    missing = [name for name in PATH.findall(text) if not (ROOT / name).exists() and not OUTSIDE.search(name)]
    for name in MODULE.findall(text):
        file = ROOT / name.replace(".", "/")
        if not file.with_suffix(".py").exists() and not (file / "__main__.py").exists():
            missing.append(f"python -m {name}")
    for target, _ in LINK.findall(text):
        if "://" not in target and not (path.parent / target).exists():
            missing.append(target)
    assert not missing


def test_the_readme_lists_every_page_of_the_documentation():
    readme = (ROOT / "README.md").read_text("utf-8")
    pages = {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")}
    assert not [page for page in sorted(pages) if f"({page})" not in readme]


def test_every_target_of_make_in_a_document_exists():
    known = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {word for one in find_commands("make") for word in one.words[1:] if "=" not in word}
    assert "demo" in named
    assert named <= known


def test_every_compose_command_of_a_document_names_files_profiles_and_services_that_exist():
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    profiles = {name for one in services.values() for name in one.get("profiles", [])}
    commands = find_commands("docker", "compose")
    assert commands
    for one in commands:
        pairs = list(itertools.pairwise(one.words))
        assert all((ROOT / file).is_file() for option, file in pairs if option == "-f"), one
        assert {name for option, name in pairs if option == "--profile"} <= profiles, one
        assert {name for _, name in pairs if name in ("run", "cp")} == set() or "experiment" in one.text, one


def list_packages() -> set[str]:
    """Return the packages that the project's files of requirements name, and those of its examples."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    texts = [*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())]
    texts += [line for line in (ROOT / "requirements-no-deps.txt").read_text().splitlines() if line[:1] != "#"]
    return {match[0].lower() for text in texts if (match := re.match(r"[\w-]+", text))} - {"semlink"}


def test_what_a_message_or_a_document_says_to_install_can_be_installed():
    """Semlink is on no package index, so that `pip install semlink` and its extras cannot work."""
    sources = [path for name in OWN[:-2] for path in (ROOT / name).rglob("*.py")]
    texts = {path: path.read_text("utf-8") for path in sources}
    texts |= {ROOT / page: (ROOT / page).read_text("utf-8") for page in DOCUMENTS if "results" not in page}
    said = [(path, match[1]) for path, text in texts.items() for match in INSTALL.finditer(text)]
    assert len(said) > 10
    packages = list_packages()
    for path, words in said:
        for word in shlex.split(words):
            if not word.startswith("-") and word != "constraints.txt":
                known = (ROOT / word).is_dir() if "/" in word else word.partition("==")[0].lower() in packages
                assert known, f"{path}: pip install {word}"


def test_the_changelog_and_the_citation_name_this_version():
    versions = re.findall(
        r"^## \[(.+?)\](?: - \d{4}-\d\d-\d\d)?$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE
    )
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert versions[:2] == ["Unreleased", __version__]
    assert citation["version"] == __version__
    assert citation["license"] == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["license"]
    assert {"cff-version", "message", "title", "authors"} <= set(citation)


def test_a_number_that_two_papers_share_is_explained_wherever_it_stands():
    """MTGC and SDGIC are one article on arXiv: version 1, and later versions under another name."""
    sources = [path for name in OWN[:7] for path in (ROOT / name).rglob("*.py")] + [ROOT / page for page in DOCUMENTS]
    lines = [line for path in sources for line in path.read_text("utf-8").splitlines() if "2512.06344" in line]
    assert len(lines) >= 4
    assert all("version" in line for line in lines)
