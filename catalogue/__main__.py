"""Write every page and picture anew: `python -m catalogue`, from the repository's root."""

from pathlib import Path

from catalogue.pages import texts
from catalogue.pictures import pictures

FOLDER = Path(__file__).parents[1] / "docs" / "catalogue"


def main() -> None:
    """Write what there is to say, and remove what there no longer is."""
    drawn = pictures()
    files = texts(drawn) | {name: picture.draw() for name, picture in drawn.items()}
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.iterdir():
        if path.name not in files:
            path.unlink()
    for name, text in files.items():
        (FOLDER / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
