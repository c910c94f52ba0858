"""The door: `sap` and `python -m sap`."""

import sys


def main() -> None:
    """Run the command line; a known error prints its message alone and sets its exit code."""
    from sap.cli import app
    from sap.errors import SapError

    try:
        app()
    except SapError as error:
        sys.stderr.write(f"{type(error).__name__} (exit {error.exit_code}): {error}\n")
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.exit(0)
    except OSError as error:
        # A full disk or a vanished folder is the user's to mend; a traceback would hide that.
        where = f" {error.filename}" if error.filename else ""
        sys.stderr.write(f"WrongUse (exit 2):{where}: {error.strerror or type(error).__name__}.\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
