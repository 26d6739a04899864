"""Diagnostics -> JUnit XML: a suite for each file, a case for each diagnostic, one that passes where there is none."""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.etree import ElementTree

from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.reporting.report import Report
from mosaic.compiler.reporting.text import render_text

_NOWHERE = "mosaic"
"""The suite of what has no place in a text: files that could not be read, mostly."""

# XML 1.0 has no spelling at all for these.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(report: Report) -> str:
    """The document. What fails the command is a `failure`, an error without a place in a text an `error`; other
    diagnostics are told in a case that passes."""
    suites: dict[str, list[Diagnostic]] = {name: [] for name in report.files}
    for diagnostic in report.diagnostics:
        span = diagnostic.span
        suites.setdefault(_NOWHERE if span is None else span.source.name, []).append(diagnostic)
    root = ElementTree.Element("testsuites", name="mosaic")
    for name, found in suites.items():
        _suite(root, name, found, report)
    for key in ("tests", "failures", "errors"):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in root)))
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}'


def _suite(root: ElementTree.Element, name: str, found: Iterable[Diagnostic], report: Report) -> None:
    suite = ElementTree.SubElement(root, "testsuite", name=_text(name))
    for diagnostic in found:
        _case(suite, name, diagnostic, report)
    if not len(suite):
        ElementTree.SubElement(suite, "testcase", name="check", classname=_text(name))
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(len(suite.findall("*/failure"))))
    suite.set("errors", str(len(suite.findall("*/error"))))


def _case(suite: ElementTree.Element, name: str, diagnostic: Diagnostic, report: Report) -> None:
    span = diagnostic.span
    where = "" if span is None else " at {}:{}".format(*span.source.position(span.start))
    case = ElementTree.SubElement(
        suite, "testcase", name=f"{diagnostic.code}{where}", classname=_text(name), file=_text(name)
    )
    if span is None:
        del case.attrib["file"]
    if report.fails(diagnostic):
        outcome = ElementTree.SubElement(case, "error" if span is None else "failure", type=diagnostic.code)
        outcome.set("message", _text(diagnostic.message()))
    else:
        outcome = ElementTree.SubElement(case, "system-out")
    outcome.text = _text(render_text([diagnostic]))


def _text(text: str) -> str:
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)
