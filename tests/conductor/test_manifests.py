"""Which dependencies a change of a manifest adds."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.merge.manifests import READERS, Unreadable, added, declared, is_manifest

PYPROJECT = """
[build-system]
requires = ["hatchling>=1.27"]
[project]
dependencies = ["Rich>=13", "typing_extensions; python_version < '3.12'", "httpx[http2] ~= 0.28"]
[project.optional-dependencies]
s3 = ["boto3"]
[dependency-groups]
dev = ["pytest", {include-group = "lint"}]
lint = ["ruff (>=0.1)"]
[tool.poetry.dependencies]
python = "^3.11"
fastapi = "^0.1"
forked = {git = "https://github.com/x/forked.git", tag = "v1"}
local = {path = "../local"}
[tool.poetry.group.test.dependencies]
hypothesis = {version = "*", optional = true}
[tool.uv]
dev-dependencies = ["pyright"]
"""
PYTHON = {
    "hatchling", "rich", "typing-extensions", "httpx", "boto3", "pytest", "ruff", "fastapi", "hypothesis", "pyright",
    "forked from https://github.com/x/forked.git",
}  # fmt: skip
REQUIREMENTS = """# ours
-r base.txt
-c constraints.txt
--extra-index-url https://packages.test/simple
-e .
Requests==2.32.0 \\
    --hash=sha256:aaaa \\
    --hash=sha256:bbbb
zope.interface>=5  # a comment
tool @ git+https://github.com/x/tool.git@v1.2#egg=tool
./wheels/local.whl
https://files.test/thing.whl ; python_version > "3"
"""
PACKAGE = """{"name": "x", "dependencies": {"left-pad": "^1", "@scope/own": "workspace:*", "odd": "npm:even@2"},
"devDependencies": {"vite": "5"}, "peerDependencies": {"react": ">=18"}, "optionalDependencies": {"fs": "user/fs#v1"},
"scripts": {"test": "vite"}}"""
CSPROJ = """\ufeff<Project Sdk="Microsoft.NET.Sdk" xmlns="http://schemas.microsoft.com/developer/msbuild/2003">
<ItemGroup><PackageReference Include="Newtonsoft.Json" Version="13.0.1" /><PackageReference Include="A;B" />
<ProjectReference Include="../Core/Core.csproj" /></ItemGroup></Project>"""
PROPS = '<Project><ItemGroup><PackageVersion Include="Serilog" Version="4" /></ItemGroup></Project>'
GO = """module example.com/app // ours

