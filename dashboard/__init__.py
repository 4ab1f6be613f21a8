"""The rig's pages: what every issue is doing, and what happens right now."""
