"""A worker takes the model that the driver verified, and no other."""

from dataclasses import replace

import pytest

from ipml.errors import UnreadableFile, UntrustedModel
from ipml.model.model_file import manifest_sha256, read_card, save_model
from ipml.scoring.spark.shipped_model import ShippedModel, load_shipped

pyspark = pytest.importorskip("pyspark")

pytestmark = pytest.mark.slow


@pytest.fixture
def shipped(classifier, tmp_path, monkeypatch) -> ShippedModel:
    """A model as it arrives on a machine of the cluster."""
    save_model(classifier, tmp_path / "model.zip", name="market", data_digest="0", experiment={}, figures={})
    monkeypatch.setattr(pyspark.SparkFiles, "get", lambda name: str(tmp_path / name))
    load_shipped.cache_clear()
    folder = tmp_path / "model.zip"
    return ShippedModel("model.zip", manifest_sha256(folder), read_card(folder).full_version, most_width=0.5)


def test_the_model_is_loaded_once_with_the_settings_of_the_driver(shipped):
    """A second batch gets the same object; how wide an interval may be is not up to the worker's machine."""
    scorer, portfolios = load_shipped(shipped)
    assert (scorer.version, scorer.most_width, portfolios) == (shipped.version, 0.5, None)
    assert load_shipped(shipped)[0] is scorer


def test_what_the_driver_did_not_name_is_refused(shipped, tmp_path):
    """A whole model whose manifest is another, a changed file under the right one, and other portfolios."""
    with pytest.raises(UntrustedModel, match="the one that the driver sent"):
        load_shipped(replace(shipped, manifest="0" * 64))
    (tmp_path / "sellers.npz").write_bytes(b"other")
    with pytest.raises(UnreadableFile, match="other portfolios"):
        load_shipped(replace(shipped, store="sellers.npz", store_sha256="0" * 64))
    path = tmp_path / "model.zip" / "model.zip"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(UntrustedModel, match=r"model\.zip that has changed"):
        load_shipped(shipped)
