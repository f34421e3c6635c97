"""Writes docs/catalogue: a page for each kind of plugin, made from the plugins themselves. `python -m catalogue`."""
