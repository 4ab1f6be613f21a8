"""Settings of one process: `rig.toml`, over it the environment (`RIG_…`, or `RIG_…_FILE` for a secret)."""

from __future__ import annotations

import os
import tomllib
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from servers.kit.errors import InvalidInput

MODEL_KEYS = ("ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN", "OPENAI_API_KEY", "CODEX_API_KEY")
FAMILIAR = {name: f"RIG_{name}" for name in ("GITHUB_TOKEN", *MODEL_KEYS)}


class SecretFiles(PydanticBaseSettingsSource):
    """Reads a field from the file that `<PREFIX><FIELD>_FILE` names."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        variable = f"{self.config.get('env_prefix', '')}{field_name}_file".upper()
        path = os.environ.get(variable)
        if not path:
            return None, field_name, False
        try:
            secret = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInput(f"{variable} names {path}, which cannot be read ({error}).") from error
        if not secret:
            raise InvalidInput(f"{variable} names {path}, which is empty.")
        return secret, field_name, False

    def __call__(self) -> dict[str, Any]:
        values = {
            name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()
        }
        return {name: value for name, value in values.items() if value is not None}


class RigSettings(BaseSettings):
    """Base of each process's settings; all share one flat `rig.toml`, and each reads the fields it knows."""

    model_config = SettingsConfigDict(env_prefix="RIG_", extra="ignore", env_ignore_empty=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        toml = Path(os.environ.get("RIG_CONFIG", "rig.toml"))
        return (
            init_settings,
            env_settings,
            SecretFiles(settings_cls),
            TomlConfigSettingsSource(settings_cls, toml),
        )

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Read the settings, or say in one error every field that is wrong and how to set it.

        Raises:
            InvalidInput: A value is missing or malformed, or `rig.toml` is not TOML or no file.
        """
        config = Path(os.environ.get("RIG_CONFIG", "rig.toml"))
        if config.is_dir():
            raise InvalidInput(f"{config} is a folder. Set RIG_CONFIG to a file.")
        try:
            return cls(**overrides)
        except ValidationError as error:
            raise InvalidInput(_explain(cls, error)) from error
        except SettingsError as error:
            raise InvalidInput(_unparsed(cls, error)) from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
            raise InvalidInput(f"{config} is not valid TOML: {error}") from error


def adopt_familiar_names(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let GITHUB_TOKEN and the names of models' keys stand for the rig's own where those are not set."""
    for familiar, ours in FAMILIAR.items():
        given = environment.get(familiar)
        if given and ours not in environment and f"{ours}_FILE" not in environment:
            environment[ours] = given


def _unparsed(cls: type[BaseSettings], error: SettingsError) -> str:
    name = next((name for name in cls.model_fields if f'"{name}"' in str(error)), "a field")
    variable = f"{cls.model_config.get('env_prefix', '')}{name}".upper()
    return f'{variable} must be JSON, such as ["one", "two"] for a list.'


def _explain(cls: type[BaseSettings], error: ValidationError) -> str:
    prefix = str(cls.model_config.get("env_prefix", "")).upper()
    lines: list[str] = []
    for problem in error.errors(include_input=False, include_url=False):
        said = problem["msg"].removeprefix("Value error, ")
        if not problem["loc"]:
            lines.append(f"{said}.")
            continue
        name = ".".join(str(part) for part in problem["loc"])
        field = cls.model_fields.get(str(problem["loc"][0]))
        meaning = f" ({field.description})" if field and field.description else ""
        lines.append(f"{name}: {said}. Set {prefix}{name.upper()} or `{name}` in rig.toml{meaning}")
    return "; ".join(lines)
