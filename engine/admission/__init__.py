"""Decides which captures may start: a limited number at a time, and no page that keeps crashing the browser.

Must not know browsers, pages or HTTP.
"""
