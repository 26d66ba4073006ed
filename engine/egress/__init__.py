"""The only way from the browser to the network: a SOCKS5 proxy for each capture, which dials only allowed addresses.

Must not know browsers, pages or HTTP. The safety of the service rests on this room and on `netguard`.
"""
