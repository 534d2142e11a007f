"""The entry point of the console script and of ``python -m service``."""

from __future__ import annotations

from service.plugins import put_our_packages_first


def main() -> None:
    """Make sure that our packages are ours, then run the command line."""
    put_our_packages_first()
    from service.cli import main as run_command_line

    run_command_line()


if __name__ == "__main__":
    main()
