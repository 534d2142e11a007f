"""How things leave: sinks, the encoding of scores and dead letters, publishing, simulated streams.

May import ``features`` and ``models``. Only ``producer/kafka.py`` imports the Kafka client.
"""
