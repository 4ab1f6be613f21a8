"""Stand-ins at the wire for what the rig talks to: GitHub and the Messages API."""
