"""What has to be done in the world: leased by lane, looked up before it is written."""
