"""`rig demo`: the whole rig against stand-ins for GitHub and the model, shown as it happens."""
