"""Events, plans and states as text for people and as values for scripts."""
