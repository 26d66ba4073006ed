"""Takes the picture of one page: loads it, waits until it is at rest, and screenshots or prints it.

Must not know queues, retries or HTTP. It may import `engine.browser`, never the reverse.
"""
