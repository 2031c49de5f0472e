"""One clear message for a mistake in what was typed; a traceback only for mistakes in gesturelab."""

import os
import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from difflib import get_close_matches

from hydra.errors import HydraException
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from gesturelab.config.sweeps import TOGETHER_REMOVED
from gesturelab.errors import ConfigError, GesturelabError, RunError

FULL_ERROR = "HYDRA_FULL_ERROR"
"""Set to 1, it lets errors end in a traceback, as in any application of Hydra's."""

RENAMED = {
    r"'hydra/launcher/stacked'": "hydra/launcher=stacked is now called hydra/launcher=shared_process",
    r"Key 'together' not in '\w*Launcher": TOGETHER_REMOVED,
}
"""What replaces Hydra's error about an option or a key that version 0.1 had, by a pattern of that error."""


def _similar_keys(error: BaseException | None) -> list[str]:
    """What a misspelt key may have been meant to be."""
    if not isinstance(error, ConfigKeyError | ConfigAttributeError) or not is_dataclass(error.object_type):
        return []
    if synonym := getattr(error.object_type, "SYNONYMS", {}).get(str(error.key)):
        return [f"Use {synonym}"]
    keys = [field.name for field in fields(error.object_type)]
    close = get_close_matches(str(error.key), keys)
    return [f"Did you mean {' or '.join(close)}?" if close else f"Keys here are {', '.join(keys)}"]


@contextmanager
def plain_errors() -> Generator[None]:
    """Turns Hydra's errors, and a folder that cannot be made, into gesturelab's.

    Hydra would print them itself, some with a traceback that hides the sentence that matters; ``HYDRA_FULL_ERROR``
    makes it leave that to us. Where the user has set it, errors stay as they are.

    Raises:
        GesturelabError: What went wrong, in a sentence.
    """
    if os.environ.get(FULL_ERROR) == "1":
        yield
        return
    os.environ[FULL_ERROR] = "1"
    try:
        yield
    except HydraException as error:
        causes = [error, error.__cause__]
        if isinstance(error.__cause__, GesturelabError):
            raise error.__cause__ from None
        texts = [str(cause).strip() for cause in causes if isinstance(cause, (HydraException, OmegaConfBaseException))]
        text = "\n".join(dict.fromkeys(texts))
        for pattern, sentence in RENAMED.items():
            if re.search(pattern, text):
                raise ConfigError(sentence) from error
        lines = [line for line in text.splitlines() if not line.startswith("To append")]
        raise ConfigError("\n".join([*lines, *_similar_keys(error.__cause__)])) from error
    except OmegaConfBaseException as error:
        raise ConfigError(str(error)) from error
    except OSError as error:
        raise RunError(f"cannot write {error.filename or 'the output folder'}: {error.strerror or error}") from error
    finally:
        del os.environ[FULL_ERROR]
