"""What Python code asks of mosaic, and what the command line is a face of: one module a subject."""
