"""What the report on a model promises to the person who reads it, its sentences and pictures, too."""

import re
import time
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from ipml.errors import UnmeasurableScores, UnwritableFile
from ipml.listings.brands import load_brands
from ipml.model.evaluation import evaluation as kept
from ipml.model.evaluation.evaluation import BaselineComparison, Evaluation
from ipml.model.evaluation.fairness import NEW, SELLER_AGE, Fairness, FairnessRow
from ipml.model.evaluation.metrics import Estimate, add_values
from ipml.model.evaluation.ranking import Resampling
from ipml.model.evaluation.slices import Slice, SliceCounts
from ipml.model.questions.costs import Costs
from ipml.model.questions.learning_curve import measure_learning_curve
from ipml.model.report import ReportFacts, ReportHead, ReportParts, model_report, write_report
from ipml.model.report.facts import percent, say_against_what, say_where_weak
from ipml.model.report.report import render_pictures, render_report
from ipml.model.robustness.robustness import robustness_of
from ipml.model.training import Experiment
from ipml.model.training.result import head_of

HEAD = ReportHead("ipml-bags/0123456789ab", "bags.csv", "folds over sellers")
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)> \"'></bdi>{{ 7*7 }}\u202e\u200b http://fake.example"


def make_tested(n_listings: int = 400, seed: int = 0, **columns: object) -> kept.TestedListings:
    """Return bags of forty sellers or more, a quarter of whom offer counterfeits, scored twice."""
    random = np.random.default_rng(seed)
    sellers = random.integers(max(40, n_listings // 10), size=n_listings)
    y = sellers % 4 == 0
    listings = pd.DataFrame({"listing_id": [f"l{i}" for i in range(n_listings)], "title": "Bag"})
    listings = listings.assign(seller_id=[f"s{seller}" for seller in sellers], **columns)
    scores = [np.clip(random.normal(0.3 + 0.3 * y, 0.15), 0, 1) for _ in range(2)]
    constant = np.full(n_listings, 0.25)
    return kept.TestedListings(listings, y, {"model": scores, "prevalence": [constant, constant]})


def make_report(tested: kept.TestedListings, head: ReportHead = HEAD, **given: object) -> ReportFacts:
    """Measure and report, with few resamples."""
    evaluation = kept.evaluate_test(tested, k=(50,), n_resamples=50)
    return model_report(tested, evaluation, head, ReportParts(**given))


@pytest.fixture(scope="module")
def tested() -> kept.TestedListings:
    """Return bags with everything that a listing may have."""
    rich = {
        "brand": ["Acme", "Bolt"] * 200,
        "category": "bags",
        "price": 20.0,
        "currency": ["USD", "EUR"] * 200,
        "country": ["DE", "FR", "CN", "US"] * 100,
        "seller_age_days": np.arange(400.0),
        "listed_at": pd.date_range("2026-01-01", periods=400, tz="UTC"),
    }
    made, brands = make_tested(**rich), load_brands()
    return replace(made, listings=add_values(made.listings, brands.rates, brands.base_currency))


@pytest.fixture(scope="module")
def facts(tested) -> ReportFacts:
    """Return the report on these."""
    return make_report(tested)


class Tags(HTMLParser):
    """Collects the tags and attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the tag."""
        self.tags.append(tag)
        self.attributes.extend(attrs)


def test_the_page_is_complete_in_itself(facts, tmp_path):
    """No script, nothing loaded, no link; what is written is what is rendered, and no folder is told in one line."""
    page = Tags(render_report(facts))
    assert not {"script", "link", "img", "a", "iframe", "form", "object"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name in ("src", "href", "style") or name.startswith("on")]
    policy = next(value for name, value in page.attributes if name == "content" and "default-src" in str(value))
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    path = write_report(facts, tmp_path / "report.html")
    assert path.read_text(encoding="utf-8") == render_report(facts)
    with pytest.raises(UnwritableFile, match="cannot write"):
        write_report(facts, tmp_path / "missing" / "report.html")


def test_text_of_sellers_never_comes_alive():
    """Hostile titles, brands, categories and reasons stay text; letters that cannot be seen are named."""
    tested = make_tested(brand=HOSTILE, category=[HOSTILE, "bags"] * 200)
    listings = tested.listings.assign(title=HOSTILE, seller_id=HOSTILE + tested.listings["seller_id"])
    facts = make_report(replace(tested, listings=listings), explain=lambda shown: [[HOSTILE]] * len(shown))
    page = render_report(facts)
    assert not {"script", "img"} & set(Tags(page).tags)
    assert "&lt;script&gt;" in page
    assert "{{ 7*7 }}" in page
    assert "\u202e" not in page
    assert "⟦U+202E⟧" in page


def test_every_section_and_figure_is_there_and_a_leaking_split_is_called_so(facts):
    """Figures, curves, slices, false alarms and rows to label anew; ids, titles and scores are enough."""
    page = render_report(facts)
    assert "listings it suspects most" in facts.headline[0]
    average, ratio = facts.evaluation.figures["model"]["average_precision"], Estimate(1.8, 1.1, 2.6)
    row = FairnessRow(SELLER_AGE, NEW, 40, 20, Estimate(0.1, 0.0, 0.2), 0.05, ratio)
    expected = f"AP {average.value:.2f} ({average.low:.2f} to {average.high:.2f})"
    assert replace(facts, fairness=Fairness(0.5, (row,))).summary.startswith(
        f"{expected}, 1.8 times as many false alarms for new sellers"
    )
    for heading in ("Figures beside", "read only the first", "Curves", "Slices", "False alarms", "label these anew"):
        assert heading in page
    assert page.count('role="img"') == 4
    shown = [percent(part.rate.value) for part in facts.errors.slices[:8]] + list(facts.influence.sellers[:10])
    assert all(f">{text}<" in page for text in shown)
    for estimate in (estimate for figures in facts.evaluation.figures.values() for estimate in figures.values()):
        shown = f"{estimate.value:.3f}<small>{estimate.low:.2f} to {estimate.high:.2f}</small>"
        amount = f"{estimate.value:,.0f}<small>{estimate.low:,.0f} to {estimate.high:,.0f}</small>"
        assert shown in page or amount in page
    assert page.count("Not measured: no attack was tried") == 1
    assert "What attacks cost" not in page
    experiment = Experiment(name="bags", data={"listings": "bags.csv"}, split={"kind": "leaking random"})
    assert 'class="leaking"' in render_report(replace(facts, head=head_of(experiment, "ipml/1")))
    assert 'class="leaking"' not in render_report(facts)
    facts = make_report(make_tested())
    assert facts.found[0].value is None
    assert facts.brands == ()
    assert "no price is known" in render_report(facts)


def test_values_and_the_champion_are_compared_on_the_same_ground(facts, tested):
    """In the base currency, reading more never finds less; against itself a model differs by nothing."""
    total = facts.found[-1].value.value / facts.found[-1].value_share.value
    brands = load_brands()
    worth = sum(brands.to_base_currency(20.0, currency) for currency in tested.listings.loc[tested.y, "currency"])
    assert facts.value_currency == brands.base_currency
    assert total == pytest.approx(worth)
    for name in ("recall", "value", "value_share"):
        values = [getattr(first, name).value for first in facts.found]
        assert values == sorted(values)
    facts = make_report(tested, champion=tested.scores["model"])
    difference = facts.champion.difference
    assert (difference.value, difference.low, difference.high) == (0, 0, 0)
    assert list(facts.figures) == ["model", "champion", "prevalence"]
    assert "Against the champion" in render_report(facts)
    with pytest.raises(UnmeasurableScores):
        make_report(tested, champion=[tested.scores["model"][0][:-1]])


def test_what_else_is_known_is_in_the_report(tested):
    """Reasons of the most misjudged, two of a seller at most; attacks, the worst first; own costs in their currency."""
    score, sellers = tested.scores["model"][0], tested.listings["seller_id"]
    attacked = {"harmless": score, "hides all": np.where(tested.y, 0.0, score)}
    facts = make_report(
        tested,
        explain=lambda shown: [[f"Because of {title}"] for title in shown["title"]],
        robustness=robustness_of(tested.y, score, attacked, sellers, resampling=Resampling(20)),
        costs=Costs(wrongful=20.0),
    )
    for label, wrongs in facts.misses.items():
        scores = [wrong.score for wrong in wrongs]
        assert scores == sorted(scores, reverse=label == "genuine")
        assert max(pd.Series([wrong.seller_id for wrong in wrongs]).value_counts()) <= 2
    page = render_report(facts)
    assert "Because of Bag" in page
    assert f"{facts.costs.saved} {facts.value_currency} per 1,000 listings" in page
    assert page.index("hides all") < page.index("harmless")


@pytest.mark.slow
def test_twenty_thousand_listings_take_seconds():
    """The report on twenty thousand measured listings takes less than ten seconds of one core."""
    tested = make_tested(20_000, brand=["Acme", "Bolt"] * 10_000, price=20.0, currency="USD")
    tested = replace(tested, scores={name: scores[:1] for name, scores in tested.scores.items()})
    evaluation = kept.evaluate_test(tested)
    started = time.process_time()
    render_report(model_report(tested, evaluation, HEAD))
    assert time.process_time() - started < 10


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 1440])
def test_nothing_runs_over_the_edge(facts, tmp_path, width):
    """On a telephone and on a desk, only tables scroll sideways; nothing else is fetched or complained about."""
    from playwright.sync_api import sync_playwright

    path = write_report(facts, tmp_path / "report.html")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 900})
        said, fetched = [], []
        page.on("console", lambda message: said.append(message.text))
        page.on("request", lambda request: fetched.append(request.url))
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("getComputedStyle(document.querySelector('section')).borderRadius") == "10px"
        browser.close()
    assert (said, fetched) == ([], [path.as_uri()])


