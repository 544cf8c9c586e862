"""Words of files and users in the panel, whose texts are markdown with HTML in it."""

import re

_MEANING_SOMETHING = re.compile(r"[!-/:-@\[-`{-~]")  # ASCII punctuation, all that markdown and HTML give a meaning


def plain(text: str) -> str:
    """A name, a path or the sentence of an error as markdown that shows every one of its characters as it is.

    >>> plain("<b>*.ply")
    '&#60;b&#62;&#42;&#46;ply'
    """
    return _MEANING_SOMETHING.sub(lambda found: f"&#{ord(found[0])};", text)
