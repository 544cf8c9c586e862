"""One file that shows a scene in any browser, without a server and without a network."""

from .export import page_html, save_page

__all__ = ["page_html", "save_page"]
