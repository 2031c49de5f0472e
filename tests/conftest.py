"""What several tests share: small corpora with answers worked out by hand, and the real recordings if they are here."""

import os
from pathlib import Path

import pytest

IRDS = Path(os.environ.get("GESTURELAB_IRDS", Path(__file__).parents[2] / "shared" / "irds"))


@pytest.fixture(scope="session")
def irds_root() -> Path:
    """The real recordings; skips, saying so, where they are absent."""
    if not IRDS.is_dir():
        pytest.skip(f"real IntelliRehabDS recordings are not at {IRDS} (set GESTURELAB_IRDS)")
    return IRDS
