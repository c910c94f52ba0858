"""Progress at the terminal: no step is silent for long, and none says more than it must."""

import time

import pytest

from sap.pipeline import progress


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(progress, "LONGEST_SILENCE", 0.05)


def test_a_silent_step_says_that_it_goes_on(impatient, capsys):
    with progress.step("wait"):
        time.sleep(0.4)
    first, *between, last = capsys.readouterr().err.splitlines()
    assert first == "  wait ..."
    assert between
    assert all(line.startswith("    at work for ") for line in between)
    assert last.startswith("  wait: ")


def test_a_step_that_speaks_is_left_to_speak(capsys):
    with progress.step("talk"):
        progress.print_progress("    one")
    assert "at work" not in capsys.readouterr().err


def test_a_step_that_fails_does_not_say_how_long_it_took(capsys):
    with pytest.raises(ValueError, match="no"), progress.step("fail"):
        raise ValueError("no")
    assert capsys.readouterr().err == "  fail ...\n"
