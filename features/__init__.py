"""What an event is: the schema, the codecs from bytes to columns, and why a record is turned away.

Imports nothing of ours; of others only NumPy and what a codec needs.
"""
