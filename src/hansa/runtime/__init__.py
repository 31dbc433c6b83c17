"""The warm runtime: zygotes, workers, dispatch, the railway, retries and limits.

Flow: engine accepts a run → pool picks (or forks) a worker of that revision → worker runs logic by logic and buffers
what it publishes → engine commits the effects, the run and the consumed positions in one set → the caller is answered.
"""
