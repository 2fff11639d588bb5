"""The results as a Markdown page."""

from __future__ import annotations

from typing import Any

_TITLES = {
    "networks": "Networks (samples/s, and the ratio to the published order in eager float32)",
    "loop": "The whole training loop (clips/s, and the ratio to the usual loop)",
    "poses": "Extraction of poses (frames/s, and the ratio to frame by frame)",
}


def markdown(document: dict[str, Any]) -> str:
    """A table for each part, one row for each network, task and batch size."""
    lines = [
        f"{document['device']}, torch {document['torch']}, `{document['command']}`, "
        f"{document['seconds']} s.",
    ]
    for part, title in _TITLES.items():
        results = [r for r in document["results"] if r["part"] == part and "form" in r]
        forms = list(dict.fromkeys(r["form"] for r in results))
        rows: dict[tuple[str, str, int], dict[str, dict[str, Any]]] = {}
        for r in results:
            rows.setdefault((r["name"], r["what"], r["batch"]), {})[r["form"]] = r
        if not rows:
            continue
        lines += ["", f"{title}:", "", "| | " + " | ".join(forms) + " | memory of each [MB] |"]
        lines.append("|---" * (len(forms) + 2) + "|")
        for (name, what, batch), found in rows.items():
            plain = found.get("published", {}).get("samples_per_s")
            cells = [_cell(found.get(form), plain) for form in forms]
            memory = " / ".join(str(found.get(form, {}).get("memory_mb", "")) for form in forms)
            lines.append(f"| `{name}` {what}, {batch} | {' | '.join(cells)} | {memory} |")
    errors = [r for r in document["results"] if "error" in r]
    if errors:
        lines += ["", "Not measured:", ""]
    for r in errors:
        words = (r["part"], r.get("name"), r.get("what"), r.get("form"))
        lines.append(f"- {' '.join(filter(None, words))}: {r['error']}")
    return "\n".join(lines) + "\n"


def _cell(result: dict[str, Any] | None, plain: float | None) -> str:
    if result is None or "error" in result:
        return "–"
    value = result["samples_per_s"]
    text = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return text + (f" ({value / plain:.2f} ×)" if plain else "")
