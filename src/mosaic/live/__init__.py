"""Plans that are checked, and run, again whenever what they are made of changes: what `mosaic watch` does."""
