"""The shell: settings, composition, the command line, health and metrics. Nobody imports it."""
