"""The part of GitHub's GraphQL API that the rig speaks: a small language, an engine, and resolvers."""
