"""What is rejected, why, and where it stood."""
