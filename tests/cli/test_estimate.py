"""`ipml queue estimate` tells of all listings from the reviewed ones."""

from support.databases import copy_sqlite

from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue_batch
from ipml.review.queue import claim, decide
from ipml.storage.database import open_database, writing


def test_figures_stand_beside_what_the_reviewed_say(ipml, tmp_path):
    """First it says what to do, then what is missing; once all reviewed are counterfeit, so are all listings."""
    engine = open_database(copy_sqlite(tmp_path))
    assert "`ipml enqueue FILE --top N`" in ipml("queue estimate").out
    names = [Listing(f"L{number}", "s1", "Bag") for number in range(200)]
    file = [ScoredListing(name, at / 200, None, (), (), None, "m1") for at, name in enumerate(names)]
    enqueue_batch(engine, lambda: file, top=20, explore=0.6)

    def review(times: int) -> None:
        for _ in range(times):
            with writing(engine) as connection:
                if taken := claim(connection, "ana"):
                    decide(connection, taken, Verdict.COUNTERFEIT, ground="test_purchase")

    review(3)
    assert "too few reviews" in ipml("queue estimate").out
    assert "200 listings are left out" in ipml("queue estimate").out
    assert "No listings came yet" in ipml("queue estimate --since 2199-01-01").out
    review(500)
    lines = ipml("queue estimate").out.splitlines()
    (prevalence,) = [line for line in lines if "prevalence" in line]
    assert prevalence.count("100.0 %") == 3
    assert any(line.startswith("About 200 listings of 1 file; ") for line in lines)
