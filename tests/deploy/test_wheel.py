"""The wheel: semlink, the packages beside it, and every file that they read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from semlink._neighbours import PACKAGES

ROOT = Path(__file__).parents[2]
LOGS = "*.jsonl"  # of training, for the model cards; nothing reads them
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
    assert {"semlink", *PACKAGES} <= set(contents["packages"])
    held = {str(Path(file)) for file in contents["files"]}
    for folder in ("semlink", *PACKAGES):
        for path in (ROOT / folder).rglob("*"):
            code = path.suffix in {".py", ".pyi", ".pyc"}
            if path.is_file() and not code and not path.match(LOGS):
                assert str(path.relative_to(ROOT)) in held, path
