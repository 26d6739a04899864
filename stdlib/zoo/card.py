"""`python -m mosaic.stdlib.zoo.card`: renders the zoo's README from the index and the scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import mosaic.stdlib.zoo as zoo

HERE: Final = Path(__file__).parent


def percent(score: dict[str, Any]) -> str:
    """A share with its interval: ".97 [.95, .98]"."""
    low, high = (f"{score[key]:.2f}".lstrip("0") for key in ("low", "high"))
    return f"{score['share']:.3f}".lstrip("0") + f" [{low}, {high}]"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def experts(index: dict[str, Any]) -> str:
    """One row an expert: id, kind and category, trigger, size, licence, what it does."""
    rows = []
    for expert in index["experts"]:
        own = expert["id"].removeprefix("zoo/")
        size = sum(f["size"] for f in expert["files"] if f"/{own}/" in f["path"] or f"/{own}." in f["path"])
        trigger = f"`{expert['trigger']}`" if expert["trigger"] else "–"
        kind = expert["kind"] + (f", {expert['category']}" if expert["category"] else "")
        words = [f"`{expert['id']}`", kind, trigger, f"{size / 1e6:.2f} MB", expert["license"]]
        rows.append([*words, expert["description"]])
    return table(["id", "kind", "trigger", "own files", "licence", "what it does"], rows)


def scores(index: dict[str, Any], result: dict[str, Any]) -> str:
    """One row an expert: what it was trained for, then what must not suffer."""
    columns = ["subject and colour", "background", "knight's attributes"]
    rows = []
    for name in [expert["id"] for expert in index["experts"] if expert["id"] in result["experts"]]:
        found = result["experts"][name]
        first = next((test for test in found if test not in (*columns, "subject", "colour")), None)
        skill = f"{first}: {percent(found[first])}" if first else "–"
        rest = [percent(found[c]) if c in found else "–" for c in columns]
        rows.append([f"`{name}`", str(found["background"]["n"]), skill, *rest])
    return table(["id", "pictures", "its own skill", *columns], rows)


def sums(result: dict[str, Any]) -> str:
    """The plain sums of two styles."""
    rows = []
    for row in result["sums"]:
        (one, two), found = row["pair"], row["scores"]
        cells = [percent(found[test]) for test in (one, two, "both", "subject and colour", "all right")]
        rows.append([f"{one} + {two}", " / ".join(f"{s:g}" for s in row["strengths"]), *cells])
    return table(["pair", "strengths", "first", "second", "both", "subject and colour", "all right"], rows)


def parts(result: dict[str, Any]) -> str:
    """The autoencoders and the checker."""
    found = result["parts"]
    kinds = ["all", "plain", *[k for k in found["psnr zoo/base"] if k not in ("all", "plain")]]
    psnr = [[f"`{n}`", *[f"{found[f'psnr {n}'][k]:.1f}" for k in kinds]] for n in ("zoo/base", "zoo/base-b")]
    reader = found["checker"]
    kinds_read = ("drawn", "reconstructed", "sets drawn", "sets reconstructed")
    rows = [[k, *[f"{reader[kind][k]:.3f}" for kind in kinds_read]] for k in reader["drawn"]]
    wrong = "; ".join(reader["reconstructed confusion"]) or "none"
    return (
        f"Reconstruction of {found['pictures']} held-out pictures, PSNR in dB:\n\n"
        + table(["autoencoder of", *kinds], psnr)
        + "\n\nThe checker on as many pictures of everything, extras included, and on two of each of the 480 sets of\n"
        + "`sets.py`, as drawn and after the autoencoder of `zoo/base`:\n\n"
        + table(["reads", *kinds_read], rows)
        + f"\n\nIts most frequent mistakes on reconstructions: {wrong}."
    )


def bridges(index: dict[str, Any]) -> str:
    """The maps between the latent spaces."""
    rows = [
        [f"`{b['id']}`", f"{b['r2']:.3f}", f"{b['r2_1x1']:.3f}", f"{b['round_trip_r2']:.3f}"]
        for b in index["bridges"]
    ]
    return table(["bridge", "R² (3×3)", "R² of a 1×1 map", "R² there and back"], rows)


def training(index: dict[str, Any]) -> str:
    """Seconds of every stage."""
    rows = [[name, str(facts.get("seconds", "–"))] for name, facts in index["training"].items()]
    return table(["stage", "seconds on two CPU cores"], rows)


def render() -> str:
    """The README: the text of `README.in.md` with its tables filled in."""
    index = json.loads((HERE / "index.json").read_text())
    result = json.loads((HERE / "scores.json").read_text())
    text = (HERE / "README.in.md").read_text()
    filled = {
        "experts": experts(index),
        "scores": scores(index, result),
        "sums": sums(result),
        "parts": parts(result),
        "bridges": bridges(index),
        "training": training(index),
    }
    for name, value in filled.items():
        text = text.replace(f"<!-- {name} -->", value)
    return text


if __name__ == "__main__":
    (zoo.root() / "README.md").write_text(render())
