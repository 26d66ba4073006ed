"""The capture engine: headless Chromium behind SnapSharp's HTTP contract, as a process of its own.

Imports nothing of the service outside this package but `netguard`.
"""
