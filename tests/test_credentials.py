"""What is shown of a URL holds no secret, however it is spelt."""

import pytest

from tunelab.credentials import concealed, concealed_urls, masked, redacted

PLAIN = [
    "sqlite:///studies.db",
    "sqlite:////data/a:b@c.db",
    "sqlite:///C:/a@b.db",
    "sqlite:///file:a@b.db?uri=true",
    "https://host:5000/mlflow",
    "postgresql:///studies?host=/tmp",
    "postgresql://host/x?user=ann@azure&sslmode=require",
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
    "postgresql://ann:a?s3cr3t@host:5/x": "postgresql://ann:***@host:5/x",
    "postgresql://ann:a?b=s3cr3t@host:5/x": "postgresql://ann:***@host:5/x",
    "postgresql://ann:a%s3cr3t@host:5/x": "postgresql://ann:***@host:5/x",
    "postgresql://ann:a:s3cr3t@host:5/x": "postgresql://ann:***@host:5/x",
    "postgresql://ann:12/s3cr3t@host:5/x": "postgresql://ann:***@host:5/x",
    "postgresql+psycopg:/ann:s3cr3t@host/x": "postgresql+psycopg:/ann:***@host/x",
    "mysql+pymysql://ann:s3cr3t@host/x": "mysql+pymysql://ann:***@host/x",
    "redis://:s3cr3t@host": "redis://:***@host",
    "HTTPS://ann:s3cr3t@[::1]:5": "HTTPS://ann:***@[::1]:5",
    "ann:s3cr3t@host/x": "ann:***@host/x",
    "mysql://host/x?user=ann&password=s3cr3t&ssl=1": "mysql://host/x?user=ann&password=***&ssl=1",
    "mysql://host/x?PASSWORD=a&s3cr3t": "mysql://host/x?PASSWORD=***",
    "postgresql:///x?sslpassword=s3cr3t": "postgresql:///x?sslpassword=***",
    "http://host?token=s3cr3t": "http://host?token=***",
    "http://host/?access_token=s3cr3t&api-key=s3cr3t": "http://host/?access_token=***&api-key=***",
    "postgresql://ann:s3cr3t@host/x?sslpassword=s3cr3t": "postgresql://ann:***@host/x?sslpassword=***",
}


@pytest.mark.parametrize(("url", "shown"), SPELT.items())
def test_a_password_is_hidden_and_a_user_too_where_that_is_asked(url: str, shown: str) -> None:
    assert masked(url) == shown
    assert "s3cr3t" not in redacted(url)
    assert "ann:" not in redacted(url)
    assert masked(masked(url)) == masked(url)


@pytest.mark.parametrize("url", ["https://s3cr3t@host/x", "https://to/s3cr3t@host/x", "databricks://s3cr3t@host/x"])
def test_a_token_in_the_place_of_a_user_is_redacted(url: str) -> None:
    assert redacted(url).partition("://")[2] == "host/x"


@pytest.mark.parametrize("url", [url for url in SPELT if "?" not in url])
def test_an_error_that_quotes_a_part_is_concealed(url: str) -> None:
    secret = url.partition("ann:")[2].rpartition("@")[0] or "s3cr3t"
    told = concealed(f"no {url!r}: password {secret} of {url.partition('://')[2] or url}", url)
    assert "s3cr3t" not in told
    assert told.startswith("no '")


def test_other_spellings_of_a_secret_are_concealed() -> None:
    url = "mysql://ann:se%20c%2Fret@host/x"
    assert concealed("se c/ret, se%20c%2Fret, se+c%2Fret", url) == "***, ***, ***"


def test_urls_in_a_text_are_masked() -> None:
    text = "File 'a.py'\nOperationalError: 'mysql://ann:s3cr3t@host/x?password=s3cr3t' and http://b@c"
    assert concealed_urls(text) == text.replace("s3cr3t", "***")
