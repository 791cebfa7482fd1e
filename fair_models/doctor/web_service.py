"""The registry service: does it answer, and do the parts behind it?"""

from __future__ import annotations

import httpx

from fair_models.errors import FairModelsError, Unavailable
from fair_models.settings import Settings

TIMEOUT_S = 15.0
_STARTED = "registry.json"
"""What `fair-models up` leaves under the run folder when it starts the service."""


def answers(settings: Settings) -> str:
    """Ask the service whether it and the parts behind it are ready."""
    address = (settings.public_url or f"http://127.0.0.1:{settings.web_port}").rstrip("/")
    try:
        answer = httpx.get(f"{address}/health/ready", timeout=TIMEOUT_S)
    except httpx.HTTPError as error:
        if settings.public_url is None and not (settings.run_folder / _STARTED).is_file():
            return f"does not run at {address}; fair-models up or serve starts it"
        raise Unavailable(
            f"The registry service does not answer at {address} ({error}). Start it: fair-models up, or "
            f"fair-models serve. Its output: {settings.run_folder / 'registry.log'}"
        ) from error
    try:
        parts = {str(each["part"]): bool(each["works"]) for each in answer.json()["parts"]}
    except (ValueError, KeyError, TypeError) as error:
        raise FairModelsError(
            f"What answers at {address} is not the registry service (status {answer.status_code}): another "
            "program may listen there. Choose another port: FAIR_WEB_PORT"
        ) from error
    if broken := sorted(part for part, works in parts.items() if not works):
        raise FairModelsError(
            f"The registry service answers at {address}, and not what it needs: {', '.join(broken)}. "
            f"{address}/health/detailed says more"
        )
    return f"answers at {address}, and so do {', '.join(parts)}"
