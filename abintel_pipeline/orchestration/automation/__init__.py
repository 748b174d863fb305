"""What starts runs by itself: the nightly schedule, the landing sensor, retries."""
