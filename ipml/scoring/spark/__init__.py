"""The same scores on many machines: `Scorer.score_frame` inside a Spark job.

`job` is the recipe. The driver verifies the model and sends it out (`shipped_model`); each Python worker verifies it
again, loads it once, and judges batches of rows (`rows`), with sellers' histories where events are given (`history`);
rows that come again are refused (`repeats`). Spark is loaded on first use only.
"""

from ipml.scoring.spark.history import SellerHistory
from ipml.scoring.spark.job import score_dataframe, score_on_spark

__all__ = ["SellerHistory", "score_dataframe", "score_on_spark"]
