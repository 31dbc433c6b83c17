"""This product has no ports."""
