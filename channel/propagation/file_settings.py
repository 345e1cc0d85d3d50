"""Settings of a kind of propagation that reads its values from a user's file."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import Field, model_validator

from channel.propagation.base import PropagationSettings
from channel.propagation.data_file import hash_file
from shared.errors import ConfigError
from shared.validation import short_repr

FILE_FIELD: Final = "propagation.file"
"""The setting that messages name."""


class FileSettings(PropagationSettings):
    """``file``, CSV or Parquet, and ``sha256``, the hash of its bytes, filled in when the settings are read."""

    file: Annotated[str, Field(min_length=1, max_length=4096)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]

    @classmethod
    def check_file(cls, path: str, sha256: str) -> None:
        """Check that the file's columns are those of this kind.

        Raises:
            ConfigError: they are not, or a value breaks a rule of the kind.
            SetupError: the file is Parquet, and pyarrow is not installed.
        """
        raise NotImplementedError

    @model_validator(mode="before")
    @classmethod
    def _read_file(cls, values: Any) -> Any:
        if not (isinstance(values, dict) and isinstance(values.get("file"), str)):
            return values
        sha256 = hash_file(FILE_FIELD, values["file"])
        if values.get("sha256", sha256) != sha256:
            raise ConfigError(f"propagation.sha256: {short_repr(values['file'])} has changed: leave sha256 out")
        cls.check_file(values["file"], sha256)
        return values | {"sha256": sha256}
