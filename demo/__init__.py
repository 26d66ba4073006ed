"""Demo pages to capture without internet access."""
