"""What runs inside the contenders' own environments; each file imports only its peer and `benchmarks.workload`."""
