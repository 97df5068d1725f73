"""A report as one HTML file: no script, no network, readable on screen and paper."""
