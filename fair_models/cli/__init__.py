"""The command line."""


def main() -> None:
    """Entry point of the command `fair-models`."""
    from fair_models.cli.app import app

    app()
