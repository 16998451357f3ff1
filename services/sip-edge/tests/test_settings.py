import pytest

from lamplighter_runtime.settings import SettingsError
from sip_edge.settings import Settings


def test_settings_of_an_empty_environment_are_the_defaults() -> None:
    settings = Settings.load({})

    assert settings.listen == ("127.0.0.1:5060",)
    assert settings.registrar is False


def test_settings_with_several_listen_addresses_keep_their_order() -> None:
    settings = Settings.load({"SIP_EDGE_LISTEN": "127.0.0.1:5060, [::1]:5060", "SIP_EDGE_DOMAINS": "Example.COM"})

    assert settings.listen == ("127.0.0.1:5060", "[::1]:5060")
    assert settings.domains == ("example.com",)


def test_settings_with_an_empty_list_of_trusted_networks_trust_nobody() -> None:
    assert Settings.load({"SIP_EDGE_TRUSTED": ""}).trusted == ()


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        ({"SIP_EDGE_LISTEN": "5060"}, "SIP_EDGE_LISTEN"),
        ({"SIP_EDGE_LISTEN": ""}, "SIP_EDGE_LISTEN"),
        ({"SIP_EDGE_LISTEN": "0.0.0.0:5060"}, "advertise"),
        ({"SIP_EDGE_LISTEN": "h:1,h:2,h:3", "SIP_EDGE_ADVERTISE": "a:1,b:2"}, "advertise"),
        ({"SIP_EDGE_ADVERTISE": "0.0.0.0:5060"}, "SIP_EDGE_ADVERTISE"),
        ({"SIP_EDGE_ADVERTISE": "two words:5060"}, "SIP_EDGE_ADVERTISE"),
        ({"SIP_EDGE_TRUSTED": "192.0.2.0/24, proxy"}, "SIP_EDGE_TRUSTED"),
        ({"SIP_EDGE_DRAIN_SECONDS": "20"}, "drain_seconds"),
        ({"SIP_EDGE_LISTENS": "h:1"}, "SIP_EDGE_LISTENS"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(environ: dict[str, str], problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        Settings.load(environ)
