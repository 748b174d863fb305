"""abintel: the pipeline from the command line, a file for each group of commands."""
