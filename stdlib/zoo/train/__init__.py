"""How the zoo was trained: one file a stage, budgeted by steps, seeds fixed. Only here is torch imported."""

from __future__ import annotations
