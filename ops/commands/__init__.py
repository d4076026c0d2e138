"""One module for each noun: what its verbs take, print and exit with."""
