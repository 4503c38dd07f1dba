"""`ipml model robustness`: a table of what each attack costs, worst first."""

from ipml.listings.writers import write_listings
from ipml.model.robustness.robustness import Robustness

FEW = "--families 'leet digits' --families 'upper case' --families 'no price'"


def test_the_costs_are_shown_and_kept(ipml, accepted, saved_model, market, tmp_path):
    """The table has a row per attack, the file the same figures; before that, mistakes are answered in a line."""
    write_listings(market.listings.head(600), tmp_path / "unseen.parquet")
    (tmp_path / "shop.csv").write_text("listing_id,seller_id,title,price,currency\n1,s,Wool hat,9.5,EUR\n")
    line = f"model robustness {saved_model}"
    wrong = {
        f"{line} unseen.parquet --families 'leet digit'": "leet digits",
        f"{line} unseen.parquet --out nowhere/report.json": "no such folder",
        f"{line} shop.csv {FEW}": "at least one counterfeit",
    }
    assert accepted(wrong) == {}
    answer = ipml(f"{line} unseen.parquet {FEW} --out report.json")
    assert answer.exit_code == 0, answer.err
    robustness = Robustness.from_json((tmp_path / "report.json").read_text())
    assert {cost.name for cost in robustness.costs} == {"leet digits", "upper case", "no price"}
    assert robustness.table() in answer.out
    assert "Devanagari" in answer.out
