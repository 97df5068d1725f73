"""The composition root and what commands do with it: the only room that knows concrete classes."""