go 1.23
toolchain go1.23.1
require github.com/a/one v1.0.0
require (
\tgithub.com/b/two v0.1.0 // indirect
\t// github.com/c/comment v1
)
replace github.com/a/one => github.com/fork/one v1.0.1
replace github.com/b/two => ../two
exclude github.com/d/four v1.0.0
retract (
\tv1.0.0
)
"""
CARGO = """
[package]
name = "x"
[dependencies]
serde = { version = "1", features = ["derive"] }
own = { path = "../own" }
shared = { workspace = true }
renamed = { package = "real_crate", version = "1" }
[dev-dependencies]
proptest = "1"
[target.'cfg(windows)'.dependencies]
winapi = "0.3"
[workspace.dependencies]
tokio = { git = "https://github.com/tokio-rs/tokio", rev = "abc" }
"""


@pytest.mark.parametrize(
    ("path", "text", "names"),
    [
        ("pyproject.toml", PYPROJECT, PYTHON),
        (
            "dev/requirements-dev.txt",
            REQUIREMENTS,
            {
                "requests", "zope-interface", "tool from git+https://github.com/x/tool.git",
                "packages of https://packages.test/simple", "packages of base.txt", "packages of constraints.txt",
                'from https://files.test/thing.whl ; python_version > "3"',
            },
        ),
        ("web/package.json", PACKAGE, {"left-pad", "odd from npm:even", "vite", "react", "fs from user/fs"}),
        ("src/App/App.csproj", CSPROJ, {"newtonsoft.json", "a", "b"}),
        ("Directory.Packages.props", PROPS, {"serilog"}),
        ("go.mod", GO, {"github.com/a/one", "github.com/b/two", "github.com/fork/one"}),
        (
            "Cargo.toml",
            CARGO,
            {"serde", "real-crate", "proptest", "winapi", "tokio from https://github.com/tokio-rs/tokio"},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 40 else "",
)  # fmt: skip
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_a_manifest_declares_its_third_parties(path: str, text: str, names: set[str], newline: str) -> None:
    assert declared(path, text.replace("\n", newline)) == names


@pytest.mark.parametrize("path", ["Cargo.toml", "pyproject.toml"])
@pytest.mark.parametrize(
    "key", [".".join(["a"] * 200_000), " . ".join(['"a"'] * 60_000), "[" + "a." * 200_000 + "a]"]
)
def test_a_key_of_many_parts_holds_nobody_up(path: str, key: str) -> None:
    with pytest.raises(Unreadable):
        declared(path, f"{key} = 1\n")


@pytest.mark.parametrize(
    ("path", "before", "after", "new"),
    [
        ("requirements.txt", "rich==1\nhttpx\n", "rich==2\n", []),
        ("requirements.txt", "Rich\n", "rich\nhttpx>=1\n", ["httpx"]),
        ("requirements.txt", None, "rich\n", ["rich"]),
        ("requirements.txt", "rich\n", None, []),
        (
            "requirements.txt",
            "rich\n",
            "rich @ https://evil.test/rich.whl\n",
            ["rich from https://evil.test/rich.whl"],
        ),
        (
            "requirements.txt",
            "x @ git+https://github.com/o/x@v1\n",
            "x @ git+https://github.com/o/x@v2\n",
            [],
        ),
        ("package.json", '{"dependencies": {"a": "1"}}', '{"devDependencies": {"a": "2"}}', []),
        ("package.json", '{"dependencies": {"a": "1"}}', '{"dependencies": {"a": "evil/a"}}', ["a from evil/a"]),
        ("go.mod", "module x\nrequire a v1\n", "module x\nrequire a v2\nrequire b v1\n", ["b"]),
        ("Cargo.toml", '[dependencies]\na = "1"\n', '[dependencies]\na = "2"\n\nb = "1"\n', ["b"]),
    ],
)
def test_only_what_is_new_is_added(path: str, before: str | None, after: str | None, new: list[str]) -> None:
    assert added(path, before, after) == new


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("pyproject.toml", "[project\n"),
        ("pyproject.toml", "project = 1\n"),
        ("pyproject.toml", '[project]\ndependencies = ["=> 1"]\n'),
        ("pyproject.toml", '[project]\ndependencies = "rich"\n'),
        ("requirements.txt", "--unknown-option x\n"),
        ("requirements.txt", "a b c\n"),
        ("requirements.txt", "\x00\x01\n"),
        ("package.json", "{"),
        ("package.json", "[]"),
        ("package.json", '{"dependencies": ["a"]}'),
        ("package.json", "[" * 100_000),
        ("App.csproj", "<Project>"),
        ("App.csproj", '<!DOCTYPE x [<!ENTITY a "b">]><Project>&a;</Project>'),
        ("go.mod", "module x\nsomething new\n"),
        ("go.mod", "require\n"),
        ("Cargo.toml", "[dependencies]\na = \n"),
        ("Cargo.toml", "dependencies = 1\n"),
    ],
)
def test_what_cannot_be_read_is_said_to_be_unreadable(path: str, text: str) -> None:
    with pytest.raises(Unreadable):
        declared(path, text)


@pytest.mark.parametrize("path", ["requirements/notes/readme.txt", "docs/package.json.md", "Cargo.lock", "x.txt"])
def test_other_files_declare_nothing(path: str) -> None:
    assert not is_manifest(path)
    assert declared(path, "anything") == set()


@pytest.mark.parametrize(
    ("path", "before", "after", "new"),
    [
        (
            "requirements.txt",
            "",
            "-r https://files.test/requirements.txt",
            "packages of https://files.test/requirements.txt",
        ),
        ("requirements.txt", "", "-r deps/all.lst", "packages of deps/all.lst"),
        ("requirements.txt", "", "-r requirements-dev.txt", None),
        (
            "pyproject.toml",
            "",
            "[tool.uv.sources]\nrich = {git = 'https://x.test/rich'}",
            "rich from https://x.test/rich",
        ),
        ("pyproject.toml", "", "[tool.uv.sources]\nown = [{workspace = true}]", None),
        ("pyproject.toml", "", "[[tool.uv.index]]\nurl = 'https://x.test'", "packages of https://x.test"),
        ("pyproject.toml", "", "[[tool.poetry.source]]\nurl = 'https://x.test'", "packages of https://x.test"),
        (
            "pyproject.toml",
            "",
            "[tool.uv]\noverride-dependencies = ['a @ https://x.test/a']",
            "a from https://x.test/a",
        ),
        ("pyproject.toml", "", "[tool.setuptools.dynamic]\ndependencies = {file = 'a.lst'}", "packages of a.lst"),
        ("pyproject.toml", "", "[tool.hatch.envs.default]\ndependencies = ['left-pad']", "left-pad"),
        ("package.json", "{}", '{"overrides": {"a": {"b": "npm:evil@1"}}}', "b from npm:evil"),
        ("package.json", "{}", '{"resolutions": {"b": "https://x.test/b"}}', "b from https://x.test/b"),
        ("package.json", "{}", '{"pnpm": {"overrides": {"b": "me/b"}}, "overrides": {"c": "2"}}', "b from me/b"),
        ("a.csproj", None, '<Project><packagereference Include="Evil" /></Project>', "evil"),
        ("a.csproj", None, '<Project Sdk="Evil.Sdk/1.0" />', "the SDK evil.sdk"),
        ("a.csproj", None, '<Project Sdk="Microsoft.NET.Sdk.Web" />', None),
        ("Cargo.toml", "", "[build_dependencies]\nevil = '1'", "evil"),
        ("Cargo.toml", "", "[replace]\n'a:1.0' = {git = 'https://x.test/a'}", "a:1.0 from https://x.test/a"),
    ],
)
def test_there_is_no_way_around_by_another_key(path: str, before: str | None, after: str, new: str | None) -> None:
    assert added(path, before, after) == ([new] if new else [])


@given(st.sampled_from(sorted(READERS)), st.text(max_size=200))
def test_no_text_is_too_odd(pattern: str, text: str) -> None:
    path = pattern.replace("*", "x")
    with suppress(Unreadable):
        assert all(isinstance(name, str) and name for name in declared(path, text))
