"""The ledger over ZenML: which versions there are, what they reached, and whether their run completed."""

from fair_models.training.ledger.opening import open_ledger
from fair_models.training.ledger.protocol import Artifact, Ledger, ModelVersion, Stage, Status

__all__ = ["Artifact", "Ledger", "ModelVersion", "Stage", "Status", "open_ledger"]
