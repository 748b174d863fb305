"""The formulas: Ibis tables and rules in, Ibis tables out.

Nothing here knows Dagster, a clock, the environment or a file. `today` is always an argument.
"""
