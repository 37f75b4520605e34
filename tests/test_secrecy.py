"""Secrets are taken out of texts in every form in which they are sent."""

from __future__ import annotations

import base64

from imglab.secrecy import Secrets

LONG = "".join(f"{number:02x}" for number in range(200))


def test_secrets_are_hidden_in_all_their_forms() -> None:
    """As they are, in URLs, and as Basic authentication sends them; others' texts stay."""
    secrets = Secrets()
    secrets.add("pa ss/wörd", "me")
    pair = base64.b64encode("me:pa ss/wörd".encode()).decode()
    told = f"x pa ss/wörd y pa%20ss/w%C3%B6rd pa%20ss%2Fw%C3%B6rd Basic {pair} passes"
    assert secrets.hidden(told) == "x … y … … Basic … passes"


def test_what_is_short_hides_nothing() -> None:
    """A password of three letters would be found in any word."""
    secrets = Secrets()
    secrets.add("red")
    assert secrets.hidden("required") == "required"


def test_the_beginning_of_a_secret_is_hidden_too() -> None:
    """Where a text was cut off inside of one; the words behind it stay."""
    secrets = Secrets()
    secrets.add(LONG)
    assert secrets.hidden(f"GET https://a/{LONG[:300]}: 404") == "GET https://a/… 404"
    assert secrets.hidden(f"{LONG[:20]} alone") == f"{LONG[:20]} alone"
    secrets.add("another one")
    assert secrets.hidden(f"{LONG} and another one") == "… and …"
