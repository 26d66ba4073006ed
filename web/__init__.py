"""The HTTP side of the service, and the only code that uses Flask: views, errors, the request log, the fast path."""
