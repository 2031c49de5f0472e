"""One clear message for a mistake in what was typed; a traceback only for mistakes in gesturelab."""

import os
from collections.abc import Generator
from contextlib import contextmanager

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from gesturelab.errors import ConfigError, GesturelabError, RunError


@contextmanager
def plain_errors() -> Generator[None]:
    """Turns Hydra's errors, and a folder that cannot be made, into gesturelab's.

    Hydra would print them itself, some with a traceback that hides the sentence that matters; ``HYDRA_FULL_ERROR``
    makes it leave that to us.

    Raises:
        GesturelabError: What went wrong, in a sentence.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    except HydraException as error:
        causes = [error, error.__cause__]
        if isinstance(error.__cause__, GesturelabError):
            raise error.__cause__ from None
        texts = [str(cause).strip() for cause in causes if isinstance(cause, (HydraException, OmegaConfBaseException))]
        raise ConfigError("\n".join(dict.fromkeys(texts))) from error
    except OmegaConfBaseException as error:
        raise ConfigError(str(error)) from error
    except OSError as error:
        raise RunError(f"cannot write {error.filename or 'the output folder'}: {error.strerror or error}") from error
