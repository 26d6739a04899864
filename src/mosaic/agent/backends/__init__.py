"""Backends with a language model: `openai` by an endpoint, `local` in this process."""
