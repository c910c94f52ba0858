"""The door: `sap` and `python -m sap`."""

import sys


def main() -> None:
    """Run the command line; a known error prints its message alone and sets its exit code.

    A fault of the program itself ends with 1 and says where it is, not what was in hand there: the
    words of such an error may quote a patient. `python -X dev -m sap ...` shows all of it.
    """
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
        sys.stderr.write(
            f"UsageError (exit 2):{where}: {error.strerror or type(error).__name__}.\n"
        )
        sys.exit(2)
    except MemoryError:
        sys.stderr.write("UsageError (exit 2): there is not enough memory for this.\n")
        sys.exit(2)
    except Exception as error:
        if sys.flags.dev_mode:
            raise
        sys.stderr.write(f"{_fault(error)}\n")
        sys.exit(1)


def _fault(error: Exception) -> str:
    """Where the program failed: its own last line on the way down."""
    import traceback
    from pathlib import Path

    home = Path(__file__).parent
    frames = traceback.extract_tb(error.__traceback__)
    last = [frame for frame in frames if Path(frame.filename).is_relative_to(home)][-1]
    where = Path(last.filename).relative_to(home).as_posix()
    return (
        f"A fault of sap itself (exit 1): {type(error).__name__} in {where}, line {last.lineno}. "
        "Nothing half-made was left. Please report it; "
        "`python -X dev -m sap ...` shows all of it, which may include data."
    )


if __name__ == "__main__":
    main()
