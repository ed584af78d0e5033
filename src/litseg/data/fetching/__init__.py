"""Fetches and unpacks the archives of data sets."""
