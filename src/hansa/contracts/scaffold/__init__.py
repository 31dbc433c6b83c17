"""The first contract of a port, made from what is there already: a Python type, a sample, or another format's schema.

Each source is one module whose `read` gives a `draft.Draft`; `draft.document_of` makes the ODCS document of it, and
`source.read_source` chooses by the file. What a source cannot say, or says in more than one way, is left open and
stands in the draft's notes; types that contain themselves are refused (`schema.recursive`).
"""
