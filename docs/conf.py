"""The documentation site: ``python -m sphinx -W docs docs/_build``."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

project = 'DirectPose for OpenMMLab'
author = copyright = 'The DirectPose for OpenMMLab authors'
version = release = re.search(r"'(.+)'", (ROOT / 'directpose/version.py').read_text())[1]

extensions = ['myst_parser', 'sphinx.ext.autodoc', 'sphinx.ext.napoleon']
exclude_patterns = ['_build']
html_theme = 'furo'
html_title = f'{project} {release}'
templates_path = []

myst_heading_anchors = 3
# Of a docstring, the text says more than the annotated signature.
autodoc_typehints = 'none'
autodoc_member_order = 'bysource'
autodoc_default_options = {'members': True, 'show-inheritance': True}
napoleon_use_rtype = False
suppress_warnings = ['ref.python']  # one class under two names: of its package and of its module


def strip_links_out_of_docs(app, docname: str, source: list[str]) -> None:
    """A link to a file of the repository becomes the file's name: the site has no such file."""
    page = Path(app.srcdir) / docname

    def replace(match: re.Match) -> str:
        text, target = match.groups()
        path = (page.parent / target.partition('#')[0]).resolve()
        if '://' in target or target.startswith('#') or path.is_relative_to(ROOT / 'docs'):
            return match[0]
        if not path.exists():
            raise FileNotFoundError(f'{docname}: links to {target}, which does not exist')
        name = f'`{path.relative_to(ROOT)}`'
        return name if text.strip('`') in str(path) else f'{text} ({name})'

    # Images keep their exclamation mark and are not touched.
    source[0] = re.sub(r'(?<!!)\[([^\]\[]+)\]\(([^)\s]+)\)', replace, source[0])


def drop_mmengine_docstrings(app, what, name, obj, options, lines: list[str]) -> None:
    """Members that come from OpenMMLab's classes are documented there."""
    if not getattr(obj, '__module__', 'directpose').startswith('directpose'):
        lines.clear()


def setup(app) -> None:
    app.connect('source-read', strip_links_out_of_docs)
    app.connect('autodoc-process-docstring', drop_mmengine_docstrings)
