"""Lets assistants look at pages through the thumbnail service, by the Model Context Protocol."""

VERSION = "0.1.0"
