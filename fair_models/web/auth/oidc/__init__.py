"""Signing in with an identity provider (OpenID Connect): its keys, its tokens, and browsers."""
