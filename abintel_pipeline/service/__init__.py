"""The three documented calls and reads of what was published, over HTTP and on the command line.

Nothing here knows Dagster, and no number is made here: the formulas are those of `metrics`, the
rules on values those of `contract`.
"""
