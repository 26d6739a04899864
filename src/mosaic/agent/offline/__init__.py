"""Composing without any model: requests are read by words, plans written from the ranking."""
