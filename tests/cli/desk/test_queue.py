"""`ipml queue` and `ipml enqueue`: filled, ranked, previewed, measured and checked."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine
from support.picture_host import draw_goods, write_picture
from support.reviewing import judge, tell_place
from support.staff import OPERATOR
from support.transactions import act, ask

from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.arrivals.intake import IntakeSelection, enqueue, enqueue_batch
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.quality.second_person import list_own_sellers
from ipml.review.ranking.policy import MatchKind
from ipml.review.ranking.queue_order import current_ranking
from ipml.review.sellers.seller_lists import ListedSeller, ListKind, add_entry
from ipml.review.worklists.search import browse_cases
from ipml.storage.database import open_database, writing

NONE = "0 changed, 0 returned because their score rose, 0 rescored,"
SCORES = [0.9, 0.1, None, 0.5]


@pytest.fixture
def run(ipml, tmp_path):
    """Return a function that enqueues a file of four listings and gives the output and the queue's scores."""
    said = {"seller_id": "s1", "title": "Leather wallet, ünïque", "observed_at": "2024-05-01T00:00:00Z"}
    reasons = json.dumps([{"feature": "f", "sentence": "Price is low", "weight": 0.25}])
    said |= {"log_odds": 1.5, "model_version": "m1", "reasons": reasons}
    rows = [
        {"listing_id": f"L{number}", "score": score, "abstained": None if score is not None else "no text", **said}
        for number, score in enumerate(SCORES)
    ]
    (tmp_path / "scored.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    databases: list[str] = []

    def invoke(options: str = "", is_new: bool = True):
        if is_new:
            databases.append(f"sqlite:///{tmp_path}/{len(databases)}.db")
        url = databases[-1]
        answer = ipml(f"enqueue scored.jsonl {options}", "--database", url)
        assert answer.exit_code == 0, answer
        return answer.out, [case.scored.score for case in ask(open_database(url), browse_cases)]

    return invoke


def test_a_scored_file_becomes_the_queue(run):
    """All of it, best first; a second time nothing is new."""
    assert run() == (f"4 new, {NONE} 0 unchanged.\n", [0.9, 0.5, 0.1, None])
    assert run(is_new=False) == (f"0 new, {NONE} 4 unchanged.\n", [0.9, 0.5, 0.1, None])


def test_how_far_matches_are_right_and_what_is_remembered(ipml, engine):
    """Each kind of match with what people found, and how many counterfeits are recognised from now on."""
    for number in (3, 4):
        bag = Listing(f"bag{number}", "ann", "Leather wallet, brown")
        enqueue(engine, [ScoredListing(bag, 0.9, 2.2, (), (), None, "m1")])
        judge(engine, number, Verdict.COUNTERFEIT)
    assert ipml("queue relistings --remember").out.startswith("2 confirmed counterfeits are recognised")
    rows = [line.replace("│", "").split() for line in ipml("queue relistings").out.splitlines()]
    assert ["seller", "1", "1", "91", "%", "yes"] in rows
    assert [row[0] for row in rows if row[-1:] in (["yes"], ["no"])] == list(MatchKind)


def test_options_keep_what_is_worth_a_persons_time(run):
    """The most suspicious of the file, or those above a score, or both; beside them, others are drawn."""
    kept = {"--top 2": [0.9, 0.5], "--min-score 0.5": [0.9, 0.5], "--min-score 0.2 --top 1": [0.9]}
    kept |= {"--top 4": [0.9, 0.5, 0.1, None]}
    assert {options: run(f"{options} --explore 0")[1] for options in kept} == kept
    run("--top 1 --explore 0")
    output, scores = run("--top 2 --explore 0", is_new=False)
    assert (output[:6], scores) == ("1 new,", [0.9, 0.5])
    drawn = run("--top 1 --explore 0.99")  # with time for more drawn listings than there are others
    assert drawn == (f"4 new, {NONE} 0 unchanged. 3 of them drawn.\n", [0.9, 0.5, 0.1, None])


def test_a_deadline_is_given_to_all(run, tmp_path):
    """Cases of a notice say within how many hours they are due."""
    run("--due-in 24")
    said = ask(open_database(f"sqlite:///{tmp_path}/0.db"), tell_place, 1, datetime.now(UTC))
    assert {"due in 23 h", "due in 24 h"} & set(said)


# `ipml queue` ranks, previews and measures
POLICY = Path(__file__).parents[3] / "ipml/review/ranking/policy.toml"


@pytest.fixture
def engine(make_queue) -> Engine:
    """Return the database of the test's own folder, with a likely cheap and an unlikely dear listing."""
    engine = make_queue(Listing("cheap", "s1", "Bag", price=5.0, currency="EUR"))
    dear = Listing("dear\x1b[2J", "s1", "Bag", price=3000.0, currency="EUR")
    enqueue(engine, [ScoredListing(dear, 0.4, None, (), (), None, "m")])
    return engine


def test_rerank_puts_an_order_in_force(ipml, accepted, engine, tmp_path):
    """The dear listing comes first by value, and last by score again; a mistake puts nothing in force."""
    (tmp_path / "bad.toml").write_text("prevalence = 0.1\n")
    wrong = {
        "queue rerank --order best": "order: found 'best'; expected one of score, value, fifo.",
        "queue rerank --policy none.toml": "policy none.toml: found no such file",
        "queue rerank --dry-run --policy bad.toml": "policy bad.toml: found no currency",
    }
    assert accepted(wrong) == {}
    assert ask(engine, current_ranking).ranking_id is None
    answer = ipml("queue rerank --order value")
    assert (answer.exit_code, answer.out[:28]) == (0, "2 cases ranked by value unde")
    assert ask(engine, browse_cases)[0].case_id == 2
    ipml("queue rerank --order score")
    assert ask(engine, browse_cases)[0].case_id == 1


def test_a_policy_is_simulated_and_changes_nothing(ipml, engine, tmp_path):
    """A hostile id does not reach the terminal; where a list changes the order, it is said that lists are left out."""
    (tmp_path / "new.toml").write_bytes(POLICY.read_bytes())
    answer = ipml("queue rerank --dry-run --policy new.toml --top 1 --minutes 2")
    assert answer.exit_code == 0
    assert "1 cases enter the first 1: 2 (dear" in answer.out
    assert "\x1b" not in answer.out
    assert ask(engine, current_ranking).ranking_id is None
    asked = "queue plan 2", "queue rerank --dry-run --policy new.toml"
    assert ipml("queue plan 2").out[:26] == "1 reviews in 2 minutes, wo"
    assert not any("Lists of sellers" in ipml(line).out for line in asked)
    listed = ListedSeller(ListKind.DENIED, "s9", "sold fakes", "a letter")
    act(engine, add_entry, listed, by=OPERATOR, now=datetime.now(UTC))
    said = "Lists of sellers are left out: in the queue cases of denied sellers come before all others."
    assert [ipml(line).out.splitlines()[-1] for line in asked] == [said, said]
    assert ipml("queue reviewers --durations").out.splitlines()[-1] == "Too few decisions yet to propose minutes."


# `ipml queue estimate` tells of all listings from the reviewed ones
def test_figures_stand_beside_what_the_reviewed_say(ipml, make_queue):
    """First it says what to do, then what is missing; once all reviewed are counterfeit, so are all listings."""
    engine = make_queue()
    assert "`ipml enqueue FILE --top N`" in ipml("queue estimate").out
    names = [Listing(f"L{number}", "s1", "Bag") for number in range(200)]
    file = [ScoredListing(name, at / 200, None, (), (), None, "m1") for at, name in enumerate(names)]
    enqueue_batch(engine, lambda: file, IntakeSelection(top=20, explore=0.6))

    def review(times: int) -> None:
        for _ in range(times):
            with writing(engine) as connection:
                if taken := claim(connection, "ana"):
                    decide(connection, DecisionRequest(taken, Verdict.COUNTERFEIT, "test_purchase"))

    review(3)
    assert "too few reviews" in ipml("queue estimate").out
    assert "200 listings are left out" in ipml("queue estimate").out
    assert "No listings came yet" in ipml("queue estimate --since 2199-01-01").out
    review(500)
    lines = ipml("queue estimate").out.splitlines()
    (prevalence,) = [line for line in lines if "prevalence" in line]
    assert prevalence.count("100.0 %") == 3
    assert any(line.startswith("About 200 listings of 1 file; ") for line in lines)


# The quality of reviewing from the command line: `ipml queue control` and `ipml queue reviewers`


def test_reviewers_are_shown_with_their_figures(ipml, accepted, make_queue):
    """Ana was wrong on a case, as a test purchase showed; her own verdict on it is no control case."""
    engine = make_queue(*(Listing(f"L{number}", "s1", "Bag", brand="[red]Acme") for number in (1, 2)))
    with writing(engine) as connection:
        decide(connection, DecisionRequest(claim(connection, "ana", 1), Verdict.GENUINE))
    wrong = ("control 2 --truth genuine --source invoice", "control 1 --truth perhaps --source invoice")
    lines = [f"queue {line}" for line in (*wrong, "control 1 --remove", "control --remove")] + [
        "admin user sells bo s1"
    ]
    assert accepted(dict.fromkeys(lines, "")) == {}
    assert "genuine" not in ipml("queue reviewers --disputed").out
    told = ipml("queue control 1 --truth counterfeit --source '[b]test purchase'")
    assert (told.exit_code, told.out) == (0, "Case 1 is known to be counterfeit; each reviewer will meet it once.\n")
    assert "[b]test purchase" in ipml("queue control").out
    answer = ipml("queue reviewers --brands")
    assert answer.exit_code == 0
    assert "ana" in answer.out
    assert "0 % (0-79), n=1" not in answer.out
    assert "No case was judged by two people yet" in answer.out
    assert re.search(r"1 .*genuine .*counterfeit .*known .*100 %", ipml("queue reviewers --disputed").out)
    assert ipml("queue control 1 --remove").exit_code == 0
    assert "test purchase" not in ipml("queue control").out
    for option, known in (("", ["s1"]), (" --no-longer", [])):  # who sells under a seller
        assert ipml(f"admin user sells ana s1{option}").exit_code == 0
        assert ask(engine, list_own_sellers, "ana") == known
        assert bool(re.search(r"ana .*reviewer .*s1", ipml("admin user list").out)) == bool(known)


# Pictures of known goods from the command line: `ipml queue pictures`


def test_pictures_are_added_listed_and_taken_out(ipml, accepted, make_queue, tmp_path: Path, monkeypatch):
    """Once each; what was refused is said, and a mistake is one line."""
    make_queue()
    (tmp_path / "catalogue").mkdir()
    (tmp_path / "empty").mkdir()
    for seed in (1, 2):
        (tmp_path / f"catalogue/{seed}.jpg").write_bytes(write_picture(draw_goods(seed)))
    (tmp_path / "catalogue/bad.png").write_bytes(b"<svg/>")
    goods = "--brand Acme --source Acme --kind"
    assert ipml(f"queue pictures catalogue {goods} genuine").is_refusal()  # no folder to keep them in
    monkeypatch.setenv("IPML_PICTURES", str(tmp_path / "pictures"))
    lines = (
        f"catalogue {goods} perhaps",
        f"empty {goods} genuine",
        "--drop 7",
        "empty --drop 1",
        "empty --kind genuine",
    )
    assert accepted({f"queue pictures {line}": "" for line in lines}) == {}
    answer = ipml(f"queue pictures catalogue {goods} genuine")
    said = "2 pictures added; 0 were there before.\nNot added: bad.png is no picture that can be read.\n"
    assert answer.out == said
    again = ipml(f"queue pictures catalogue {goods} genuine")
    assert again.out.startswith("0 pictures added; 2 were there before.")
    assert ipml("queue pictures").out.count("Acme") == 4
    for number in (1, 2):
        assert ipml("queue pictures --drop", number).exit_code == 0
    assert "Acme" not in ipml("queue pictures").out
