"""Tables and figures from the files of runs; imports no torch."""
