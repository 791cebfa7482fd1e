"""Routes about accounts: who one is, tokens, users, names, the audit log."""
