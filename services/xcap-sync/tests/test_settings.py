import pytest

from lamplighter_runtime.settings import SettingsError
from xcap_sync.settings import Settings

CLIENT = {"XCAP_SYNC_MODE": "client", "XCAP_SYNC_ROOTS": "http://xcap.example.com:8000/xcap-root"}


def test_settings_of_an_empty_environment_have_the_port_and_no_xcap() -> None:
    settings = Settings.load({})

    assert (settings.http_port, settings.mode) == (8083, "none")


def test_settings_describe_every_variable() -> None:
    assert all(description for _, description in Settings.variables())


def test_settings_with_a_variable_that_nobody_knows_are_refused() -> None:
    with pytest.raises(SettingsError, match="XCAP_SYNC_TYPO: unknown variable"):
        Settings.load({"XCAP_SYNC_TYPO": "1"})


def test_settings_of_a_client_name_roots_and_usages() -> None:
    more = {"XCAP_SYNC_ROOTS": "http://a.example.com/r, https://b.example.com/r", "XCAP_SYNC_USAGES": "pres-rules"}
    settings = Settings.load(CLIENT | more)

    assert [root.port for root in settings.addresses.roots] == [80, 443]
    assert [usage.name for usage in settings.addresses.usages] == ["pres-rules"]


def test_settings_of_a_client_fetch_four_usages_in_every_dialect_that_numbers_them() -> None:
    for dialect in ("opensips", "kamailio", "openxcap"):
        settings = Settings.load(CLIENT | {"XCAP_SYNC_DIALECT": dialect})

        assert len(settings.addresses.usages) == 4


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({"XCAP_SYNC_ROOTS": ""}, "mode client needs roots and usages"),
        ({"XCAP_SYNC_ROOTS": "xcap.example.com"}, "an XCAP root begins with"),
        ({"XCAP_SYNC_USAGES": "pres-rules,xcap-caps"}, "no doc_type for xcap-caps"),
        ({"XCAP_SYNC_USAGES": "org.openxcap.dialog-rules"}, "the opensips dialect has no doc_type"),
        ({"XCAP_SYNC_XUI": "users"}, "an XUI template has"),
        ({"XCAP_SYNC_AUTH": "digest"}, "digest needs a username"),
        ({"XCAP_SYNC_CA_FILE": "/nowhere/ca.pem"}, "ca_file is not there"),
    ],
)
def test_settings_of_a_client_that_cannot_fetch_are_refused(variables: dict[str, str], problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        Settings.load(CLIENT | variables)


def test_settings_say_no_secret() -> None:
    secrets = {"XCAP_SYNC_PASSWORD": "a-secret", "XCAP_SYNC_MI_TOKEN": "a-token"}

    settings = Settings.load(CLIENT | secrets)

    assert "a-secret" not in f"{settings!r}"
    assert "a-token" not in f"{settings!r}"
    assert settings.access.password == "a-secret"
    assert "a-secret" not in f"{settings.access!r}"
