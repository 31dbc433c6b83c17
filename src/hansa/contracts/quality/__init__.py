"""Quality rules of contracts: read from ODCS, compiled once per contract version, decided over batches of records."""
