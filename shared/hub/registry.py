"""All model profiles by name: those that ship, those of a folder, those of installed packages, and YAML files."""

from __future__ import annotations

import os
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

from shared.errors import ConfigError, InputError, LinkError, SetupError, UnknownNameError
from shared.files import read_file
from shared.home import expand_home
from shared.hub.profile import ModelProfile
from shared.validation import validate
from shared.yaml_text import yaml_mapping

if TYPE_CHECKING:
    from collections.abc import Callable

ENTRY_POINTS: Final = "semlink.model_profiles"
"""Group of entry points; each names a ``ModelProfile`` (``docs/models.md``)."""
FOLDER_VARIABLE: Final = "SEMLINK_PROFILES"
"""Environment variable with a folder of further profiles, one YAML file each, called NAME.yaml."""
ENDINGS: Final = (".yaml", ".yml")
DEFAULT_PROFILE: Final = "pocket"


def profile_names() -> list[str]:
    """Return the names of all profiles, those that ship first."""
    return list(_sources())


def load_profile(name: str) -> ModelProfile:
    """Return the profile called ``name``, or the one in the YAML file ``name``.

    Raises:
        UnknownNameError: there is no such profile.
        InputError: the file cannot be read.
        ConfigError: a setting of the profile breaks its rule.
        SetupError: another package registers something that is not a profile.
    """
    if is_file_name(name):
        return _read_profile(Path(name)).read_from(name)
    known = _sources()
    if name not in known:
        raise UnknownNameError(
            f"unknown model profile '{name}'; known are {', '.join(known)}; for a file give a name that ends in .yaml"
        )
    return known[name]()


def is_file_name(name: str) -> bool:
    """Whether ``name`` is that of a YAML file and not of a profile."""
    return name.endswith(ENDINGS)


def _sources() -> dict[str, Callable[[], ModelProfile]]:
    """Return a function that loads each profile, by name."""
    shipped = sorted(one.name for one in _data_folder().iterdir() if one.name.endswith(ENDINGS[0]))
    names = sorted((name.removesuffix(ENDINGS[0]) for name in shipped), key=lambda name: name != DEFAULT_PROFILE)
    found: dict[str, Callable[[], ModelProfile]] = {name: _shipped(name) for name in names}
    for path in _own_files():
        found.setdefault(path.stem, lambda path=path: _read_named(path))  # type: ignore[misc]
    for point in entry_points(group=ENTRY_POINTS):
        found.setdefault(point.name, lambda point=point: _load_entry(point))  # type: ignore[misc]
    return found


def _data_folder() -> Path:
    return Path(str(files("shared.hub") / "data"))


def _shipped(name: str) -> Callable[[], ModelProfile]:
    return lambda: _read_named(_data_folder() / f"{name}{ENDINGS[0]}")


def _own_files() -> list[Path]:
    """Return the files in the folder of the environment variable."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder:
        return []
    try:
        return sorted(one for one in Path(folder).iterdir() if one.suffix in ENDINGS)
    except OSError as error:
        raise SetupError(
            f"{FOLDER_VARIABLE}={folder} cannot be read ({error.strerror}); set it to a folder of profiles or unset it"
        ) from error


def _read_named(path: Path) -> ModelProfile:
    """Return the profile in ``path``, whose name is that of the file."""
    profile = _read_profile(path)
    if profile.name != path.stem:
        raise ConfigError(f"{path}: name = '{profile.name}' is not the file's; rename one of them")
    return profile


def _read_profile(path: Path) -> ModelProfile:
    try:
        text = read_file(expand_home(path)).decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not text: a model profile is YAML in UTF-8") from None
    except InputError as error:
        raise InputError(f"model profile: {error}") from None
    try:
        profile = validate(ModelProfile, yaml_mapping(text, str(path)))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}" if str(path) not in str(error) else str(error)) from None
    return profile.relative_to(expand_home(path).resolve().parent)


def _load_entry(point: object) -> ModelProfile:
    name, value = getattr(point, "name", ""), getattr(point, "value", "")
    try:
        profile = point.load()  # type: ignore[attr-defined]
    except LinkError:
        raise
    except Exception as error:  # whatever another package's code raises
        raise SetupError(f"model profile '{name}' ({value}) cannot be loaded: {error}; fix or remove it") from error
    if not isinstance(profile, ModelProfile):
        raise SetupError(f"model profile '{name}' ({value}) is a {type(profile).__name__}, not a ModelProfile; fix it")
    if profile.name != name:
        raise SetupError(f"model profile '{name}' ({value}) is called '{profile.name}' inside; rename one of them")
    return profile
