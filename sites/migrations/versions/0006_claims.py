"""When a site was claimed for a capture, and how many captures were begun whose outcome is not known."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("sites", sa.Column("claimed_at", sa.DateTime(timezone=True)))
    op.add_column("sites", sa.Column("starts", sa.Integer(), nullable=False, server_default="0"))
