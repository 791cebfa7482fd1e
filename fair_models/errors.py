"""Every error that fair-models raises on purpose.

FairModelsError
├── NotFound             what was asked for does not exist
├── Conflict             it exists already, or somebody else was faster
├── Invalid              the input is wrong; nothing was launched or stored
│   ├── InvalidDocument          JSON or YAML that cannot be read, or not in one way alone
│   ├── InvalidItem              an item breaks its profile or an official schema
│   ├── InvalidParameters        a request that a flow does not take
│   ├── InvalidHyperparameters   overrides that the model does not allow
│   ├── InvalidImagery           chips or rasters that cannot be read or placed
│   │   └── NothingLookedAt          imagery without a single pixel that counts
│   ├── InvalidLabels            labels that cannot be used
│   ├── InvalidFeatures          existing features that cannot be used
│   ├── InvalidFeedback          verdicts on a prediction that cannot be used
│   ├── InvalidContribution      a model folder that breaks the contract
│   ├── IncompatibleDataset      a dataset that cannot train a model
│   └── GateFailed               a run that is not good enough to be published
├── Corrupted            bytes that are not what their digest says
├── TrainingFailed       a run that did not complete
│   └── TrainingCancelled        somebody cancelled it
├── PredictionFailed     shards that nobody could make
├── CutFailed            chips that nobody could cut
└── Unavailable          a server or store that does not answer; trying again may help
    └── Unsettled                a change that counts, although it is not in place yet

A message names the thing, the reason and the next step.
"""

from collections.abc import Sequence


class FairModelsError(Exception):
    """Base of every error raised on purpose."""


class NotFound(FairModelsError):
    """What was asked for does not exist."""


class Conflict(FairModelsError):
    """It exists already, or somebody else was faster."""


class Invalid(FairModelsError):
    """The input is wrong. Nothing was launched or stored."""


class _Listed(Invalid):
    """An error over one thing that lists all its reasons at once."""

    sentence = "{subject} is not valid"

    def __init__(self, subject: str, reasons: Sequence[str]) -> None:
        self.subject = subject
        self.reasons = tuple(reasons)
        super().__init__(f"{self.sentence.format(subject=subject)}: {'; '.join(self.reasons)}")

    def __reduce__(self) -> tuple[type, tuple[str, tuple[str, ...]]]:
        return type(self), (self.subject, self.reasons)


class InvalidDocument(_Listed):
    """JSON or YAML that cannot be read, or not in one way alone."""

    sentence = "{subject} cannot be read"


class InvalidItem(_Listed):
    """An item breaks its profile or an official schema."""

    sentence = "Item {subject} is not valid"


class InvalidParameters(_Listed):
    """A request that a flow does not take."""

    sentence = "Parameters for {subject} are not right"


class InvalidHyperparameters(_Listed):
    """Overrides that the model does not allow."""

    sentence = "Hyperparameters for {subject} are not allowed"


class InvalidImagery(_Listed):
    """Chips or rasters that cannot be read or placed."""

    sentence = "Imagery {subject} cannot be used"


class NothingLookedAt(InvalidImagery):
    """Imagery without a single pixel that counts: a result would say "nothing is there" of nothing."""

    sentence = "Nothing was predicted over {subject}"


class InvalidLabels(_Listed):
    """Labels that cannot be used."""

    sentence = "Labels {subject} cannot be used"


class InvalidFeatures(_Listed):
    """Existing features that cannot be used."""

    sentence = "Existing features {subject} cannot be used"


class InvalidFeedback(_Listed):
    """Verdicts on a prediction that cannot be used."""

    sentence = "Feedback {subject} cannot be used"


class InvalidContribution(_Listed):
    """A model folder that breaks the contract."""

    sentence = "Contribution {subject} is not complete"


class IncompatibleDataset(Invalid):
    """A dataset that cannot train a model. Lists every reason."""

    def __init__(self, model: str, dataset: str, reasons: Sequence[str]) -> None:
        self.model, self.dataset, self.reasons = model, dataset, tuple(reasons)
        super().__init__(f"{dataset} cannot train {model}: {'; '.join(self.reasons)}")

    def __reduce__(self) -> tuple[type, tuple[str, str, tuple[str, ...]]]:
        return type(self), (self.model, self.dataset, self.reasons)


class GateFailed(_Listed):
    """A run that is not good enough to be published."""

    sentence = "{subject} does not pass the gate"


class Corrupted(FairModelsError):
    """Bytes that are not what their digest says."""


class TrainingFailed(FairModelsError):
    """A run that did not complete."""


class TrainingCancelled(TrainingFailed):
    """A training that somebody cancelled."""


class PredictionFailed(FairModelsError):
    """Shards of a prediction that no run could make."""


class CutFailed(FairModelsError):
    """Blocks of chips that no run could cut."""


class Unavailable(FairModelsError):
    """A server or store that does not answer. Trying again may help."""


class Unsettled(Unavailable):
    """A change that counts, although it is not in place yet. Whoever reads or writes next goes on with it."""


def reason_of(error: BaseException) -> str:
    """What an error of another library says, to be followed by a sentence of ours: without its own full stop.

    Returns:
        Its text; the name of its kind where it has none.
    """
    return str(error).strip().rstrip(".") or type(error).__name__
