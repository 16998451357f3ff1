from lamplighter_cli.backoff import Backoff


def test_backoff_of_early_deaths_doubles_up_to_ten_seconds() -> None:
    backoff = Backoff()

    delays = [backoff.after(0.5) for _ in range(9)]

    assert delays == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]


def test_backoff_after_a_long_life_begins_anew() -> None:
    backoff = Backoff()
    for _ in range(5):
        backoff.after(0.5)

    delays = [backoff.after(30.0), backoff.after(1.0)]

    assert delays == [0.1, 0.2]
