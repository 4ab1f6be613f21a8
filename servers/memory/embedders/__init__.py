"""Embedders: what turns texts into vectors, behind one port."""
