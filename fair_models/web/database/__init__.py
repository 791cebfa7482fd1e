"""The web service's database: SQLite, or PostgreSQL where several replicas share it."""
