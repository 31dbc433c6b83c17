"""Protocols that other systems speak, served from what Hansa has: the schema registry's."""
