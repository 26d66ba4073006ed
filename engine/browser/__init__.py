"""Launches Chromium, keeps one running, and opens a blank page in a context of its own for each capture.

Must not know what a capture does with its page, nor HTTP.
"""
