"""What an archive that came from elsewhere may do to its reader."""

import lzma
import struct
import zipfile
import zlib

DAMAGED = (
    OSError,
    EOFError,
    LookupError,
    RuntimeError,
    ValueError,
    OverflowError,
    lzma.LZMAError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What Python's zipfile raises on bytes that are no archive, or a damaged, encrypted or unknown kind of one."""

MAX_RATIO = 200
"""Text packs to a tenth; a member that packs better than this is a bomb."""

_SMALL = 2**20


def grows_absurdly(member: zipfile.ZipInfo) -> bool:
    """Whether a member says that it would grow as nothing but a bomb does."""
    return member.file_size > _SMALL and member.file_size > MAX_RATIO * member.compress_size
