"""What tensor names and shapes say: header format, adapter keys, families, layouts. Pure; no weight is
read.
"""
