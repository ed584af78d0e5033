"""The verb `litseg evaluate`."""
