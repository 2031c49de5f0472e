"""What this machine and this installation can do: facts are gathered in one place and judged by pure functions."""
