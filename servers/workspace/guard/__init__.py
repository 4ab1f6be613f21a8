"""Judges what a model or a person is about to do, before it is done."""
