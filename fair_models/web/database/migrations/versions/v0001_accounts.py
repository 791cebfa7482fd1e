"""Accounts, tokens, sessions, names and the audit log."""

from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _moment(name: str, *, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _text(name: str, length: int, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), nullable=nullable)


def _account(table: str, *, cascade: bool = True) -> list[sa.schema.SchemaItem]:
    reference = sa.ForeignKeyConstraint(
        ["account_id"],
        ["accounts.id"],
        name=f"fk_{table}_account_id",
        ondelete="CASCADE" if cascade else None,
    )
    return [sa.Column("account_id", sa.Integer(), nullable=False), reference]


def upgrade() -> None:
    """Make the first tables."""
    op.create_table(
        "accounts",
        sa.Column("id", sa.Integer(), nullable=False),
        _text("slug", 63),
        _text("role", 16),
        _text("issuer", 500, nullable=True),
        _text("subject", 255, nullable=True),
        _moment("created"),
        _moment("disabled", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
        sa.UniqueConstraint("slug", name="uq_accounts_slug"),
        sa.UniqueConstraint("issuer", "subject", name="uq_accounts_issuer"),
    )
    op.create_table(
        "tokens",
        _text("id", 16),
        *_account("tokens"),
        _text("digest", 64),
        _text("title", 120),
        _text("scopes", 120),
        _moment("created"),
        _moment("expires"),
        _moment("last_used", nullable=True),
        _moment("revoked", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_tokens"),
    )
    op.create_index("ix_tokens_account_id", "tokens", ["account_id"])
    op.create_table(
        "sessions",
        _text("digest", 64),
        *_account("sessions"),
        _text("csrf", 64),
        _moment("created"),
        _moment("last_used"),
        _moment("expires"),
        sa.PrimaryKeyConstraint("digest", name="pk_sessions"),
    )
    op.create_index("ix_sessions_account_id", "sessions", ["account_id"])
    op.create_index("ix_sessions_expires", "sessions", ["expires"])
    op.create_table(
        "sign_ins",
        _text("digest", 64),
        _text("nonce", 64),
        _text("verifier", 128),
        _text("back_to", 2000),
        _moment("expires"),
        sa.PrimaryKeyConstraint("digest", name="pk_sign_ins"),
    )
    op.create_index("ix_sign_ins_expires", "sign_ins", ["expires"])
    op.create_table(
        "names",
        _text("kind", 16),
        _text("name", 63),
        *_account("names", cascade=False),
        _moment("created"),
        sa.PrimaryKeyConstraint("kind", "name", name="pk_names"),
    )
    op.create_index("ix_names_account_id", "names", ["account_id"])
    op.create_table(
        "maintainers",
        _text("kind", 16),
        _text("name", 63),
        *_account("maintainers"),
        sa.PrimaryKeyConstraint("kind", "name", "account_id", name="pk_maintainers"),
    )
    op.create_index("ix_maintainers_account_id", "maintainers", ["account_id"])
    op.create_table(
        "audit_log",
        sa.Column("id", sa.Integer(), nullable=False),
        _moment("time"),
        _text("who", 63),
        _text("how", 32),
        _text("what", 500),
        _text("result", 60),
        _text("address", 64),
        _text("request_id", 64),
        sa.PrimaryKeyConstraint("id", name="pk_audit_log"),
    )
    op.create_index("ix_audit_log_time", "audit_log", ["time"])
    op.create_index("ix_audit_log_who_id", "audit_log", ["who", "id"])
