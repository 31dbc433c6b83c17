"""Queryable forms of the log: SQLite tables that follow it by milliseconds and are rebuilt from it.

Flow: a commit wakes the `Projector` → each `Follower` takes what is new in the log and writes its effects, with the
cursor behind it, in one transaction → who waits for a token is told.
"""
