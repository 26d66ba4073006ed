"""Everything that knows Flask: views, the two faces of an error, one log event a request."""
