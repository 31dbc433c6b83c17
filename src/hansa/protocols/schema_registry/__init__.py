"""The schema registry's protocol, as Confluent defined it and every Kafka client speaks it.

names.py         which subject is of which port
ports.py         the subjects of ports: derived from contracts, kept when they are first asked for
migration.py     rules with which a stock client translates between the majors of a port
forms.py         schemas of three formats: read, compared, brought to one form
registry.py      what can be asked and changed
failures.py      which of the protocol's error codes an error has
"""
