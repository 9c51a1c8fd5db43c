"""The guide as HTML: `tox run -e docs`, or `sphinx-build` where novaha[docs] is installed."""

import sys
from pathlib import Path

from novaha import __version__

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "novaha"
author = "The novaha authors"
project_copyright = "The novaha authors"
version = release = __version__

extensions = ["myst_parser", "reference"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
smartquotes = False  # options and quotes are to be copied

exclude_patterns = ["_ext"]

html_theme = "furo"
html_title = f"novaha {version}"
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_theme_options = {"navigation_with_keys": True}
