"""From a finished run to one file that works elsewhere, and back to answers."""
