"""The verb `litseg data`: check, stats and show."""
