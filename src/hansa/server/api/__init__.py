"""The control API, a module per noun. Every route passes `Endpoint`, which authenticates and asks for a decision."""
