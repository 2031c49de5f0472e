"""``python -m gesturelab`` is the command ``gesturelab``."""

import sys

from gesturelab.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
