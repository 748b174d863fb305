"""Side-by-side measurements of the pipeline with what a person could use instead.

    python -m benchmarks                      all of it; --help tells the rest
    python -m benchmarks.generate FOLDER      a seeded retailer, in the store's own layout

Each contender runs in a process of its own, in turns (A B A B …), so that a busy machine is unfair
to all of them alike: the ratios say more than the seconds. Nothing here is part of the package.
"""
