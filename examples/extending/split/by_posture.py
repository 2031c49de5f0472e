"""A split of your own: train on people who stand, test people who sit (or the other way round)."""

from gesturelab.splits.split import RecordingTable


class ByPosture:
    """Two folds: the people of some postures are the test people of the first fold, all others of the second.

    Args:
        seated: Postures that count as sitting; the configuration gives them.
    """

    def __init__(self, seated: list[str]) -> None:
        self.seated = set(seated)

    def __call__(self, recordings: RecordingTable) -> list[list[str]]:
        """The test people of each fold; whoever ever sat counts as sitting, so that nobody is in both."""
        rows = zip(recordings.subjects, recordings.postures, strict=True)
        sitting = {subject for subject, posture in rows if posture in self.seated}
        return [sorted(sitting), sorted(set(recordings.people) - sitting)]
