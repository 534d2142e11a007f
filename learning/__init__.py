"""How models follow data: training, evaluation, and the gate before promotion.

May import ``features`` and ``models``. Knows nothing of Kafka.
"""
