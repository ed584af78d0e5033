"""The data sets: one small class each, and the generic ones for your own data."""
