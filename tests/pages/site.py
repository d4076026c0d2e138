"""Hooks of MkDocs: files above docs/ become part of the site, and lists and anchors are as GitHub has them.

A page of the repository keeps its ordinary relative links. In the site, what stands above docs/ is below
project/, and links are changed accordingly.
"""

from __future__ import annotations

import logging
import os.path
import re
from pathlib import Path

import markdown
from markdown.extensions import Extension
from markdown_it import MarkdownIt
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from pymdownx.slugs import slugify

ROOT = Path(__file__).resolve().parent.parent.parent
OUTSIDE = "project"
_LINK = re.compile(r"(\]\()(?!\w+:|#)([^)#\s]+)")
_LOG = logging.getLogger("mkdocs.hooks.site")
#: What both renderers write for each kind of block.
_BLOCKS = ("<li", "<table", "<pre", "<h2", "<h3", "<img")


class IndentedByTwo(Extension):
    """Lists whose items go on two or three characters further in, as CommonMark has them."""

    def extendMarkdown(self, md: markdown.Markdown) -> None:
        md.tab_length = 2
        md.build_parser()


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Make headings' anchors and lists those of GitHub."""
    config.markdown_extensions.insert(0, IndentedByTwo())  # type: ignore[arg-type]
    config.mdx_configs["toc"]["slugify"] = slugify(case="lower")
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files above docs/ to which a page leads, and those to which these lead."""
    waiting = [file.src_uri for file in files.documentation_pages()]
    waiting.append(f"{OUTSIDE}/README.md")
    seen = set(waiting[:-1])
    while waiting:
        name = waiting.pop()
        if _source(name).is_dir():
            _LOG.warning("a page links to the folder %s; link to a file in it", name)
            continue
        if name not in seen:
            seen.add(name)
            files.append(File.generated(config, name, abs_src_path=str(_source(name))))
        if name.endswith(".md"):
            targets = {_in_site(name, target) for _, target in _LINK.findall(_source(name).read_text())}
            waiting += sorted(
                target for target in targets if target.startswith(f"{OUTSIDE}/") and target not in seen
            )
    return files


def on_page_markdown(text: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links lead to where their targets stand in the site; a comment above its heading hides a title."""
    name = page.file.src_uri

    def moved(link: re.Match[str]) -> str:
        return link[1] + os.path.relpath(_in_site(name, link[2]), Path(name).parent)

    return _spaced(_LINK.sub(moved, re.sub(r"\A<!--.*?-->\s*", "", text)))


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Warn, which ends a strict build, where the site would show other lists, tables or code than GitHub."""
    expected = MarkdownIt("commonmark").enable("table").render(page.markdown or "")
    for block in _BLOCKS:
        here, there = (len(re.findall(rf"{block}\b", text)) for text in (html, expected))
        if block == "<pre":
            here = len(re.findall(r'<div class="[^"]*highlight"', html)) or here
        if here != there:
            _LOG.warning("%s: %d of %s>, and %d on GitHub", page.file.src_uri, here, block, there)
    return html


def _spaced(text: str) -> str:
    """Return a page in which an item of a list that follows a paragraph of another item has room above it."""
    lines: list[str] = []
    fenced = False
    for line in text.split("\n"):
        before = lines[-1] if lines else ""
        if not fenced and re.match(r"([-*]|\d+\.) ", line) and re.match(r" +\S", before):
            lines.append("")
        fenced ^= line.lstrip().startswith("```")
        lines.append(line)
    return "\n".join(lines)


def _source(name: str) -> Path:
    """Return the file of a page of the site."""
    return ROOT / name.removeprefix(f"{OUTSIDE}/") if name.startswith(f"{OUTSIDE}/") else ROOT / "docs" / name


def _in_site(name: str, target: str) -> str:
    """Return where the target of a link on a page stands in the site."""
    source = os.path.relpath(os.path.normpath(_source(name).parent / target), ROOT)
    return source.removeprefix("docs/") if source.startswith("docs/") else f"{OUTSIDE}/{source}"
