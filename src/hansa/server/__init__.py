"""HTTP: thin routes over the rooms below. Calls of deployed routes take the hot path in `calls`; the rest is `api`."""
