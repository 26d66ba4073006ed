"""The outlet: a process of its own that judges and dials for an engine whose own network has no route.

It shares `engine.egress` with the engine, and must not know browsers or captures.
"""
