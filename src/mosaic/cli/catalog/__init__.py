"""`mosaic catalog`: what experts there are and what is known of them."""

from __future__ import annotations

import typer

from mosaic.cli.catalog import add, exports, listing, path, relate, remove, search, show, stats, verify

app = typer.Typer(
    name="catalog",
    help="The experts that plans can name: add, look at, search, share.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("add")(add.add)
app.command("list")(listing.list_)
app.command("show")(show.show)
app.command("search")(search.search)
app.command("remove")(remove.remove)
app.command("stats")(stats.stats)
app.command("export")(exports.export)
app.command("import")(exports.import_)
app.command("verify")(verify.verify)
app.command("relate")(relate.relate)
app.command("path")(path.path)
