"""`ipml cooperate network`: from raw values to a network that can be read."""

import pandas as pd

MOMENT = pd.Timestamp("2026-03-01", tz="UTC")


def test_networks_are_found_added_to_and_shown(ipml, tmp_path, monkeypatch):
    """A payout joins two sellers, however it is written; a third comes the day after and is named."""
    monkeypatch.setenv("IPML_NETWORKS", "nets")
    raw = pd.DataFrame({"seller_id": ["ann", "ben"], "kind": "payout", "value": ["DE 12", "de12"], "seen_at": MOMENT})
    raw.to_parquet("raw.parquet")
    raw.tail(1).assign(seller_id="cid", seen_at=MOMENT + pd.Timedelta(days=1)).to_parquet("next.parquet")
    (tmp_path / "key").write_bytes(b"a key of many bytes")
    for day in ("raw", "next"):
        assert (
            ipml("cooperate network hash", f"{day}.parquet", "--out", f"{day}-hashed.parquet", "--key", "key").exit_code
            == 0
        )
    assert "2 of them in 1 networks" in ipml("cooperate network find raw-hashed.parquet --out nets").out
    assert "New in network 1: cid" in ipml("cooperate network find next-hashed.parquet").out
    assert "3" in ipml("cooperate network list").out
    sales = pd.DataFrame({"seller_id": ["ann", "ben", "cid"], "units": [3.0, None, 1.0], "value": [30.0, None, 9.0]})
    sales.to_parquet("sales.parquet")
    assert "currency" in ipml("cooperate network show 1 --networks nets --sales sales.parquet").err
    sales.assign(currency=["RUB", None, None]).to_parquet("sales.parquet")
    assert "without a currency" in ipml("cooperate network show 1 --sales sales.parquet").err
    sales.assign(currency=["RUB", None, "XAU"]).to_parquet("sales.parquet")
    shown = ipml("cooperate network show 1 --networks nets --sales sales.parquet").out
    assert "Network 1: 3 sellers" in shown
    assert "the same payout account" in shown
    assert "from 2 of 3 listings" in shown
    assert "from 1 of 3 listings" in shown
    assert "1 listings in XAU: not counted: no rate" in shown


def test_what_is_not_there_is_said_in_one_line(ipml):
    """No folder, no file."""
    assert "ipml cooperate network find" in ipml("cooperate network show 1 --networks nowhere").err
    assert ipml("cooperate network find nowhere.parquet").exit_code == 2
