"""A queue in which a seller left traces wherever there is room for one."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Text, insert, select, update

from ipml.enforcement.privacy.personal_data import TEXTS, Holds
from ipml.records import Highlight, Listing, Reason, ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.arrivals.snapshot import encode
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.quality.blind_reviews import add_control_case
from ipml.review.quality.second_person import add_own_seller
from ipml.review.ranking.policy import load_policy
from ipml.review.sellers.portfolios import WeighedListing, add_to_portfolios
from ipml.review.sellers.seller_history import SellerEvent, store_events
from ipml.review.sellers.seller_languages import store_languages
from ipml.review.undo import UndoRequest, undo
from ipml.review.worklists.saved_views import save_view
from ipml.storage import tables
from ipml.storage.audit_trail import audit
from ipml.storage.database import writing
from ipml.storage.outbox import Draft, put_all
from ipml.storage.pseudonyms import encrypt, notifier_of, pseudonym_of

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SELLER, NAME, PHONE, STREET = "zqseller4711", "zqanneliese", "zq015112345", "zqelmstreet"
MARKERS = (SELLER, NAME, PHONE, STREET)
OTHERS = 6


def bag(number: int, seller: str, score: float, **fields: Any) -> ScoredListing:
    """Return a scored listing."""
    observed: dict[str, Any] = {"title": f"Leather bag {seller} no {number}", "brand": "Acme", "category": "Bags"}
    observed |= {"currency": "EUR"}
    listing = Listing(
        f"{seller}-L{number}", seller, **(observed | {"price": 40.0 + number, "observed_at": NOON} | fields)
    )
    reasons = (Reason("text.contact", f"Says {listing.title}", 1.5),)
    return ScoredListing(listing, score, 1.0, reasons, (Highlight(0, 7, 0.5),), None, "m1", read_as=listing.title)


_copies: list[tuple[bytes, str]] = []  # of a SQLite file that was filled once, with the pseudonym


def plant(engine: Engine) -> str:
    """Do what `plant_anew` does; into a SQLite file by a copy, which is quicker."""
    path = engine.url.database
    if engine.dialect.name != "sqlite" or path is None:
        return plant_anew(engine)
    if not _copies:
        pseudonym = plant_anew(engine)
        engine.dispose()  # the last connection moves the log into the file
        _copies.append((Path(path).read_bytes(), pseudonym))
    engine.dispose()
    content, pseudonym = _copies[0]
    Path(path).write_bytes(content)
    return pseudonym


def plant_anew(engine: Engine) -> str:
    """Fill a queue with listings of two sellers and what people typed about them; return the pseudonym of one."""
    said = {"title": f"{NAME} sells bags", "description": f"call {PHONE}, {STREET} 5", "gtin": PHONE, "country": "DE"}
    theirs = [bag(n, SELLER, 0.9 - n / 50, **said, brand=f"{NAME} own", category=STREET) for n in range(5)]
    enqueue(engine, [*theirs, *(bag(n, "other", 0.5 - n / 50) for n in range(OTHERS))], now=NOON)
    rescored = bag(0, SELLER, 0.95, **said, brand=f"{NAME} own", category=STREET, seller_sales=3)
    enqueue(engine, [rescored], now=NOON)  # looked different before
    sold = SellerEvent(f"{SELLER}-order", SELLER, "sold", NOON, NOON, 1.0, f"{SELLER}-L0")
    with writing(engine) as connection:
        store_events(connection, [sold], NOON)
        store_languages(connection, [Listing(f"{SELLER}-submitted", SELLER, "Bag", seller_language=NAME)], NOON)
        add_to_portfolios(connection, "m1", [WeighedListing(f"{SELLER}-submitted", SELLER, NOON, 0.9)], NOON)
        submitted = {"listing_id": f"{SELLER}-submitted", "seller_id": SELLER, "sent": "", "seen_at": NOON}
        submitted |= {"received_at": NOON, "own_history": "", "history_as_of": NOON, "last_event": 1, "content": ""}
        submitted |= {"sample_id": 1}
        shown = {"score": 0.95, "model_version": rescored.model_version, "snapshot": encode(rescored)}
        connection.execute(insert(tables.listings).values(submitted | shown))
    first = _decide(engine, Verdict.COUNTERFEIT, note=f"{NAME} lives in {STREET}", key=f"key {PHONE}")
    _decide(engine, Verdict.GENUINE, note=PHONE)
    undone = _decide(engine, Verdict.GENUINE)
    with writing(engine) as connection:
        undo(connection, undone, UndoRequest("ana", f"{NAME} called", may_undo_others=True), now=NOON)
        add_control_case(connection, first, Verdict.COUNTERFEIT, f"letter of {NAME}", "lea", now=NOON)
        bo = {"name": "bo", "password_hash": "", "role": "reviewer", "created_at": NOON}
        user_id = connection.scalars(insert(tables.users).values(bo).returning(tables.users.c.user_id)).one()
        add_own_seller(connection, "bo", SELLER, now=NOON)
        save_view(connection, user_id, f"All of {SELLER}", f"seller={SELLER}", names=SELLER)
    return _plant_more(engine, first)


def _decide(engine: Engine, verdict: Verdict, **said: str) -> int:
    ground = "declared_replica" if verdict is Verdict.COUNTERFEIT else ""
    with writing(engine) as connection:
        request = DecisionRequest(claim(connection, "ana", now=NOON), verdict, ground, **said)
        return decide(connection, request, now=NOON).decision_id


def _plant_more(engine: Engine, decision_id: int) -> str:
    """Add what enforcement keeps, and traces in every other column that may hold one."""
    with writing(engine) as connection:
        pseudonym = pseudonym_of(connection, SELLER, now=NOON)
        said = encrypt(connection, pseudonym, f"{NAME}, {PHONE}, {STREET}")
        connection.execute(insert(tables.enforcement_policies).values(digest="d", policy="{}", first_used_at=NOON))
        case_id = connection.scalar(select(tables.cases.c.case_id).where(tables.cases.c.seller_id == SELLER).limit(1))
        known = {"decision_id": decision_id, "case_id": case_id, "pseudonym": pseudonym}
        connection.execute(insert(tables.evidence).values(**known, digest="d", encrypted=said, stored_at=NOON))
        did = {"kind": "remove", "territories": "", "policy_digest": "d", "imposed_by": "ana", "imposed_at": NOON}
        connection.execute(
            insert(tables.measures).values(**known, **did, lifted_by="ana", lifted_at=NOON, why_lifted=said)
        )
        audit.append(connection, "ana", "imposed", "measure:1", {}, at=NOON)
        audit.append(connection, "ipml", "evidence kept", "evidence:1", {"digest": "d"}, at=NOON)
        promise = {"policy_digest": "d", "at": NOON, "brand": "*", "event": "allowed", "cause": "person"}
        promise |= {"actor": "lea", "why": ""}
        promise_id = connection.scalars(
            insert(tables.promises).values(promise).returning(tables.promises.c.promise_id)
        ).one()
        draw = {"case_id": case_id, "brand": NAME, "model_version": "m", "score": 0.9, "sampling_probability": 0.1}
        draw |= {"drawn_at": NOON}
        connection.execute(insert(tables.automatic_draws).values(draw))
        made = {"decision_id": decision_id, "promise_id": promise_id, "brand": NAME, "decided_at": NOON}
        connection.execute(insert(tables.automatic_decisions).values(made))
        message = {"channel": "seller", "kind": "statement", "subject": "measure:1", "pseudonym": pseudonym}
        message |= {"now": NOON}
        letter = {"seller_id": NAME, "reference": "p", "language": "en", "subject": NAME, "text": PHONE}
        put_all(connection, [Draft(key="measure-1-imposed", body=letter, **message)])
        connection.execute(update(tables.outbox).values(state="delivered", settled_at=NOON, last_error=said))
        second_review = {"case_id": case_id, "kind": "audit", "wanted_at": NOON, "not_by": "ana", "token": 0}
        review_id = connection.scalars(
            insert(tables.second_reviews).values(second_review).returning(tables.second_reviews.c.review_id)
        ).one()
        second_verdict = {"review_id": review_id, "case_id": case_id, "kind": "audit", "verdict": "genuine"}
        second_verdict |= {"listing_id": f"{SELLER}-L0", "ground": "", "note": NAME, "key": PHONE, "token": 1}
        second_verdict |= {"reviewer": "bo", "decided_at": NOON}
        connection.execute(insert(tables.second_verdicts).values(second_verdict))
        usual = f'{{"prices":{{"brand:{NAME} own":1.0,"brand:acme":2.0}},"sales_a_day":{{}}}}'
        row = {"at": NOON, "actor": "lea", "order": "value", "usual": usual}
        row |= {"policy": load_policy().text, "policy_digest": load_policy().digest}
        connection.execute(insert(tables.rankings).values(row))
        picture = {"case_id": case_id, "position": 0, "state": "failed", "tries": 1, "due_at": NOON}
        picture |= {"address": f"https://a.example/{SELLER}", "found_at": f"https://b.example/{SELLER}", "why": NAME}
        connection.execute(insert(tables.pictures).values(picture))
        screened = {"listing_id": SELLER, "seller_id": SELLER, "received_at": NOON, "noted_at": NOON, "harm": 1.0}
        screened |= {name: value for name, value in picture.items() if name not in ("case_id", "position")}
        connection.execute(insert(tables.screened_pictures).values(screened))
        translation = {"case_id": case_id, "digest": "0" * 64, "text": f"Call {NAME}", "made_at": NOON}
        connection.execute(insert(tables.translations).values(translation))
        _plant_notice(connection, case_id, pseudonym, said)
    return pseudonym


def _plant_notice(connection: Connection, case_id: int, pseudonym: str, said: str) -> None:
    """Submit a rights holder's notice on the seller."""
    notifier = notifier_of(connection, "ann@acme.test", "rights holder", NOON)
    notice = {"reference": "r", "notifier_id": notifier.notifier_id, "kind": "counterfeit", "brand": "Acme"}
    notice |= {"explanation": f"{NAME} again", "tier": "standard", "received_at": NOON, "settled_at": NOON}
    notice |= {"encrypted": encrypt(connection, notifier.pseudonym, "{}"), "content_digest": "d"}
    notice_id = connection.scalars(insert(tables.notices).values(notice).returning(tables.notices.c.notice_id)).one()
    item = {"notice_id": notice_id, "position": 1, "noted_at": NOON, "listing_digest": SELLER, "location": said}
    item |= {"pseudonym": pseudonym, "case_id": case_id, "state": "upheld", "settled_at": NOON}
    connection.execute(insert(tables.notice_items).values(item))


