"""A drawing as a page of its own: the SVG, to be moved and magnified. It loads nothing and runs one script, its own."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import Final

from mosaic.compiler.diagrams import svg
from mosaic.compiler.diagrams.model import Drawing

_SCRIPT: Final = """
const svg = document.querySelector("svg"), box = svg.viewBox.baseVal;
const whole = [box.x, box.y, box.width, box.height];
let held = null;
const at = event => new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
const zoom = (by, x, y) => {
  by = Math.min(Math.max(by, 40 / box.width), 8 * whole[2] / box.width);
  box.x = x + (box.x - x) * by; box.y = y + (box.y - y) * by; box.width *= by; box.height *= by;
};
svg.addEventListener("wheel", event => {
  event.preventDefault();
  const point = at(event);
  zoom(Math.exp(event.deltaY / 600), point.x, point.y);
}, {passive: false});
svg.addEventListener("pointerdown", event => { held = at(event); svg.setPointerCapture(event.pointerId); });
svg.addEventListener("pointermove", event => {
  if (!held) return;
  const point = at(event);
  box.x += held.x - point.x; box.y += held.y - point.y;
});
svg.addEventListener("pointerup", () => { held = null; });
svg.addEventListener("pointercancel", () => { held = null; });
const reset = () => { [box.x, box.y, box.width, box.height] = whole; };
svg.addEventListener("dblclick", reset);
addEventListener("keydown", event => {
  const x = box.x + box.width / 2, y = box.y + box.height / 2, step = box.width / 10;
  if (event.key === "+" || event.key === "=") zoom(0.8, x, y);
  else if (event.key === "-") zoom(1.25, x, y);
  else if (event.key === "0") reset();
  else if (event.key === "ArrowLeft") box.x -= step;
  else if (event.key === "ArrowRight") box.x += step;
  else if (event.key === "ArrowUp") box.y -= step;
  else if (event.key === "ArrowDown") box.y += step;
  else return;
  event.preventDefault();
});
"""
_STYLE: Final = (
    ":root{color-scheme:light dark}html,body{margin:0;height:100%;background:#fff;color:#14202b}"
    "body{display:flex;flex-direction:column;font:13px system-ui,sans-serif}"
    "svg{flex:1;width:100%;min-height:0;cursor:grab;touch-action:none}p{margin:6px 16px}"
    "@media(prefers-color-scheme:dark){html,body{background:#0e141a;color:#e6edf3}}"
)


def render(drawing: Drawing) -> str:
    """The page."""
    title = escape(", ".join(group.title for group in drawing.groups) or "no plan")
    digest = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
    rules = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="{rules}">
<title>{title}</title>
<style>{_STYLE}</style>
</head>
<body>
<p>Drag to move, wheel or + and - to magnify, double click or 0 for the whole; rest on a box to read all of it.</p>
{svg.render(drawing)}<script>{_SCRIPT}</script>
</body>
</html>
"""
