"""The `rig` command, the embedded rig, the demo and the doubles it runs against."""
