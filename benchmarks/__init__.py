"""Ratios of speed between Hansa, its peers and the floor of the machine, measured in one interleaved run."""
