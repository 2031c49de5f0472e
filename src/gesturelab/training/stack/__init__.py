"""Many models of one kind trained together in one process: batched products over a leading models axis."""
