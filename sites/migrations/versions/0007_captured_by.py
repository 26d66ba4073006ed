"""Which screenshot API took the picture of a version."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("versions", sa.Column("captured_by", sa.Text(), nullable=False, server_default=""))
