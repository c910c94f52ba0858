"""The code of the first cell of each kernel: which sap it imports, how values are displayed, what it reads.

The code runs in the chapter's own process, before the set-up; its names begin with two underscores,
so that they cannot clash with a chapter's.
"""

from pathlib import Path

import sap

INLINE_RESULT = "application/vnd.sap.inline+json"
REACHED_RESULT = "application/vnd.sap.reached+json"
REFUSED = "__SapRefused"
"""The error of a cell that is refused for what it shows; its text is the complete reason."""

PACKAGE = Path(sap.__file__).resolve().parent

# A kernel that imported another sap would print its numbers under the name of this one.
SAME_SAP = """
class __SapRefused(Exception):
    pass


def __sap_same__(version, package):
    import os
    try:
        import sap
        other, place = sap.__version__, os.path.dirname(os.path.realpath(sap.__file__))
    except Exception as problem:
        raise __SapRefused(
            f"the kernel cannot import sap ({{type(problem).__name__}}: {{problem}}); it must "
            f"import sap {{version}} from {{package}}"
        ) from None
    if (other, place) != (version, package):
        raise __SapRefused(
            f"the kernel imports sap {{other}} from {{place}}, and the report is made by sap "
            f"{{version}} from {{package}}: install one of them only"
        )


__sap_same__({version!r}, {package!r})
"""

# IPython reports an exception in a display's `_repr_markdown_` and goes on; here it ends the cell as
# any other exception does. What has no form in the report is refused with the reason.
DISPLAY = """
def __sap_display__():
    import functools
    import sys

    from IPython import get_ipython
    from IPython.core import formatters

    def strict(decorated):
        method = decorated.__wrapped__

        @functools.wraps(method)
        def call(self, *args, **kwargs):
            try:
                value = method(self, *args, **kwargs)
            except NotImplementedError:
                value = None
            return self._check_return(value, args[0])

        return call

    for kind in vars(formatters).values():
        if isinstance(kind, type) and hasattr(vars(kind).get("__call__"), "__wrapped__"):
            kind.__call__ = strict(vars(kind)["__call__"])

    formatter = get_ipython().display_formatter
    plain = formatter.format

    def drawn(value):
        return type(value).__module__.split(".")[0] in ("matplotlib", "plotnine")

    def refused(value, data):
        if "text/markdown" in data:
            return False
        pictures = any(kind.startswith("image/") for kind in data)
        several = value if isinstance(value, (list, tuple)) else [value]
        return (
            "text/html" in data or pictures or hasattr(value, "to_frame")
            or any(map(drawn, several))
        )

    def checked(value, include=None, exclude=None):
        data, metadata = plain(value, include, exclude)
        if refused(value, data):
            raise __SapRefused(
                f"shows a bare {type(value).__name__}, which has no number, no title, no style of "
                "the report and no alternative text: show a table by sap.displays.table, a figure "
                "by sap.displays.figure"
            )
        return data, metadata

    formatter.format = checked

    def undrawn(result):
        pyplot = sys.modules.get("matplotlib.pyplot")
        if result.success and pyplot is not None and pyplot.get_fignums():
            pyplot.close("all")
            __sap_left_open__.append(result.info.raw_cell)

    get_ipython().events.register("post_run_cell", undrawn)


__sap_left_open__ = []
__sap_display__()
"""

# Inline code follows Quarto: Markdown when the value offers it, else its text with every
# character that Markdown would read as markup escaped.
INLINE = f"""
def __sap_inline__(expressions):
    from IPython import get_ipython
    from IPython.display import display
    shell = get_ipython()
    values = []
    for expression in expressions:
        where = f"`{{{{python}}}} {{expression}}`"
        try:
            value = eval(expression, shell.user_ns)
            data, _ = shell.display_formatter.format(value)
        except __SapRefused as problem:
            raise __SapRefused(f"{{where}}: {{problem}}") from None
        except Exception as problem:
            words = " ".join(str(problem).split())
            raise RuntimeError(f"{{where}}: {{type(problem).__name__}}: {{words}}") from None
        markdown = data.get("text/markdown")
        if not (str(value) if markdown is None else markdown):
            raise __SapRefused(
                f"{{where}}: is an empty text, for which Quarto prints the code: return `[]{{{{}}}}` as "
                "Markdown where there is nothing to say"
            )
        values.append(["text", str(value)] if markdown is None else ["markdown", markdown])
    display({{"{INLINE_RESULT}": values}}, raw=True)
"""

# Python reports to its audit hooks each file and folder it opens, each program and connection it
# starts. A chapter that read anything outside of the known places is not cached (`sap.publish.cache`).
REACHED = f"""
def __sap_watch__():
    import os
    import sys
    from IPython.display import display

    sys.path[:] = [each for each in sys.path if each]
    reached = set()
    opening = {{"open", "os.listdir", "os.scandir"}}
    starting = {{"subprocess.Popen", "os.system", "os.posix_spawn", "os.exec", "socket.connect"}}

    def note(event, words):
        if event in opening and not isinstance(words[0], int):
            reached.add(os.path.abspath(os.fsdecode("." if words[0] is None else words[0])))
        elif event in starting:
            reached.add(event)

    def report(places):
        files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
        every = reached | {{os.path.abspath(file) for file in files if isinstance(file, str)}}
        inside = tuple(place + os.sep for place in places)
        outside = sorted(p for p in every if p not in places and not p.startswith(inside))
        result = {{"reached": outside, "left_open": __sap_left_open__}}
        display({{"{REACHED_RESULT}": result}}, raw=True)

    sys.addaudithook(note)
    return report


__sap_reached__ = __sap_watch__()
"""


def same_sap() -> str:
    """Code that ends with a reason where it imports another sap than this one."""
    return SAME_SAP.format(version=sap.__version__, package=str(PACKAGE))


def first_cell() -> str:
    """What a kernel runs before the set-up.

    >>> "__sap_same__" in first_cell()
    True
    """
    return same_sap() + DISPLAY + INLINE + REACHED


def import_path() -> dict[str, str]:
    """The variable by which a kernel imports this very package; none where it is installed.

    An installed package is found without it, and a folder of packages on `PYTHONPATH` would go
    before the standard library.
    """
    place = PACKAGE.parent
    installed = place.name in ("site-packages", "dist-packages")
    return {} if installed else {"PYTHONPATH": str(place)}
