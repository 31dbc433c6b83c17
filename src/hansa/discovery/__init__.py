"""What people search: the history of runs, events, lineage. Views of the log, and the questions that they answer."""
