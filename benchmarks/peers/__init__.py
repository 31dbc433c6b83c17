"""The contenders. A new one is a module with a `Peer` in this folder, named in `benchmarks.__main__`."""
