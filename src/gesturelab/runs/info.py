"""The layout of ``info_<size>.json``, schema 1: what a run did, and how well.

Everything is plain JSON. Accuracies and the like are fractions in [0, 1]; times are seconds; dates are ISO 8601, UTC.
"""

from typing import Any, NotRequired, TypedDict

INFO_SCHEMA = 1
"""Version of this layout; readers refuse a newer one."""

PACKAGES = ("gesturelab", "torch", "lightning", "torchmetrics", "hydra-core", "omegaconf", "numpy", "pandas")
"""Those on which a result depends most."""

LEAKY = "LEAKY: the same people are on both sides of this split; its test numbers say nothing about new people"
SYNTHETIC = "SYNTHETIC: made-up motion; its numbers say nothing about real people"


CORRECTNESS_CLASSES = ("correct", "incorrect")
"""The classes of data.target=correctness, in order."""


Scores = dict[str, float | None]
"""How well one level of one subset was recognised: ``loss`` (cross-entropy in nats, without label smoothing or class
weights), ``count`` (how many windows or recordings were scored), and each metric of `gesturelab.evaluation.metrics` by
its name, the user's own among them; null where it is undefined (such as balanced accuracy of data.target=correctness
where only one class occurs: a person who does everything correctly)."""


Baseline = dict[str, Any]
"""What a trivial rule, fitted on the training recordings, scores on the test recordings: ``rule`` (in words),
``threshold_s`` (of length alone: longer recordings are called incorrect), ``count`` and each metric, as in `Scores`."""


class SideScores(TypedDict):
    """Scores of one subset: of single windows, and of recordings (a recording's windows' probabilities averaged)."""

    window: Scores
    recording: Scores


class Metrics(TypedDict):
    """All with the best weights, dropout off, nothing augmented."""

    train: SideScores
    validation: SideScores
    """Absent for a peer (see `ModelInfo`)."""
    test: SideScores


class Subset(TypedDict):
    """Who is in one subset of the split."""

    subjects: list[str]
    recordings: int
    windows: int


class SplitInfo(TypedDict):
    """How people were divided."""

    kind: str
    """subject_holdout, subject_kfold, loso, folds_file, named, random_window or random_recording."""
    leaky: bool
    options: dict[str, Any]
    """The split's configuration (seed, fold, fractions ...)."""
    train: Subset
    validation: Subset
    test: Subset


class RejectedInfo(TypedDict):
    """A recording that was left out."""

    recording: str
    reason: str


class DataInfo(TypedDict):
    """What was read."""

    source: str
    """Such as irds, synthetic or folder; of a guest the name of its class or function."""
    synthetic: bool
    fingerprint: str
    """Equal only when the recordings used are equal to the bit."""
    recordings: int
    frames: int
    subjects: int
    groups: NotRequired[dict[str, str]]
    """Each person's group, such as healthy or patient."""
    postures: NotRequired[dict[str, str]]
    """How the person stood or sat in each test recording."""
    skeleton: NotRequired[str | dict[str, Any]]
    """The skeleton's name if it is built in, else its whole definition (see `gesturelab.skeletons.definition`)."""
    options: dict[str, Any]
    """The dataset's configuration, without the paths of this machine."""
    rejected: list[RejectedInfo]


class ModelInfo(TypedDict):
    """The network."""

    size: str
    parameters: int
    hyperparameters: dict[str, Any]
    peer: NotRequired[bool]
    """True for a method from elsewhere (see benchmarks/peers.py): it stands beside the sizes in every table and test,
    but is never recommended: it has no validation scores, and what it gives for probabilities are none."""


class Epoch(TypedDict):
    """One epoch. Train values were measured while training, with dropout and augmentation on; levels are windows."""

    epoch: int
    """From 0."""
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float


class SkippedInfo(TypedDict):
    """Steps that were left out of an epoch, because their loss or gradient was not finite."""

    epoch: int
    """From 0."""
    steps: int


class RestartInfo(TypedDict):
    """A return to the last whole epoch with half the learning rate."""

    epoch: int
    """In which the loss or gradient was not finite, from 0."""
    step: int | None
    """Of that epoch, from 1; null where only the end of the epoch showed it."""
    learning_rate: float
    """Before it was halved."""
    reason: str


class Finding(TypedDict):
    """What a finished training shows that should be looked at; the rules are in `gesturelab.training.findings`."""

    name: str
    """Such as not-finished."""
    text: str
    """With the numbers of this run."""
    advice: str


