"""The only place that chooses implementations and puts the rooms together."""
