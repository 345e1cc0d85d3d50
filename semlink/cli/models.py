"""``semlink models``: the model profiles, what they cost, and whether their files are here."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from semlink.cli.options import Json
from semlink.cli.output import print_json, print_line, print_table
from shared.errors import ConfigError, LinkError

if TYPE_CHECKING:
    from shared.hub.profile import ModelProfile
    from shared.hub.pull import PulledFile

PULL = "pull"


def models(
    what: Annotated[
        str,
        typer.Argument(
            help="Profile to show: a name or a YAML file; or 'pull', to fetch the files of PROFILE.",
            metavar="NAME|FILE.yaml|pull",
            show_default=False,
        ),
    ] = "",
    profile: Annotated[str, typer.Argument(help="Profile to fetch.", metavar="PROFILE", show_default=False)] = "",
    as_json: Json = False,
) -> None:
    """List the model profiles, show one, or fetch the files of one: semlink models pull sd-turbo."""
    from shared.hub.registry import load_profile, profile_names

    if what == PULL:
        if not profile:
            raise ConfigError("models pull needs a profile: semlink models pull sd-turbo")
        _pull(load_profile(profile), as_json=as_json)
    elif profile:
        raise ConfigError(f"models {what} {profile}: to fetch a profile, write semlink models pull {profile}")
    elif what:
        _show(load_profile(what), as_json=as_json)
    else:
        _list(profile_names(), as_json=as_json)


def _list(names: list[str], *, as_json: bool) -> None:
    found = [_describe(name) for name in names]
    if as_json:
        print_json(found)
        return
    rows = [
        [one["name"], one["fault"], "", "", "", ""]
        if one["fault"]
        else [
            *(one["name"], one["task"], one["licence"]),
            *(_gigabytes(one["download_gb"]), _gigabytes(one["memory_gb"]), "yes" if one["cached"] else "no"),
        ]
        for one in found
    ]
    columns = ["name", "task", "licence", "download", "memory", "cached"]
    print_table("Model profiles; 'semlink models pull NAME' fetches one", columns, rows, left=True)


def _describe(name: str) -> dict[str, Any]:
    """Return what the list says about a profile; ``fault`` is the reason why it cannot be used."""
    from shared.hub.files import is_cached
    from shared.hub.registry import load_profile

    try:
        profile = load_profile(name)
    except LinkError as error:
        return {"name": name, "fault": str(error)}
    return {
        **profile.model_dump(mode="json", include={"name", "task", "licence", "family", "download_gb", "memory_gb"}),
        "cached": is_cached(profile),
        "fault": None,
    }


def _gigabytes(value: float) -> str:
    return f"{value:g} GB" if value else "-"


def _show(profile: ModelProfile, *, as_json: bool) -> None:
    from shared.hub.files import find_part
    from shared.hub.layout import parts_of

    values = profile.model_dump(mode="json", exclude_none=True)
    parts = []
    for part in parts_of(profile):
        row = {"part": part.role, "source": part.source.at, "revision": part.source.revision, "fault": None}
        try:
            row["folder"] = str(find_part(profile, part).folder)
        except LinkError as error:
            row["fault"] = str(error)
        parts.append(row)
    if as_json:
        print_json(values | {"parts": parts})
        return
    print_table(f"{profile.name}: {profile.task}", ["setting", "value"], list(_flatten(values)), left=True)
    rows = [[str(one["part"]), one["fault"] or str(one["folder"])] for one in parts]
    if rows:
        print_table("Files", ["part", "where"], rows, left=True)


def _flatten(values: dict[str, Any], prefix: str = "") -> list[list[str]]:
    rows: list[list[str]] = []
    for name, value in values.items():
        rows += _flatten(value, f"{prefix}{name}.") if isinstance(value, dict) else [[f"{prefix}{name}", str(value)]]
    return rows


def _pull(profile: ModelProfile, *, as_json: bool) -> None:
    from shared.hub.files import find_profile
    from shared.hub.pull import pull_profile

    fetched: list[dict[str, Any]] = []

    def show(file: PulledFile) -> None:
        sys.stderr.write(f"{file.number} of {file.count}: {file.name}, {file.size / 1e6:.1f} MB\n")
        fetched.append({"name": file.name, "bytes": file.size})

    pull_profile(profile, show)
    folders = {found.part.role: str(found.folder) for found in find_profile(profile)}
    if as_json:
        print_json({"name": profile.name, "fetched": fetched, "folders": folders})
    else:
        print_line(f"{profile.name} is complete: {len(fetched)} files fetched")
