"""The snapshot store: files, locks, whose it is, and which deliveries a snapshot reads."""
