"""The only way out: named connections, whose addresses and secrets a worker never sees.

Flow: a worker asks → the broker finds the connection in the environment's settings → its exit carries the call out →
what comes back, or an error without secrets in it, is the answer. Which product used what is told for the lineage.
"""
