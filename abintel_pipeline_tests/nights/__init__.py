"""A night of faults that replays: one seed, one simulation of the snapshot store.

The real steps run over a small store through some nights, disturbed by faults that the seed chose.
After each run the store is held against a model in plain Python, and at the end against a run that
nothing disturbed. `python -m abintel_pipeline_tests.nights SEED` tells what happened under a seed.
"""
