"""What Tidemill costs, as ratios to the bare client in one run on a real broker: ``make bench``."""
