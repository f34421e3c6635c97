"""What is shown of a URL holds no secret, however it is spelt."""

import pytest

from tunelab.credentials import concealed, concealed_urls, masked, redacted

PLAIN = [
    "sqlite:///studies.db",
    "sqlite:////data/a:b@c.db",
    "sqlite:///C:/a@b.db",
    "sqlite:///file:a@b.db",
    "sqlite:///:memory:",
    "sqlite://",
    "file:mlruns",
    "/home/ann@work/runs",
    "my studies/bowl-1/optuna.journal",
    "https://host:5000/mlflow",
    "http://[::1]/x",
    "postgresql:///studies",
    "postgresql://%2Ftmp/studies",
    "databricks",
]


@pytest.mark.parametrize("url", PLAIN)
def test_what_holds_no_secret_is_shown_as_it_is(url: str) -> None:
    assert masked(url) == redacted(url) == url
    assert concealed(f"no {url} here", url) == f"no {url} here"


SPELT = {
    "postgresql://ann:s3cr3t@host:5/x": "postgresql://ann:***@host:5/x",
    "postgresql://ann:a@s3cr3t@host:5/x": "postgresql://ann:***@host:5/x",
    "postgresql://ann:a/s3cr3t@host:5/x": "postgresql://ann:***@host:5/x",
    "postgresql://ann:a#s3cr3t@host:5/x": "postgresql://ann:***@host:5/x",
    "postgresql://ann:a?s3cr3t@host:5/x": "postgresql://***",
    "postgresql://ann:a?b=s3cr3t@host:5/x": "postgresql://***",
    "postgresql://ann:a@b?s3cr3t@host:5/x": "postgresql://***",
    "postgresql://ann:a%s3cr3t@host:5/x": "postgresql://ann:***@host:5/x",
    "postgresql://ann:a:s3cr3t@host:5/x": "postgresql://ann:***@host:5/x",
    "postgresql://ann:12/s3cr3t@host:5/x": "postgresql://ann:***@host:5/x",
    "postgresql://ann:a b'c<s3cr3t@host:5/x": "postgresql://ann:***@host:5/x",
    "postgresql:///ann:s3cr3t@host:5/x": "postgresql://***@host:5/x",
    "postgresql+psycopg:/ann:s3cr3t@host/x": "postgresql+psycopg:/ann:***@host/x",
    "mysql+pymysql://ann:s3cr3t@host/x": "mysql+pymysql://ann:***@host/x",
    "mysql://ann:s3cr3t": "mysql://***",
    "mysql://ann:s3cr3t/x": "mysql://***",
    "redis://:s3cr3t@host": "redis://***@host",
    "HTTPS://ann:s3cr3t@[::1]:5": "HTTPS://***@[::1]:5",
    "https://s3cr3t@host/x": "https://***@host/x",
    "https://s3cr3t:@host/x": "https://***@host/x",
    "https://to/s3cr3t@host/x": "https://***@host/x",
    "https://to1/s3cr3t@host/x": "https://***@host/x",
    "databricks://s3cr3t@host/x": "databricks://***@host/x",
    "ann:s3cr3t@host/x": "***",
    "dbname=x password=s3cr3t": "***",
    "host=/tmp password='a@s3cr3t'": "***",
    "mysql://host/x?user=ann&password=s3cr3t&ssl=1": "mysql://host/x?***",
    "mysql://host/x?PASSWORD=a&s3cr3t": "mysql://host/x?***",
    "mysql://ann@host/x?password=a@s3cr3t": "mysql://***",
    "postgresql:///x?sslpassword=s3cr3t": "postgresql:///x?***",
    "postgresql://host/x?user=ann@azure&password=s3cr3t": "postgresql://host/x?***",
    "sqlite:///file:a@b.db?uri=true&key=s3cr3t": "sqlite:///file:a@b.db?***",
    "http://host?jwt=s3cr3t": "http://host?***",
    "http://host:80/x?access=s3cr3t": "http://host:80/x?***",
    "http://ann:80/s3cr3t@host": "http://***@host",
    "http://host/?s3cr3t": "http://host/?***",
    "postgresql://ann:s3cr3t@host/x?sslpassword=s3cr3t": "postgresql://ann:***@host/x?***",
}


def test_no_host_is_shown_as_a_user() -> None:
    assert masked("https://host:80/x@y") == "https://***@y"  # which may as well be a password's rest and its host


def test_a_databases_user_is_shown_who_may_be_needed_to_go_on() -> None:
    assert masked("postgresql+psycopg://ann@host/x") == "postgresql+psycopg://ann@host/x"
    assert redacted("postgresql+psycopg://ann@host/x") == "postgresql+psycopg://host/x"


@pytest.mark.parametrize(("url", "shown"), SPELT.items())
def test_a_password_is_hidden_and_a_user_too_where_that_is_asked(url: str, shown: str) -> None:
    assert masked(url) == shown
    assert "s3cr3t" not in redacted(url)
    assert "ann:" not in redacted(url)
    assert masked(masked(url)) == masked(url)


@pytest.mark.parametrize("url", SPELT)
def test_an_error_that_quotes_a_part_is_concealed(url: str) -> None:
    secret = url.partition("ann:")[2].rpartition("@")[0] or "s3cr3t"
    told = concealed(f"no {url!r}: password {secret} of {url.partition('://')[2] or url}", url)
    assert "s3cr3t" not in told
    assert told.startswith("no ")


@pytest.mark.parametrize("url", [url for url in SPELT if "://" in url])
def test_one_within_a_text_is_concealed(url: str) -> None:
    told = concealed_urls(f"File 'a.py', line 1\nOSError: cannot open {url}\nor '{url}': refused, <{url}> too")
    assert "s3cr3t" not in told
    assert told.startswith("File 'a.py', line 1\nOSError: cannot open ")


def test_other_spellings_of_a_secret_are_concealed() -> None:
    url = "mysql://ann:se%20c%2Fret@host/x"
    assert concealed("se c/ret, se%20c%2Fret, se+c%2Fret", url) == "***, ***, ***"


def test_urls_in_a_text_are_masked() -> None:
    text = "File 'a.py'\nOperationalError: 'mysql://ann:s3cr3t@host/x?password=s3cr3t' and http://b@c"
    hidden = text.replace("ann:s3cr3t", "ann:***").replace("?password=s3cr3t", "?***").replace("//b@", "//***@")
    assert concealed_urls(text) == hidden
    assert concealed_urls("see https://host/docs\nor ann@host") == "see https://host/docs\nor ann@host"
