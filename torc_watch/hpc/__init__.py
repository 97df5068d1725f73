"""Profiles of clusters: data files that describe one, and by what it is recognized."""
