"""The Dagster instance: its history, its run launcher, its servers."""
