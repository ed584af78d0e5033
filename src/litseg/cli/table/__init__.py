"""`litseg table`: a table of a paper as a config, trained where cells are missing, beside the published numbers."""
