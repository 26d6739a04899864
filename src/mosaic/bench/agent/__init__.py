"""`mosaic bench agent`: how well requests in plain words become plans, measured over catalogs whose right answers are
known."""
