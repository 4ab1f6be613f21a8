"""The life of an agent process: signals, crashes, lost claims, idleness."""

from __future__ import annotations

import asyncio
import json
import signal

import pytest

from agents.exits import NO_MODEL, TERMINATED
from agents.run import main, run_agent
from rig.doubles.anthropic.faults import Kind
from rig.doubles.anthropic.script import Play, say, use
from servers.kit.errors import Fenced, Forbidden, Superseded, Unavailable
from tests.agents.stage import BRANCH, ROOT, Stage

RUN = "mcp__workspace__run_command"


def endless() -> Play:
    while True:
        (yield say("", use("mcp__workspace__list_files"))).only.ok()


async def test_an_agent_without_work_leaves(stage: Stage) -> None:
    assert await stage.run() == 0
    asked = stage.conductor.said("claim_assignment")
    assert asked[0]["kinds"] == ["implement", "rework"]
    assert asked[0]["instance"] == "dev-1"


@pytest.mark.parametrize("at", ["WORK_STARTED", "TOKEN_USAGE", "check_claim", "heartbeat"])
async def test_a_lost_claim_stops_the_run_before_anything_is_written(stage: Stage, at: str) -> None:
    stage.conductor.refuse = Fenced("Somebody else has it now.")
    stage.conductor.refused = {at}
    if at == "heartbeat":
        stage.script(endless)
    stage.offer()
    running = asyncio.create_task(stage.run())
    await stage.conductor.heard(at)
    stage.conductor.offers.clear()
    assert await running == 0
    assert stage.branches() == ["main"]
    told = set(stage.conductor.facts())
    assert not told & {"PR_CREATED", "complete_assignment", "report_stuck", "release_assignment"}


async def test_a_claim_lost_during_the_checks_is_noticed_before_the_push(stage: Stage) -> None:
    def play() -> Play:
        written = use("mcp__workspace__write_file", path="app.py", content="def double(n): return 2 * n\n")
        (yield say("", written)).only.ok()
        stage.conductor.fence += 1
        yield say("", use("finish", title="fix: it", summary="x"))

    stage.script(play)
    stage.offer()
    running = asyncio.create_task(stage.run())
    await stage.conductor.heard("WORK_STARTED")
    stage.conductor.offers.clear()
    with pytest.raises(Superseded):
        await running
    assert stage.branches() == ["main"]


async def test_a_run_finds_nothing_of_the_run_before_it_but_the_same_server(stage: Stage) -> None:
    seen: list[str] = []

    def play() -> Play:
        look = "echo $PPID; git status --short; ls ~; touch ~/left left"
        seen.append((yield say("", use(RUN, command=look))).only.ok())
        yield say("", use("mcp__workspace__write_file", path="app.py", content="def double(n): return 2 * n\n"))
        yield say("", use(RUN, command="rm left"))
        yield say("", use("finish", title="fix: it", summary="x"))

    stage.script(play)
    stage.offer()
    stop = asyncio.Event()
    running = asyncio.create_task(run_agent(stage.character(), stage.settings(idle_exit_seconds=0), stop))
    await stage.conductor.heard("complete_assignment")
    stage.conductor.told.clear()
    stage.offer(issue_number=13, branch="feature/issue-13-again")
    await stage.conductor.heard("complete_assignment")
    stop.set()
    assert await running == 0
    first, second = json.loads(seen[0]), json.loads(seen[-1])
    assert first["stdout"] == second["stdout"]
    assert first["stdout"].strip().isdigit()


async def test_a_process_that_was_replaced_says_so_and_leaves(stage: Stage) -> None:
    stage.conductor.refuse = Superseded("Another process took it over.")
    async with stage.process() as process:
        assert await asyncio.wait_for(process.wait(), 30) == 3
    assert "another process of this slot took over" in stage.log()


async def test_the_conductors_stop_gives_the_work_back(stage: Stage) -> None:
    stage.script(endless)
    stage.offer()
    running = asyncio.create_task(stage.run())
    await stage.conductor.heard("TOKEN_USAGE")
    stage.conductor.stop = "critical work came in"
    assert (await stage.conductor.heard("release_assignment"))["reason"] == "critical work came in"
    await running


async def test_a_renewed_token_is_used_at_once(stage: Stage) -> None:
    stage.script(endless)
    stage.offer()
    stage.conductor.renewed = stage.token()
    await stage.run(stage.character(turns=20))
    beats = [said["token"] for said in stage.conductor.said("heartbeat")]
    assert len(beats) > 1
    assert len({beats[0], beats[-1]}) == 2
    assert stage.conductor.said("BUDGET_EXCEEDED")[0]["scope"] == "run"


async def test_sigterm_saves_what_there_is_and_gives_the_work_back_quickly(stage: Stage) -> None:
    def play() -> Play:
        (yield say("", use(RUN, command="echo half > begun"))).only.ok()
        yield say("", use(RUN, command="sleep 60"))

    stage.script(play)
    stage.offer()
    async with stage.process() as process:
        await stage.conductor.heard("TOKEN_USAGE", times=2)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert await process.wait() == 0
    assert stage.conductor.facts() == ["WORK_STARTED", "BRANCH_CREATED", "release_assignment"]
    assert stage.conductor.said("release_assignment")[0]["parked"]
    assert stage.git("show", f"{BRANCH}:begun") == "half"
    assert not list((stage.folder / "data").glob("agents/*/runs/*"))


async def test_sigterm_leaves_a_run_without_any_work_as_it_found_it(stage: Stage) -> None:
    stage.script(endless)
    stage.offer()
    async with stage.process() as process:
        await stage.conductor.heard("TOKEN_USAGE")
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert await process.wait() == 0
    assert stage.conductor.facts()[-1] == "release_assignment"
    assert stage.branches() == ["main"]


