"""Settings of the notifier: variables NOTIFIER_*."""

import pytest

from lamplighter_runtime.settings import SettingsError
from notifier.settings import Settings


def test_settings_of_an_empty_environment_are_the_defaults() -> None:
    settings = Settings.load({})

    assert settings.http_port == 8082
    assert settings.limits.still_trying == 1.0
    assert (settings.timers.t1, settings.timers.t2, settings.timers.t4) == (0.5, 4.0, 5.0)


def test_settings_reach_limits_and_timers() -> None:
    settings = Settings.load({"NOTIFIER_TRANSACTIONS_MAX": "7", "NOTIFIER_TIMER_T1_SECONDS": "0.1"})

    assert settings.limits.transactions == 7
    assert settings.timers.t1 == 0.1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NOTIFIER_TRANSACTION_MAX", "7"),
        ("NOTIFIER_STILL_TRYING_SECONDS", "5"),
        ("NOTIFIER_SWEEP_SECONDS", "0"),
        ("NOTIFIER_DRAIN_SECONDS", "20"),
    ],
)
def test_settings_unknown_or_out_of_bounds_are_refused(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match="NOTIFIER_"):
        Settings.load({name: value})


def test_settings_describe_every_field() -> None:
    assert all(description for _, description in Settings.variables())
