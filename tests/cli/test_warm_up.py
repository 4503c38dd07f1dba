"""`ipml model warm-up` leaves nothing to compile."""


def test_it_says_how_long_it_took(ipml, tmp_path):
    """It needs no model and no data, and leaves no file where it was called."""
    answer = ipml("model", "warm-up")
    assert answer.exit_code == 0
    assert answer.out.startswith("Compiled, or found compiled, in ")
    assert list(tmp_path.iterdir()) == []
