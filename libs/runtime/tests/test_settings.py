import socket
from typing import ClassVar, Literal

import pytest
from pydantic import Field, ValidationError, model_validator

from lamplighter_runtime.settings import EnvSettings, HttpPort, ServiceSettings, SettingsError, environment


class Lamp(EnvSettings):
    env_prefix: ClassVar[str] = "LAMP_"

    period_seconds: int = Field(default=30, ge=1, description="Time between two flashes.")
    colour: Literal["red", "green"] = Field(default="red", description="Colour.")
    roots: tuple[str, ...] = Field(default=(), description="Places.")
    limits: dict[str, int] = Field(default_factory=dict, description="Limits by name.")
    silent: bool = Field(default=False, description="No sound.")
    password: str | None = Field(default=None, description="Secret.", max_length=8)


class Service(ServiceSettings):
    env_prefix: ClassVar[str] = "SAMPLE_"

    http_port: HttpPort = 8089


class Ordered(EnvSettings):
    env_prefix: ClassVar[str] = "ORDERED_"

    low: int = 0
    high: int = 9

    @model_validator(mode="after")
    def _low_is_low(self) -> "Ordered":
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


def problems(kind: type[EnvSettings], environ: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        kind.load(environ)
    return raised.value.problems


def test_settings_of_an_empty_environment_are_the_defaults() -> None:
    assert Lamp.load({}) == Lamp()


def test_settings_take_values_from_variables_with_their_prefix() -> None:
    environ = {
        "LAMP_PERIOD_SECONDS": "7",
        "LAMP_COLOUR": "green",
        "LAMP_ROOTS": "https://a.example/xcap, https://b.example/xcap,",
        "LAMP_LIMITS": '{"bytes": 10}',
        "LAMP_SILENT": "yes",
        "HOME": "/root",
    }

    lamp = Lamp.load(environ)

    assert lamp == Lamp(
        period_seconds=7,
        colour="green",
        roots=("https://a.example/xcap", "https://b.example/xcap"),
        limits={"bytes": 10},
        silent=True,
    )


def test_settings_with_several_faults_name_each_on_a_line() -> None:
    environ = {"LAMP_PERIOD_SECOND": "7", "LAMP_PERIOD_SECONDS": "0", "LAMP_COLOUR": "blue", "LAMP_XYZ": "", "X": "1"}

    lines = problems(Lamp, environ)

    assert lines == [
        "LAMP_PERIOD_SECOND: unknown variable; do you mean LAMP_PERIOD_SECONDS?",
        "LAMP_XYZ: unknown variable",
        "LAMP_PERIOD_SECONDS: Input should be greater than or equal to 1",
        "LAMP_COLOUR: Input should be 'red' or 'green'",
    ]


def test_settings_variable_in_small_letters_is_unknown() -> None:
    assert problems(Lamp, {"LAMP_colour": "red"}) == ["LAMP_colour: unknown variable; do you mean LAMP_COLOUR?"]


def test_settings_mapping_that_is_no_json_is_refused() -> None:
    assert problems(Lamp, {"LAMP_LIMITS": "{bytes"}) == ["LAMP_LIMITS: Input should be a valid dictionary"]


def test_settings_error_keeps_the_value_to_itself() -> None:
    error = SettingsError(problems(Lamp, {"LAMP_PASSWORD": "correct horse"}))

    assert "LAMP_PASSWORD" in str(error)
    assert "horse" not in str(error)


def test_settings_that_contradict_each_other_are_refused() -> None:
    assert problems(Ordered, {"ORDERED_LOW": "10"}) == ["ORDERED_*: low is above high"]


def test_settings_once_made_do_not_change() -> None:
    with pytest.raises(ValidationError):
        Lamp().period_seconds = 8


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SAMPLE_SERVICE_HOST", "10.0.0.1"),
        ("SAMPLE_SERVICE_PORT", "8089"),
        ("SAMPLE_SERVICE_PORT_HTTP", "8089"),
        ("SAMPLE_PORT", "tcp://10.0.0.1:8089"),
        ("SAMPLE_PORT_5060_UDP", "udp://10.0.0.1:5060"),
        ("SAMPLE_PORT_5060_UDP_ADDR", "10.0.0.1"),
    ],
)
def test_settings_variable_that_kubernetes_adds_for_a_service_is_passed_over(variable: str, value: str) -> None:
    assert Service.load({variable: value}) == Service.load({})


def test_settings_variable_that_only_resembles_one_of_kubernetes_is_unknown() -> None:
    assert problems(Service, {"SAMPLE_PORT": "8089"}) == [
        "SAMPLE_PORT: unknown variable; do you mean SAMPLE_HTTP_PORT?"
    ]


def test_service_settings_without_a_default_must_be_given() -> None:
    assert problems(ServiceSettings, {}) == ["HTTP_PORT: Field required"]


@pytest.mark.parametrize("name", ["a.b", "", "edge 1"])
def test_service_settings_with_a_name_that_is_no_subject_token_are_refused(name: str) -> None:
    (line,) = problems(Service, {"SAMPLE_INSTANCE": name})

    assert line.startswith("SAMPLE_INSTANCE: not an instance name")


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("sip-edge-0", "sip-edge-0"),
        ("3f2a9c61d0be", "3f2a9c61d0be"),
        ("node_7.example.net", "node_7-example-net"),
        ("büro", "b-ro"),
        ("h" * 70, "h" * 64),
        ("", "localhost"),
    ],
)
def test_service_settings_without_an_instance_are_named_after_the_host(host: str, name: str) -> None:
    assert Service.load({"HOSTNAME": host}).instance == name


def test_service_settings_with_an_instance_keep_it_whatever_the_host() -> None:
    assert Service.load({"HOSTNAME": "pod-7d9f", "SAMPLE_INSTANCE": "edge-1"}).instance == "edge-1"


def test_service_settings_of_a_host_without_a_name_have_one() -> None:
    assert Service.load({}).instance == "localhost"


def test_service_settings_take_a_log_level_in_any_case() -> None:
    assert Service.load({"SAMPLE_LOG_LEVEL": "warning"}).log_level == "WARNING"


def test_service_settings_describe_every_variable() -> None:
    described = dict(Service.variables())

    assert "SAMPLE_STOP_SECONDS" in described
    assert all(described.values())


def test_environment_is_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMP_COLOUR", "green")

    before = environment()
    monkeypatch.setenv("LAMP_COLOUR", "red")

    assert before["LAMP_COLOUR"] == "green"


def test_environment_holds_the_name_that_the_machine_has_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTNAME", "inherited")

    assert environment()["HOSTNAME"] == socket.gethostname()
