"""The append-only, ordered, replayable store of what happened: records, events, runs, state changes.

Flow: a commit set is submitted → the committer drains what waits, decides each set against what it read, and writes
all that stand in one transaction with one flush → the sets' outcomes go back in one notice.
"""
