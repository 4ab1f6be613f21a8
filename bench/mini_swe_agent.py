"""Runs mini-swe-agent, with the Python that it is installed for: `python mini_swe_agent.py URL FOLDER`."""

# Nothing of it is installed where types are checked.
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportUntypedBaseClass=false

from __future__ import annotations

import json
import os
import sys
import time
from statistics import median
from typing import Any

os.environ["MSWEA_SILENT_STARTUP"] = "1"
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

from minisweagent.agents.default import DefaultAgent
from minisweagent.environments.local import LocalEnvironment
from minisweagent.models.litellm_model import LitellmModel

MODEL = "anthropic/claude-sonnet-5-5"
took: list[float] = []


class Timed(LocalEnvironment):
    """Its own environment, with a look at the clock before and after each command."""

    def execute(self, *args: Any, **more: Any) -> dict[str, Any]:
        began = time.perf_counter()
        try:
            return super().execute(*args, **more)
        finally:
            took.append(time.perf_counter() - began)


def main(url: str, folder: str) -> None:
    """Work until the model ends it; prints how long a command took in seconds, the median."""
    model = LitellmModel(
        model_name=MODEL,
        model_kwargs={"api_base": url, "api_key": "sk-ant-double", "drop_params": True},
        cost_tracking="ignore_errors",
    )
    agent = DefaultAgent(model, Timed(cwd=folder), system_template="You read files.", instance_template="{{task}}")
    ended = agent.run("Read app.py.")
    print(json.dumps({"exit": ended.get("exit_status"), "command_seconds": median(took)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
