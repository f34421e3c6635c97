"""The pages of `docs/catalogue/`, made from the plugins: `python -m catalogue`, from the repository's root."""
