"""A reader of files from elsewhere; it should give an answer, or one of our own errors that names the file."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from gesturelab.errors import GesturelabError


@dataclass(frozen=True)
class Case:
    """A reader in a folder of its own.

    Attributes:
        make: Damaged content.
        read: Reads it; what it may raise is one of our errors.
        named: What the message of an error must hold: the file's name.
    """

    make: Callable[[random.Random], bytes]
    read: Callable[[bytes], object]
    named: str = ""


def check(case: Case, data: bytes) -> bool:
    """Whether the reader took the input; False if it refused it as it should.

    Raises:
        AssertionError: If the message does not name the file.
        Exception: Whatever the reader should not have raised.
    """
    try:
        case.read(data)
    except GesturelabError as error:
        require(case.named in str(error), f"{case.named} is not named: {str(error)[:300]}")
        require(str(error).strip() != "", "the message is empty")
        return False
    return True


def require(right: bool, otherwise: str) -> None:
    """Fails a reader.

    Raises:
        AssertionError: If it is not right.
    """
    if not right:
        raise AssertionError(otherwise)
