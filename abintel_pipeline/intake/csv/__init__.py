"""CSV files: every line is a row, or is rejected with its place."""
