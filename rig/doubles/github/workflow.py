"""Reading `.github/workflows/*.yml`: which jobs a push or a pull request starts, and their commands."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, cast

import yaml

DEFAULT_MINUTES = 5.0
Mapping = dict[str, Any]


class WorkflowInvalid(Exception):
    """The file is not a workflow; GitHub reports such a run as failed."""


@dataclass(frozen=True)
class Step:
    name: str
    run: str
    env: dict[str, str]
    directory: str = "."
    continue_on_error: bool = False


@dataclass(frozen=True)
class Job:
    name: str
    steps: list[Step]
    needs: list[str]
    minutes: float
    env: dict[str, str] = field(default_factory=dict[str, str])
    key: str = ""


@dataclass(frozen=True)
class Workflow:
    name: str
    triggers: Mapping
    jobs: list[Job]

    def starts_on(self, event: str, branch: str) -> bool:
        """Whether the event on that branch (the base, for a pull request) starts it."""
        if event not in self.triggers:
            return False
        filters = mapping(self.triggers[event])
        allowed, ignored = filters.get("branches"), filters.get("branches-ignore")
        if ignored and _matches(branch, ignored):
            return False
        return allowed is None or _matches(branch, allowed)


def _matches(branch: str, patterns: object) -> bool:
    return any(fnmatch.fnmatchcase(branch, str(p).replace("**", "*")) for p in sequence(patterns))


def mapping(value: object) -> Mapping:
    return cast(Mapping, value) if isinstance(value, dict) else {}


def sequence(value: object) -> list[Any]:
    return cast(list[Any], value) if isinstance(value, list) else [] if value is None else [value]


def read(path: str, text: str) -> Workflow:
    try:
        document = mapping(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise WorkflowInvalid(f"{path}: {error}") from error
    # YAML 1.1 reads the key `on` as the boolean true.
    named = cast(dict[object, object], document)
    triggers = named.get("on", named.get(True))
    jobs = mapping(document.get("jobs"))
    if not triggers or not jobs:
        raise WorkflowInvalid(f"{path}: a workflow needs `on` and `jobs`")
    environment = _environment(document)
    found = [_job(str(key), mapping(value), environment) for key, value in jobs.items()]
    _check_needs(path, {job.key: job.needs for job in found})
    return Workflow(str(document.get("name", PurePosixPath(path).stem)), _triggers(triggers), found)


def _check_needs(path: str, needs: dict[str, list[str]]) -> None:
    """Every job must be reachable by starting with those that need nothing."""
    ready: set[str] = set()
    while more := {key for key, names in needs.items() if key not in ready and ready.issuperset(names)}:
        ready |= more
    if waiting := sorted(needs.keys() - ready):
        raise WorkflowInvalid(f"{path}: the jobs {', '.join(waiting)} need jobs that are not there or each other")


def _triggers(value: object) -> Mapping:
    if given := mapping(value):
        return given
    return {str(event): None for event in sequence(value)}


def _job(key: str, job: Mapping, outer: dict[str, str]) -> Job:
    minutes = float(job.get("timeout-minutes", DEFAULT_MINUTES))
    steps = [_step(mapping(step)) for step in sequence(job.get("steps")) if "run" in mapping(step)]
    needs = [str(each) for each in sequence(job.get("needs"))]
    return Job(str(job.get("name", key)), steps, needs, minutes, outer | _environment(job), key)


def _step(step: Mapping) -> Step:
    run = str(step["run"])
    name = str(step.get("name", run.strip().splitlines()[0] if run.strip() else "run"))
    directory = str(step.get("working-directory", "."))
    return Step(name, run, _environment(step), directory, bool(step.get("continue-on-error")))


def _environment(holder: Mapping) -> dict[str, str]:
    return {str(k): _text(v) for k, v in mapping(holder.get("env")).items()}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)
