"""`tunelab sync`: show in MLflow what it could not take while a study ran."""

from typing import Annotated

import typer

from tunelab.cli.exit_codes import exit_codes
from tunelab.cli.options import FOLDER, Debug, Folder, ShownAt


def sync(
    study: Annotated[
        str | None,
        typer.Argument(
            metavar="STUDY",
            help="A study's name, as digits-3, or its folder: all that MLflow shows of it is compared with what it "
            "holds, and mended. Without it, what MLflow has not taken yet of any study is sent.",
            show_default=False,
        ),
    ] = None,
    tracking_uri: ShownAt = None,
    folder: Folder = FOLDER,
    debug: Debug = False,
) -> None:
    """Bring MLflow in line with what studies hold, after a server was away or a machine went down."""
    with exit_codes(debug=debug):
        from tunelab.credentials import redacted
        from tunelab.errors import StoreError, TrackingError
        from tunelab.study.folder import held
        from tunelab.tracking.mirror_state import MirrorState
        from tunelab.tracking.study_uri import study_uri
        from tunelab.tracking.sync import home_of, unsent
        from tunelab.tracking.sync import sync as send

        homes = unsent(folder) if study is None else [home_of(study, folder)]
        if not homes:
            typer.echo(f"MLflow shows all that the studies in {folder} hold; there is nothing to send.")
        left = {}
        for home in homes:
            uri = study_uri(home, tracking_uri)
            try:
                with held(home):
                    typer.echo(f"{home.name}: comparing with {redacted(uri)} ...", err=True)
                    why = send(home, uri, thorough=study is not None)
            except StoreError as error:
                if study is not None:
                    raise
                typer.echo(f"{error}; it sends by itself", err=True)
                continue
            if why is None:
                typer.echo(f"{home.name}: MLflow shows all of it; {said(MirrorState.load(home).mended)}")
            else:
                left[home.name] = why
        if left:
            reasons = "; ".join(f"{name}: {why}" for name, why in left.items())
            raise TrackingError(f"MLflow does not show all of {', '.join(left)}; try again later. {reasons}")


def said(mended: dict[str, int]) -> str:
    """Return what was brought in line.

    >>> said({"trial written": 3, "run closed": 1, "double deleted": 0})
    '3 trials written, 1 run closed'
    >>> said({})
    'nothing was missing'
    """
    counted = [(count, *what.split()) for what, count in mended.items() if count]
    return ", ".join(f"{count} {noun}{'' if count == 1 else 's'} {done}" for count, noun, done in counted) or (
        "nothing was missing"
    )
