"""The capture engine: headless Chromium behind SnapSharp's HTTP contract, in a process of its own.

Of the service outside this package it imports `netguard` and `options` alone. Inside, no room imports a later one:
devtools, egress, browser, page, and beside them admission and outlet; then the service, then the app.
"""
