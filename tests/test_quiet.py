"""What is kept from standard error, and when it is told after all."""

import os

import pytest

from keras_attention.quiet import silenced


@pytest.mark.parametrize(("error", "told"), [(ImportError, "a note\n"), (KeyboardInterrupt, "")])
def test_notes_are_told_of_a_failure_but_not_of_an_interruption(error, told, capfd):
    def fail():
        with silenced(tell_errors=True):
            os.write(2, b"a note\n")
            raise error

    with pytest.raises(error):
        fail()
    assert capfd.readouterr().err == told
