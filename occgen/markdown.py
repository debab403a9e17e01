"""Text that stands in Markdown as it is, whatever it holds."""

import re
import unicodedata

__all__ = ["code", "one_line", "prose"]


def one_line(text: str) -> str:
    """Return a text as one line: control characters and runs of blanks become one blank."""
    kept = "".join(" " if unicodedata.category(char) == "Cc" else char for char in text)
    return " ".join(kept.split())


def prose(text: str) -> str:
    """Return a text as one line whose signs mean nothing to Markdown."""
    return re.sub(r"([\\`*_\[\]<>#|~])", r"\\\1", one_line(text))


def code(text: str) -> str:
    """Return a name as code: more backticks around it than it has, and no cell's end in it."""
    text = one_line(text).replace("|", "\\|")
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    pad = " " if text.startswith("`") or text.endswith("`") or not text else ""
    return f"{fence}{pad}{text}{pad}{fence}"
