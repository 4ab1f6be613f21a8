"""`python -m rig.doubles.github`: run the double and say on standard output where it listens."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

import yaml

from rig.doubles.github.app import running
from rig.doubles.github.seeds import Seed
from rig.doubles.process import announced


def _absolute(text: str) -> Path:
    return Path(text).absolute()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="rig.doubles.github", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--data-dir", type=_absolute, required=True, help="where the bare repositories live")
    parser.add_argument("--seed", type=Path, help="accounts, repositories, Apps and webhooks (YAML or JSON)")
    parser.add_argument("--with-parent", action="store_true", help="end when standard input closes")
    return parser.parse_args()


async def main(options: argparse.Namespace) -> None:
    seed = Seed.model_validate(yaml.safe_load(options.seed.read_text())) if options.seed else None
    options.data_dir.mkdir(parents=True, exist_ok=True)
    async with running(options.data_dir, options.port, seed) as double:
        await announced(double.url, with_parent=options.with_parent)


if __name__ == "__main__":
    asyncio.run(main(arguments()))
