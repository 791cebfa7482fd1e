"""Opens the ledger of this machine."""

from __future__ import annotations

from fair_models.settings import Settings
from fair_models.training.ledger.protocol import Ledger


def open_ledger(settings: Settings) -> Ledger:
    """The ledger of this machine. The first use of a home sets ZenML's database up, some seconds long."""
    from fair_models.training.ledger.zenml import ZenmlLedger  # imports ZenML: seconds

    return ZenmlLedger(settings)
