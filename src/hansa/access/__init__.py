"""Who asks, and what they may do: API keys, principals, and the one decision that governs every door."""