class TrainingInfo(TypedDict):
    """What happened while training."""

    epochs: int
    """Epochs trained."""
    max_epochs: int
    """Epochs that would have been trained without early stopping."""
    keep: str
    """Which epoch's weights were to be kept: best (lowest validation loss) or last."""
    best_epoch: int
    """The epoch whose weights were kept, from 0."""
    stopped_early: bool
    seconds: float
    """Of all epochs, those of a refit too."""
    device: str
    precision: str
    batch_size: int
    """Windows in a step of the optimizer, on all devices."""
    micro_batch: NotRequired[int]
    """Only where memory was too small for a step in one piece: windows computed at a time in the end. Their gradients
    were added up, so a step was still of batch_size windows; batch normalisation saw this many."""
    batches_per_epoch: int | None
    gradient_clip_norm: float | None
    callbacks: dict[str, Any]
    optimizer: dict[str, Any]
    scheduler: dict[str, Any] | None
    scored_training_recordings: NotRequired[int]
    """Only where the scores of training recordings are of a sample (trainer.scored_training_recordings): how many."""
    skipped: NotRequired[list[SkippedInfo]]
    """Only where trainer.on_not_finite=skip left steps out."""
    restarts: NotRequired[list[RestartInfo]]
    """Only where trainer.on_not_finite=restart went back."""
    history: list[Epoch]
    max_steps: NotRequired[int]
    """Only where the budget is in steps: max_epochs and batches_per_epoch follow from it and the number of windows."""
    refit: NotRequired["RefitInfo"]
    """Only with trainer.refit: then the run's weights and its test scores are of the refit, training and validation
    scores and all epochs of the training before it."""


class RefitInfo(TypedDict):
    """The second training, on validation people too, whose weights are those of the run."""

    epochs: int
    windows: int
    """It trained on."""
    seconds: float
    train_loss: float
    """In its last epoch."""
    train_accuracy: float


class CostInfo(TypedDict):
    """What tells how far the costs of two runs can be compared."""

    flops_per_window: int | None
    """Operations of the network's matrix products for the probabilities of one window; null where unknown."""
    cpu: str
    """Name of the processor."""
    cores: int
    """Processor cores that the training might use."""
    threads: int
    """CPU threads of the training."""
    load: float
    """Processes and threads that wanted to run in the last minute of training, the training's own among them."""


class GitInfo(TypedDict):
    """State of the code."""

    commit: str
    dirty: bool


class Info(TypedDict):
    """The whole file."""

    schema: int
    name: str
    tags: list[str]
    notes: str
    seed: int
    started: str
    finished: str
    warnings: list[str]
    """What must be said wherever the numbers appear: LEAKY and SYNTHETIC among them."""
    findings: NotRequired[list[Finding]]
    """What the training shows that should be looked at; older runs do not say."""
    gestures: list[str]
    """What the classes are called: the gestures, or ``correct`` and ``incorrect`` (see `target_of`)."""
    data: DataInfo
    split: SplitInfo
    window: dict[str, Any]
    features: dict[str, Any]
    model: ModelInfo
    training: TrainingInfo
    cost: NotRequired[CostInfo]
    metrics: Metrics
    metric_definitions: NotRequired[dict[str, dict[str, Any]]]
    """Only of a run with metrics of the user's: for each its function and arguments, so that ``compare`` can compute it
    again (see `gesturelab.evaluation.metrics.Definition`)."""
    baselines: NotRequired[dict[str, Baseline]]
    """Only of data.target=correctness: ``length`` and ``majority``, on the same test recordings."""
    temperature: NotRequired[float]
    """Fitted on validation recordings: dividing the logarithms of a recording's probabilities by it calibrates them."""
    unsure_below: NotRequired[float]
    """Fitted on validation recordings: a tenth of them have a calibrated confidence below it."""
    unknown_above: NotRequired[float]
    """Fitted on validation recordings: a twentieth of them have a higher score of unknown movements (see
    `gesturelab.evaluation.unknown`). Earlier versions, and networks without a linear last layer, have none."""
    confusion: list[list[int]]
    """Test recordings: rows are the true class, columns the predicted one, in order of ``gestures``."""
    classes: NotRequired[dict[str, dict[str, Any]]]
    """Which class of which version of which file each option was (see `gesturelab.config.options.provenance`); of
    features, augmentations and metrics those from outside gesturelab, by name. Earlier versions did not write it."""
    versions: dict[str, str]
    """Of Python, and of each package that gesturelab needs, by name; earlier versions kept those of `PACKAGES` only."""
    git: GitInfo | None
    """Null when the code was not in a git checkout."""
    files: dict[str, str]
    """SHA-256 of the weights, scaler, predictions and windows files, pictures, folds and configuration, by file name;
    older runs have only those of the first few."""


def is_peer(info: Info) -> bool:
    """Whether a run is of a method from elsewhere, so that it is compared with the sizes but not chosen among them."""
    return info["model"].get("peer") is True


def training_sample(info: Info) -> str:
    """How large the sample is of which the scores of training recordings are, in words; empty where they are of all."""
    scored = info["training"].get("scored_training_recordings")
    return "" if scored is None else f"{scored:,} of {info['split']['train']['recordings']:,}"


def target_of(info: Info) -> str:
    """What a run recognises: ``gesture`` or ``correctness``."""
    return str(info["data"].get("options", {}).get("target", "gesture"))
