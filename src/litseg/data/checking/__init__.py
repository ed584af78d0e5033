"""What `litseg data check` looks for."""
