"""Which pictures are being removed from the storage just now."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("removed_pictures", sa.Column("removing_at", sa.DateTime(timezone=True)))
