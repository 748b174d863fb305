"""JSON lines and request documents."""
