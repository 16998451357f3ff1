import pytest

from lamplighter_runtime.settings import SettingsError
from xcap_sync.settings import Settings


def test_settings_of_an_empty_environment_name_the_instance_and_the_port() -> None:
    settings = Settings.load({})

    assert (settings.instance, settings.http_port) == ("xcap-sync-1", 8083)


def test_settings_describe_every_variable() -> None:
    assert all(description for _, description in Settings.variables())


def test_settings_with_a_variable_that_nobody_knows_are_refused() -> None:
    with pytest.raises(SettingsError, match="XCAP_SYNC_TYPO: unknown variable"):
        Settings.load({"XCAP_SYNC_TYPO": "1"})
