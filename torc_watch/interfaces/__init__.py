"""How people and programs see the engine: its events turned into lines."""
