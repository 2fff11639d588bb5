"""Tables of a page."""

from __future__ import annotations

from collections.abc import Iterable

from skelact.escaping import Html, join, markup


def table(heads: Iterable[object], rows: Iterable[Iterable[object]]) -> Html:
    """A table; values that are not HTML are escaped. Wide ones scroll."""
    lines = [join(markup("<th>{}</th>", head) for head in heads)]
    lines += [join(markup("<td>{}</td>", cell) for cell in row) for row in rows]
    content = join(markup("<tr>{}</tr>", line) for line in lines if line)
    return markup("<div class='wide'><table>{}</table></div>", content)
