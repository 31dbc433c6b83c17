"""Kafka, PostgreSQL and an S3-compatible store as real servers on loopback, for tests and for `make engines`.

Flow: a session says which engines it needs → each is installed (`install`) and started (`kafka`, `postgresql`, `s3`) in
the background → a test asks for the address and waits until it answers → all end with the session. An address in the
environment stands for a server that runs already; nothing is installed or started for it.
"""
