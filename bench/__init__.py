"""What Tocsin costs, measured: ``python -m bench [NAME …]``."""
