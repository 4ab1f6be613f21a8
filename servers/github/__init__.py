"""The GitHub server: the only holder of GitHub credentials, and everything the rig does on GitHub."""
