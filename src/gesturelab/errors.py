"""The errors a user can meet. Each message names the file, line or key, and says what to do next."""


class GesturelabError(Exception):
    """Base of every error that is the user's to mend; the command line prints it without a traceback."""

    exit_status = 1


def first_line(error: BaseException) -> str:
    """What an error says, in one line that is not too long; its name where it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:300]


class ConfigError(GesturelabError):
    """A configuration value breaks a rule; the message names the key."""


class DataError(GesturelabError):
    """Recordings are missing, unreadable or unusable; the message names the file or folder."""


class RecordingError(DataError):
    """One recording cannot be used; the message is the reason, without the recording's name."""

    recording: str = ""
    """Its name, where it is known."""


class FetchError(DataError):
    """A download or an archive failed; the message says what to try."""


class SplitError(GesturelabError):
    """People cannot be divided as asked; the message lists the people there are."""


class RunError(GesturelabError):
    """A run's folder is unfinished, unreadable or taken; the message names it."""


class BundleError(GesturelabError):
    """A model file is damaged, is not one, or asks for what must not be done; the message names the file."""


class TrustError(BundleError):
    """A model names classes from outside gesturelab that were not allowed; the message says how to allow them."""


class StreamError(GesturelabError):
    """A live source cannot be opened or understood; the message says what to do."""


class StoppedError(RunError):
    """The user stopped a run; the message says how to go on."""

    exit_status = 130


class PreemptedError(StoppedError):
    """A signal asked the process to leave; the run can be put back into a queue."""

    exit_status = 75  # EX_TEMPFAIL of sysexits.h: try again later


class BusyError(RunError):
    """Another process is at work in a run's folder: nothing there is ours to change."""


class DeviceError(GesturelabError):
    """The requested device is not there; the message says what torch found."""


class JoinError(GesturelabError):
    """Runs cannot be joined into one result; the message names the key that differs."""


class Requeued(BaseException):
    """Leaves a training whose Slurm job goes back into the queue. No error: nothing must catch it on its way out."""
