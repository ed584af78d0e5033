"""A table that checks itself: its values, their statistics, verdicts and formats."""
