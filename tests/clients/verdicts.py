"""Run by a linter's own Python: the verdict of its JSON Schema on each document of standard input, a line each.

    python verdicts.py MODULE FILE < documents > verdicts

A document is a line of JSON; its verdict is `ok`, or the first thing that is wrong with it. The line before all
verdicts is the schema itself.
"""

import importlib.resources
import json
import sys

from jsonschema import Draft201909Validator

schema = json.loads(importlib.resources.files(sys.argv[1]).joinpath("schemas", sys.argv[2]).read_text())
validator = Draft201909Validator(schema)
print(json.dumps(schema))
for line in sys.stdin:
    wrong = next(validator.iter_errors(json.loads(line)), None)
    print("ok" if wrong is None else json.dumps([list(wrong.absolute_path), wrong.message[:300]]))
