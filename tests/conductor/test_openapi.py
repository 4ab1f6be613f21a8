"""The REST routes are what their OpenAPI document says, whatever is thrown at them."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.conductor.conftest import Claimable
from tests.conductor.serving import Rig

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
    "negative_data_rejection,unsupported_method,allow_header_conformance,ignored_auth"
)
ORIGINAL = {
    "/api/events", "/api/assignments/next", "/api/reviews/next", "/api/issues", "/api/agents", "/api/usage",
    "/api/costs/summary", "/api/execution-logs", "/api/merge",
}  # fmt: skip


async def test_the_document_names_every_path_of_the_original_and_says_what_may_come_back(rig: Rig) -> None:
    described = (await rig.http.get("/api/openapi.json")).json()
    assert described["openapi"].startswith("3.1")
    assert described["paths"].keys() >= ORIGINAL
    answers = described["paths"]["/api/assignments/next"]["get"]["responses"]
    assert answers["200"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Assignment"}
    assert "204" in answers
    assert described["components"]["schemas"]["Assignment"]["properties"]["claim"]["$ref"].endswith("/Claim")


async def test_schemathesis_finds_no_request_that_breaks_a_route(
    rig: Rig, claimable: Claimable, tmp_path: Path
) -> None:
    await claimable()
    command = [
        *("-m", "schemathesis.cli", "run", f"{rig.url}/api/openapi.json", "--checks", CHECKS, "--max-examples", "15"),
        *("--phases", "coverage,fuzzing", "--seed", "7", "--no-color", "--generation-database", "none"),
        *("--header", f"Authorization: {rig.bearer('person')['Authorization']}", "--request-timeout", "10"),
    ]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()[-6000:]
