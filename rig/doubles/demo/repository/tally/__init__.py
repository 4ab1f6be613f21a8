"""Adds up the hours in a plain text file."""

__version__ = "0.3.0"
