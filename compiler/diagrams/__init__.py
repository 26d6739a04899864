"""Programs as drawings: boxes and arrows of what is computed, as Mermaid, DOT, SVG or a page.

`drawn` makes a `Drawing` of programs, `layout` gives its boxes places, and `mermaid`, `dot`, `svg` and `html` write it.
Only `svg` and `html` need places: the other two are laid out by whoever shows them.
"""
