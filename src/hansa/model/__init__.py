"""The words of a data mesh as frozen values: ids and their grammar, products, ports, processes, runs. No I/O."""
