"""`ipml model leakage-audit` looks for what gives the label away."""

import numpy as np
import pandas as pd
import pytest

MAP = 'name = "shop"\n[columns]\nlisting_id = "id"\nseller_id = "shop"\ntitle = "name"\nis_counterfeit = "is_fake"\n'


@pytest.fixture
def table(tmp_path) -> pd.DataFrame:
    """Return listings whose label nothing gives away, in the file shop.csv, with a map beside it."""
    rng = np.random.default_rng(0)
    words = [f"{one}{other}" for one in "abcdefgh" for other in "xyzuvw"]
    table = pd.DataFrame(
        {
            "id": rng.permutation(300),
            "shop": [f"shop {number // 5}" for number in range(300)],
            "name": [" ".join(rng.choice(words, 6)) for _ in range(300)],
            "price": rng.lognormal(3, 1, 300).round(2),
            "is_fake": (np.arange(300) // 5 % 4 == 0).astype(int),
        }
    )
    table.to_csv(tmp_path / "shop.csv", index=False)
    (tmp_path / "map.toml").write_text(MAP)
    return table


def test_what_gives_the_label_away_is_named(ipml, table, tmp_path, subtests):
    """With exit code 1, also where the map leaves the column out; label and seller come from the map, or are named."""
    table.assign(refunds=2 * table["is_fake"]).to_csv(tmp_path / "leaking.csv", index=False)
    for options in ("--columns map.toml", "--label is_fake --seller shop"):
        with subtests.test(options=options):
            answer = ipml(f"model leakage-audit shop.csv {options}")
            assert (answer.exit_code, answer.err) == (0, "")
            assert answer.out.startswith("300 listings, 75 of them counterfeit: nothing found")
            answer = ipml(f"model leakage-audit leaking.csv {options}")
            assert answer.exit_code == 1
            assert "refunds: called like something that is known only once the listing was judged" in answer.out
            assert "refunds: alone it predicts the label of unseen sellers" in answer.out


def test_canonical_columns_need_no_option(ipml, market, tmp_path):
    """With seller events, history is checked against what was known."""
    listings = market.listings.drop(columns=["description"]).head(1_500)
    listings.to_csv(tmp_path / "listings.csv", index=False)
    market.events.to_parquet(tmp_path / "events.parquet", index=False)
    answer = ipml("model leakage-audit listings.csv --events events.parquet")
    assert answer.exit_code in (0, 1)
    assert "moments" not in answer.out
    assert "too good" not in answer.out


def test_a_mistake_exits_2_with_one_line(accepted, table):
    """It says what is missing."""
    wrong = {
        "": "no column is_counterfeit",
        "--label fake": "no column fake",
        "--label is_fake --seller vendor": "no column vendor",
        "--label price": "Cannot compare: found 0 counterfeit",
    }
    assert accepted({f"model leakage-audit shop.csv {options}": words for options, words in wrong.items()}) == {}
