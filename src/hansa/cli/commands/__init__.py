"""The verbs of `hansa`, a module per group; each command reads its arguments, asks the client and shows the answer."""
