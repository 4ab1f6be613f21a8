"""What the first start leaves in the data folder: the signing key, a person's token; and `rig.toml` beside it."""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import os
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import jwt

from servers.kit.auth import SigningKey, Verifier, needs_renewal
from servers.kit.clock import Clock, SystemClock
from servers.kit.errors import Conflict, InvalidInput, Unauthenticated

TOKEN_LIFE = timedelta(days=90)
CONFIG = """\
# Settings of the rig. The environment goes over this file: RIG_PORT=7701 beats `port = 7700`.
# Every setting, with what it means: docs/settings.md. Keep secrets in the environment or in RIG_…_FILE.
host = "{host}"
port = {port}
repositories = [{repositories}]
# public_url = "https://rig.example.com"   # where GitHub reaches this rig; without it the rig polls
"""


@dataclass(frozen=True)
class DataFolder:
    """The rig's own folder on this machine."""

    path: Path

    @property
    def key_file(self) -> Path:
        return self.path / "signing-key.pem"

    @property
    def token_file(self) -> Path:
        return self.path / "token"

    @property
    def postgres(self) -> Path:
        return self.path / "postgres"

    def make(self) -> None:
        """Create the folder; root leaves it passable, for PostgreSQL runs under another account inside it.

        Raises:
            InvalidInput: It cannot be created, or belongs to somebody else.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.path.chmod(0o711 if os.geteuid() == 0 else 0o700)
        except OSError as error:
            raise InvalidInput(
                f"The data folder {self.path} cannot be made or used ({error.strerror}). Set RIG_DATA_DIR."
            ) from error

    def signing_key(self) -> SigningKey:
        return SigningKey.load_or_create(self.key_file)

    @contextlib.contextmanager
    def locked(self) -> Generator[None]:
        """Hold the folder for one `rig up`.

        Raises:
            Conflict: Another process holds it.
        """
        with (self.path / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Conflict(f"Another `rig up` runs on {self.path}. Stop it, or set RIG_DATA_DIR.") from error
            yield


async def person_token(folder: DataFolder, key: SigningKey, clock: Clock | None = None) -> tuple[str, bool]:
    """The token of the person at the keyboard, and whether it was made just now."""
    clock = clock or SystemClock()
    if folder.token_file.exists():
        token = folder.token_file.read_text().strip()
        with contextlib.suppress(Unauthenticated, jwt.PyJWTError):
            if not needs_renewal(await Verifier.of(key, clock).verify(token), clock.now()):
                return token, False
    token = key.issue(_person(), "person", TOKEN_LIFE, clock)
    write_secret(folder.token_file, token)
    return token, True


def write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner may read, replacing it as a whole."""
    staged = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    staged.replace(path)


def write_config(host: str, port: int, repositories: Sequence[str]) -> Path | None:
    """Make `rig.toml` (or the file that RIG_CONFIG names) where there is none; its path if it was made."""
    path = Path(os.environ.get("RIG_CONFIG", "rig.toml"))
    if path.exists():
        return None
    names = ", ".join(f'"{name}"' for name in repositories)
    try:
        write_secret(path, CONFIG.format(host=host, port=port, repositories=names))
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written ({error}). Set RIG_CONFIG to a path that can.") from error
    return path


def _person() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "owner"
