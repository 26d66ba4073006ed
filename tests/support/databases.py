"""On which of the two databases a test of sites runs. A test that asks for `database_url` runs on both."""

import pytest

# For tests of what is refused, read or drawn before or after the SQL. Tests beside them send the same statements to both.
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
