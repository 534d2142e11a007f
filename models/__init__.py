"""What a score is: the model protocol and its kinds, artifacts, stores, and the live champion.

May import ``features``. Knows nothing of Kafka.
"""
