"""The stream engine: sources, the scoring worker and its transactions, the watchdog.

May import ``producer``, ``models`` and ``features``. Only ``consumer/kafka.py`` imports the Kafka client.
"""
