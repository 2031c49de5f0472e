"""A split of your own: recordings of several sites; train at some, test at the one that is left out."""

from gesturelab.splits.split import RecordingTable


class BySite:
    """One fold for each site, whose people are the test people; a subject's id begins with the site's.

    Args:
        letters: How many letters of a subject's id are the site's, such as 2 for ``HH017``.
    """

    def __init__(self, letters: int = 1) -> None:
        self.letters = letters

    def __call__(self, recordings: RecordingTable) -> list[list[str]]:
        """The test people of each fold, in order of the sites."""
        sites: dict[str, list[str]] = {}
        for subject in recordings.people:
            sites.setdefault(subject[: self.letters], []).append(subject)
        return [sites[site] for site in sorted(sites)]
