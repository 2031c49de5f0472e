"""A user's own recordings: a folder of files and a table that says who does what in each."""
