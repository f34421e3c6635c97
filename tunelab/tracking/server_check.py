"""Asks an MLflow server whether it answers, before anything is trained: with the standard library, in milliseconds."""

import base64
import os
import ssl
from collections.abc import Mapping
from http.client import HTTPException
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from tunelab.credentials import redacted
from tunelab.errors import StoreError
from tunelab.tracking.tracking_uri import split_credentials

_TIMEOUT = 5.0  # seconds; a server that needs longer for its shortest answer cannot take a study's curves
_QUESTION = "/api/2.0/mlflow/experiments/search?max_results=1"


def server_answers(uri: str) -> bool:
    """Whether the server at `uri` took our request; False when only MLflow's own client can tell.

    Raises StoreError when nothing answers there, or something that is not an MLflow server. Unlike `/health`, the
    question also tests the credentials, and reads one experiment at most.
    """
    bare, credentials = split_credentials(uri)
    request = Request(bare.rstrip("/") + _QUESTION, headers=_authorization({**os.environ, **credentials}))
    try:
        with urlopen(request, timeout=_TIMEOUT, context=_tls()) as response:
            is_json = "json" in response.headers.get("Content-Type", "")
    except HTTPError as error:
        error.close()
        if error.code in (401, 403):  # a credentials file or an authentication plugin may still know the way in
            return False
        raise _refusal(uri, f"it answered with status {error.code}") from None
    except (URLError, OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLError):  # requests brings its own certificates
            return False
        raise _refusal(uri, str(reason) or type(error).__name__) from None
    if not is_json:
        raise _refusal(uri, "what answers there is not an MLflow server")
    return True


def _refusal(uri: str, reason: str) -> StoreError:
    return StoreError(
        f"An MLflow server that answers is required at the tracking URI {redacted(uri)}: {reason}. "
        f"Start it, correct MLFLOW_TRACKING_URI, or unset it to keep runs in this folder's mlflow.db."
    )


def _authorization(variables: Mapping[str, str]) -> dict[str, str]:
    user, password = variables.get("MLFLOW_TRACKING_USERNAME"), variables.get("MLFLOW_TRACKING_PASSWORD")
    if user and password:
        return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}
    token = variables.get("MLFLOW_TRACKING_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}


def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH") or None)
    if os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("true", "1"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate := os.environ.get("MLFLOW_TRACKING_CLIENT_CERT_PATH"):
        context.load_cert_chain(certificate)
    return context