COUNTS = SliceCounts(100, 10, 30)
FIGURES = {"model": {"average_precision": Estimate(0.8, 0.7, 0.9)}}


def test_the_headline_calls_clear_what_the_interval_does():
    """Not where it holds zero; three weak slices are named, without control characters, and the others counted."""
    for difference, verdict in (
        (Estimate(0.2, 0.1, 0.3), "clearly above that of"),
        (Estimate(0.2, -0.1, 0.3), "not clearly above that of"),
        (Estimate(-0.2, -0.3, -0.1), "clearly below that of"),
    ):
        evaluation = Evaluation(COUNTS, FIGURES, BaselineComparison("price rule", difference), (), 500, 0)
        sentence = say_against_what(evaluation, BaselineComparison("champion", difference))
        assert f"is {verdict} the best baseline, price rule" in sentence
        assert f"and {verdict} the champion" in sentence
    assert "compared with nothing" in say_against_what(Evaluation(COUNTS, FIGURES, None, (), 500, 0))
    slices = [Slice("brand", f"\x1b[2J{number}", COUNTS, {}, is_below=True) for number in range(5)]
    sentence = say_where_weak(slices, Fairness(0.5, ()))
    assert "and 2 more" in sentence
    assert "\x1b" not in sentence


def test_pictures_are_drawn_for_any_probabilities(tested):
    """Constant and perfect scores give drawings of finite numbers, complete in themselves; log-odds are refused."""
    more, drawn = make_tested(1_400), {"n_draws": 1, "n_resamples": 20}
    learning = measure_learning_curve(lambda _, asked: np.arange(len(asked)), more.y, more.listings, **drawn)
    for score in (np.full(400, 0.2), tested.y.astype(float)):
        facts = make_report(replace(tested, scores=tested.scores | {"model": [score]}), learning=learning)
        assert " ".join(render_pictures(facts)) == "precision_recall reliability scores costs learning_curve"
        for picture in render_pictures(facts).values():
            paths = ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}path")
            assert set(re.findall("[A-Za-z]+", " ".join(path.get("d") for path in paths))) <= {"M", "L", "Z", "h"}
    with pytest.raises(UnmeasurableScores, match="probabilities"):
        make_report(replace(tested, scores=tested.scores | {"model": [np.full(400, -3.0)]}))
