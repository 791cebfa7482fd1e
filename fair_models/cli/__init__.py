"""The command line."""

import os


def main() -> None:
    """Entry point of the command `fair-models`."""
    from fair_models.cli.app import app

    if "_FAIR_MODELS_COMPLETE" in os.environ:  # eval "$(_FAIR_MODELS_COMPLETE=source_bash fair-models)"
        from typer.completion import completion_init  # type: ignore[attr-defined]

        completion_init()
    app(prog_name="fair-models")
