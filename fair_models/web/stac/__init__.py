"""The STAC API: what is published, for every STAC client."""

import logging

# It warns of its default title as soon as it is imported, before anybody could give it another.
logging.getLogger("stac_fastapi.types.config").setLevel(logging.ERROR)
