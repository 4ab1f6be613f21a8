"""A scripted stand-in for the Anthropic Messages API that speaks its wire format on loopback."""
