"""The wheel: semlink, the packages beside it, and every file that they read."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from semlink._neighbours import PACKAGES

ROOT = Path(__file__).parents[2]
LOGS = "*.jsonl"  # of training, for the model cards; nothing reads them
MOST_BYTES = 95_000_000
"""Package indices take 100 MB. Nearly all of it is weights."""
LIST_CONTENTS = """
import json
from setuptools.dist import Distribution

distribution = Distribution()
distribution.parse_config_files()
build = distribution.get_command_obj("build_py")
build.ensure_finalized()
build.manifest_files = {}  # reading them would write an .egg-info folder
files = [file for package in build.packages for file in build.find_data_files(package, build.get_package_dir(package))]
print(json.dumps({"packages": build.packages, "files": files}))
"""


def test_the_wheel_holds_every_package_and_every_file_of_data():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LIST_CONTENTS], cwd=ROOT, capture_output=True, text=True, check=True
    )
    contents = json.loads(done.stdout.splitlines()[-1])
    assert {name.partition(".")[0] for name in contents["packages"]} == {"semlink", *PACKAGES}
    held = {str(Path(file)) for file in contents["files"]}
    for folder in ("semlink", *PACKAGES):
        for path in (ROOT / folder).rglob("*"):
            code = path.suffix in {".py", ".pyi", ".pyc"}
            if path.is_file() and not code and not path.match(LOGS):
                assert str(path.relative_to(ROOT)) in held, path


@pytest.mark.slow
def test_the_wheel_is_small_enough_to_be_kept_and_holds_nothing_that_only_a_clone_needs(tmp_path):
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in tracked.splitlines():
        (tmp_path / "clone" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / "clone" / name)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-build-isolation", "--no-deps", "--wheel-dir"]
    subprocess.run([*build, str(tmp_path), str(tmp_path / "clone")], check=True)
    (wheel,) = tmp_path.glob("semlink-*.whl")
    with zipfile.ZipFile(wheel) as files:
        folders = {name.partition("/")[0] for name in files.namelist()}
    assert {one for one in folders if not one.endswith(".dist-info")} == {"semlink", *PACKAGES}
    assert wheel.stat().st_size < MOST_BYTES
