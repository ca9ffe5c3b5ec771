"""What is kept from standard error, and when it is told after all."""

import logging
import os

import pytest

from keras_attention.quiet import only_errors, silenced


@pytest.mark.parametrize(("error", "told"), [(ImportError, "a note\n"), (KeyboardInterrupt, "")])
def test_notes_are_told_of_a_failure_but_not_of_an_interruption(error, told, capfd):
    def fail():
        with silenced(tell_errors=True):
            os.write(2, b"a note\n")
            raise error

    with pytest.raises(error):
        fail()
    assert capfd.readouterr().err == told


def test_only_errors_are_logged_inside_and_the_level_is_as_it_was(caplog):
    log = logging.getLogger("absl")
    before = log.level
    with only_errors():
        log.warning("a note")
        log.error("a fault")
    assert log.level == before
    assert [record.getMessage() for record in caplog.records] == ["a fault"]
