"""Tiny captioners in a folder, and profiles that name them."""

import pytest

from shared.hub.profile import ModelProfile
from shared.validation import validate
from tests.hub.captioners import BUILDERS, build_clip


@pytest.fixture(scope="session")
def captioner_folders(tmp_path_factory):
    """The folders of the three captioners, by kind, and that of CLIP as ``maps``."""
    root = tmp_path_factory.mktemp("captioners")
    folders = {kind: build(root / kind) for kind, build in BUILDERS.items()}
    return folders | {"maps": build_clip(root / "maps")}


@pytest.fixture(scope="session")
def captioning(captioner_folders):
    """A function of (kind, maps) that returns a profile whose captioner is of that kind."""

    def make(kind, *, maps=False, **changes):
        values = {
            "name": "tiny",
            "task": "test",
            "licence": "none",
            "family": "pocket",
            "dtype": "float32",
            "captioner": {"kind": kind, "source": {"at": str(captioner_folders[kind])}},
            **({"maps": {"at": str(captioner_folders["maps"])}} if maps else {}),
        }
        return validate(ModelProfile, values | changes)

    return make
