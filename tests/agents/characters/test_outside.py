"""iBuild-E on a Mac outside the cluster: launchd's file, and HTTPS or nothing."""

from __future__ import annotations

import plistlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agents.mesh import Identity, open_mesh
from agents.settings import AgentSettings
from servers.kit.auth import SigningKey, Verifier
from servers.kit.errors import InvalidInput, Unavailable
from servers.kit.serve import Part, build_app
from tests.agents.characters.house import CATALOGUE
from tests.agents.conductor import Conductor, tools
from tests.agents.stage import ROOT, free_socket
from tests.loopback import listening

PLIST = ROOT / "docs" / "examples" / "com.rig.ibuild-e.plist"


def certificate(folder: Path) -> dict[str, str]:
    """A certificate of this address that nobody else vouches for, as uvicorn takes it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "rig")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "ca.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(pem)
    return {"ssl_certfile": str(folder / "ca.pem"), "ssl_keyfile": str(folder / "key.pem")}


@asynccontextmanager
async def sealed(folder: Path, key: SigningKey) -> AsyncGenerator[str]:
    """A conductor behind HTTPS; its address."""

    @asynccontextmanager
    async def opened() -> AsyncGenerator[Conductor]:
        yield Conductor()

    with free_socket() as (listener, url):
        url = url.replace("http://", "https://")
        app = build_app([Part(tools, opened)], Verifier.of(key), url)
        files: Any = certificate(folder)
        async with listening(app, [listener], **files):
            yield url


async def ask(url: str, key: SigningKey, folder: Path, **more: Any) -> Any:
    """Ask for work as iBuild-E."""
    token = key.issue("ibuild-e", "dev", timedelta(hours=1))
    settings = AgentSettings.load(conductor_url=url, https_only=True, token=token, **more)
    bare = CATALOGUE["ibuild-e"].model_copy(update={"mcp_servers": {}})
    async with open_mesh(bare, settings, Identity("ibuild-e-1", token), folder) as mesh:
        return await mesh.call("conductor", "claim_assignment", {"kinds": ["implement"]}, patience=0)


async def test_the_rig_is_reached_by_https_where_its_certificates_are_known(tmp_path: Path) -> None:
    key = SigningKey.load_or_create(tmp_path / "signing.pem")
    async with sealed(tmp_path, key) as url:
        assert await ask(url, key, tmp_path, ca_file=tmp_path / "ca.pem") == {"assignment": None}
        with pytest.raises(Unavailable, match="cannot be reached"):
            await ask(url, key, tmp_path)


def test_plain_http_is_refused_where_it_has_to_be_https(tmp_path: Path) -> None:
    said = {"token": "t", "https_only": True}
    with pytest.raises(InvalidInput, match=r"http://rig\.example\.com does not begin with https"):
        AgentSettings.load(conductor_url="http://rig.example.com", **said)
    with pytest.raises(InvalidInput, match="does not begin with https"):
        AgentSettings.load(conductor_url="https://rig", servers={"github": "http://x"}, **said)


async def test_a_file_that_holds_no_certificates_is_named(tmp_path: Path) -> None:
    key = SigningKey.load_or_create(tmp_path / "signing.pem")
    (tmp_path / "ca.pem").write_text("none")
    for file in ("ca.pem", "gone.pem"):
        with pytest.raises(InvalidInput, match=rf"RIG_CA_FILE: .*{file} holds no certificates"):
            await ask("https://127.0.0.1:1", key, tmp_path, ca_file=tmp_path / file)


def test_launchd_starts_it_with_settings_that_it_takes_and_without_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = plistlib.loads(PLIST.read_bytes())
    assert job["Label"] == PLIST.stem
    assert job["ProgramArguments"][1:3] == ["agent", "run"]
    assert Path(job["ProgramArguments"][3]).stem in CATALOGUE
    assert (job["RunAtLoad"], job["KeepAlive"], job["Umask"]) == (True, True, 0o77)
    for name, value in job["EnvironmentVariables"].items():
        secret = name.endswith("_FILE") and name != "RIG_CA_FILE"
        file = tmp_path / Path(value).name
        file.write_text("kept")
        monkeypatch.setenv(name, str(file) if secret else value)
    settings = AgentSettings.load()
    assert settings.https_only
    assert settings.conductor_url.startswith("https://")
    assert settings.token.get_secret_value() == "kept"
    assert settings.anthropic_api_key is not None
    assert settings.drain_seconds < job["ExitTimeOut"]
