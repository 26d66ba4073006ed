"""Pages to try the service on, without internet."""
