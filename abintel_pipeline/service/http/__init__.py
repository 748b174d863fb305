"""The calls and the published tables over HTTP."""
