"""Pins images by digest in the one place that names them: `python -m deployments.pin NAME@sha256:…`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

from deployments.render import KUBERNETES, pins

FILE = KUBERNETES / "images" / "kustomization.yaml"
_REFERENCE = re.compile(r"(?P<name>[a-z0-9][a-z0-9._:/-]*?)@(?P<digest>sha256:[0-9a-f]{64})")


def pin(references: Iterable[str], file: Path = FILE) -> None:
    """Write digests into the list of images. All else in the file stays as it is.

    Args:
        references: Full names with digests, for example "ghcr.io/hotosm/fair-models/training@sha256:…".
        file: The kustomization with the list.

    Raises:
        SystemExit: There is no reference, one is malformed, or no image of the list has its name. Nothing is
            written then.
    """
    references = list(references)
    if not references:
        raise SystemExit("No image was named: python -m deployments.pin NAME@sha256:… for each image.")
    known = {entry["newName"]: name for name, entry in pins(file.parent).items()}
    text = file.read_text(encoding="utf-8")
    for reference in references:
        found = _REFERENCE.fullmatch(reference)
        if found is None or found["name"] not in known:
            raise SystemExit(
                f"{reference} is not NAME@sha256:…, with NAME one of {', '.join(sorted(known))}."
            )
        line = re.compile(
            rf"^(- \{{name: {re.escape(known[found['name']])}, .*?)(, digest: [^,}}]*)?\}}$", re.M
        )
        text = line.sub(rf"\g<1>, digest: '{found['digest']}'}}", text)
    file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    pin(sys.argv[1:])