def key_of(engine: Engine, seller: str) -> str:
    """Return the key of a seller, which must not be left either."""
    with engine.connect() as connection:
        return str(connection.scalar(select(tables.seller_keys.c.key).where(tables.seller_keys.c.seller_id == seller)))


def find_markers(paths: Iterable[Path], markers: Iterable[str]) -> Iterator[str]:
    """Give each file in which a marker stands, however it is written."""
    wanted = [marker.encode() for marker in markers]
    for path in paths:
        content = path.read_bytes().lower()
        yield from (f"{path.name}: {marker.decode()}" for marker in wanted if marker in content)


def find_clear(engine: Engine, markers: Iterable[str]) -> Iterator[str]:
    """Give each column in which a marker stands."""
    with engine.connect() as connection:
        for table in tables.metadata.tables.values():
            for column in table.c:
                if isinstance(column.type, Text):
                    texts = " ".join(str(text).lower() for text in connection.scalars(select(column)))
                    yield from (f"{table.name}.{column.name}" for marker in markers if marker in texts)


def clear_columns() -> set[str]:
    """Return the columns that are declared to tell of sellers in the clear."""
    places = ((table, name, held) for table, columns in TEXTS.items() for name, held in columns.items())
    return {f"{table}.{name}" for table, name, held in places if held is Holds.CLEAR}
