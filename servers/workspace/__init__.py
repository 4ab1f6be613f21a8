"""The workspace server: one folder that an agent lists, reads, searches, edits and runs commands in."""
