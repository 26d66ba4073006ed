"""Speaks the DevTools protocol with one browser over its pipe.

Must not know browsers' processes, captures or pictures.
"""
