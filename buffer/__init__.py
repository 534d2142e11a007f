"""What is kept: every event, score and label once, in tables ready to train on, and the query that joins them.

Needs the extra ``buffer`` (pyarrow, deltalake, duckdb); nothing that only scores imports it.
"""
