"""The Content-Security-Policy of a page: it runs its own script and style, by their hashes, and loads nothing.

No other script runs, whatever a text of the data holds; pictures are inside the page.
"""

import base64
import hashlib
import re

PLACE = "<!-- policy -->"
OWN = re.compile(r"<(style|script)>(.*?)</\1>", re.DOTALL)


def policy(template: str) -> str:
    """The meta element for a page made from `template`, which holds every style and script of the page.

    >>> policy("<style>a{}</style>").count("sha256-")
    1
    """
    sums: dict[str, list[str]] = {"style": [], "script": []}
    for kind, text in OWN.findall(template):
        digest = hashlib.sha256(text.encode("utf-8")).digest()
        sums[kind].append(f"'sha256-{base64.b64encode(digest).decode('ascii')}'")
    allowed = "; ".join(f"{kind}-src {' '.join(each)}" for kind, each in sums.items() if each)
    rules = "; ".join(filter(None, ("default-src 'none'; img-src data:", allowed)))
    content = f"{rules}; base-uri 'none'; form-action 'none'"
    return f'<meta http-equiv="Content-Security-Policy" content="{content}">'
