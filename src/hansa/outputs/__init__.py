"""The kinds of output port: how what was published is read. Each kind has its own file."""
