"""One module a noun: what its verbs take, print and exit with."""
