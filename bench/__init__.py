"""Measurements of the rig beside its peers and the physical limit: `python -m bench NAME --json`."""

BENCHES = (
    "append", "claim", "replay", "feed", "memory_footprint", "intake", "mcp_claim", "relay", "wake_latency",
    "agent_overhead", "agent_soak", "memory",
)  # fmt: skip
