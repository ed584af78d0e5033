"""The verb `litseg predict`."""