async def test_a_second_sigterm_ends_an_agent_at_once(stage: Stage) -> None:
    def play() -> Play:
        (yield say("", use(RUN, command="echo half > begun"))).only.ok()
        yield say("", use(RUN, command="sleep 60"))

    stage.script(play)
    stage.offer()
    await stage.github.fault("slow", "*/git-receive-pack", seconds=20)
    async with stage.process(RIG_DRAIN_SECONDS="60") as process:
        await stage.conductor.heard("TOKEN_USAGE", times=2)
        process.send_signal(signal.SIGTERM)
        await stage.conductor.heard("check_claim", times=2)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(5):
            assert await process.wait() == TERMINATED
    assert "release_assignment" not in stage.conductor.names


async def test_saving_takes_no_longer_than_it_may(stage: Stage) -> None:
    def play() -> Play:
        (yield say("", use(RUN, command="echo half > begun"))).only.ok()
        yield say("", use(RUN, command="sleep 60"))

    stage.script(play)
    stage.offer()
    await stage.github.fault("slow", "*/git-receive-pack", seconds=20)
    async with stage.process(RIG_DRAIN_SECONDS="0.5") as process:
        await stage.conductor.heard("TOKEN_USAGE", times=2)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert await process.wait() == 0
    assert stage.conductor.facts()[-1] == "release_assignment"


@pytest.mark.parametrize("kind", ["unauthorized", "overloaded"])
async def test_without_a_model_the_work_is_given_back_and_the_process_says_why(stage: Stage, kind: Kind) -> None:
    await stage.model_fault(kind, times=None)
    stage.offer()
    async with stage.process(RIG_MODEL_PATIENCE_SECONDS="0") as process:
        assert await asyncio.wait_for(process.wait(), 30) == NO_MODEL
    assert "the agent has no model to work with" in stage.log()
    assert stage.conductor.facts()[-1] == "release_assignment"
    assert stage.conductor.said("heartbeat")[-1]["step"].startswith("left: it has no model: The model")
    assert "report_stuck" not in stage.conductor.names


async def test_after_a_kill_the_next_process_takes_the_work_over(stage: Stage) -> None:
    stage.script(endless)
    stage.offer()
    async with stage.process() as process:
        await stage.conductor.heard("TOKEN_USAGE")
        process.kill()
        await process.wait()
    assert list((stage.folder / "data").glob("agents/*/runs/*"))
    stage.script(stage.repair)
    assert await stage.run() == 0
    boots = {said["boot"] for said in stage.conductor.said("claim_assignment")}
    assert len(boots) == 2
    assert stage.conductor.fence == 2
    assert stage.conductor.facts()[-2:] == ["PR_CREATED", "complete_assignment"]


async def test_an_agent_goes_with_the_process_that_started_it(stage: Stage) -> None:
    stage.script(endless)
    stage.offer()
    async with stage.process(RIG_PARENT_PIPE="1") as process:
        await stage.conductor.heard("TOKEN_USAGE")
        assert process.stdin is not None
        process.stdin.close()
        async with asyncio.timeout(5):
            assert await process.wait() == 1


async def test_a_rig_that_is_away_is_waited_for(stage: Stage) -> None:
    stage.conductor.refuse = Unavailable("Starting.")
    stop = asyncio.Event()
    running = asyncio.create_task(run_agent(stage.character(), stage.settings(idle_exit_seconds=0), stop))
    await stage.conductor.heard("claim_assignment")
    stage.conductor.refuse = None
    stage.offer()
    await stage.conductor.heard("complete_assignment", 60)
    stop.set()
    assert await running == 0


async def test_an_agent_that_is_not_welcome_says_why(stage: Stage) -> None:
    stage.conductor.refuse = Forbidden("You are paused.")
    async with stage.fresh_process() as process:
        assert await asyncio.wait_for(process.wait(), 30) == 1
    assert "You are paused." in stage.log()


async def test_credentials_reach_neither_commands_nor_prompts_nor_files_nor_logs(stage: Stage) -> None:
    def play() -> Play:
        look = "cat .git/config; git config --list; grep -r ghp_ . ; ls -a; set | grep -c ."
        said = (yield say("", use(RUN, command=look))).only.ok()
        assert "ghp_" not in said
        assert "sk-ant" not in said
        assert "RIG_TOKEN" not in said
        yield from stage.repair()

    stage.script(play)
    stage.offer()
    async with stage.fresh_process(RIG_LOG_LEVEL="DEBUG", RIG_IDLE_EXIT_SECONDS="0.1") as process:
        assert await asyncio.wait_for(process.wait(), 60) == 0
    assert stage.conductor.facts()[-1] == "complete_assignment"
    secrets = ["ghp_devdev", "sk-ant-double", "eyJ"]
    told = [stage.log(), *(request.model_dump_json() for request in stage.requests), str(stage.conductor.told)]
    told += [file.read_text(errors="replace") for file in (stage.folder / "data").rglob("*") if file.is_file()]
    assert not [secret for secret in secrets for text in told if secret in text]


def test_what_is_missing_is_named_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("RIG_TOKEN", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    assert main(ROOT / "characters" / "dev-e-python.yaml") == 1
    assert "Set RIG_TOKEN" in "".join(capsys.readouterr())
    monkeypatch.setenv("RIG_TOKEN", "x")
    assert main(ROOT / "characters" / "dev-e-python.yaml") == 1
    assert "ANTHROPIC_API_KEY is not set" in "".join(capsys.readouterr())
    monkeypatch.setenv("ANTHROPIC_API_KEY", "x")
    assert main(ROOT / "characters" / "nobody.yaml") == 1
    assert "nobody.yaml: cannot be read" in "".join(capsys.readouterr())
