"""What an operator sees of a running Hansa: metrics, traces, output."""
