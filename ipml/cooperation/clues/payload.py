"""The files of a clue: those that people read, those that programs read, and the evidence with its trail."""

from __future__ import annotations

from collections.abc import Iterator

from ipml.cooperation.clues.contents import Contents
from ipml.cooperation.clues.fields import Field
from ipml.cooperation.clues.files import write_graph_json, write_graphml, write_json, write_value
from ipml.cooperation.clues.picture import draw_network
from ipml.cooperation.clues.rules import Profile
from ipml.cooperation.clues.summary import Heading, write_html, write_parts, write_text
from ipml.enforcement.evidence.package import write_lines
from ipml.enforcement.evidence.pieces import is_person
from ipml.spreadsheet import write_csv


def write_files(contents: Contents, heading: Heading, profile: Profile) -> Iterator[tuple[str, str]]:
    """Give each file of the payload by its name."""
    told, picture = contents.told, draw_network(contents.told)
    parts = write_parts(told, profile, contents.unknown, contents.news)
    yield "summary.txt", write_text(heading, parts)
    yield "summary.html", write_html(heading, parts, told, picture)
    yield "unknown.txt", "".join(f"- {line}\n" for line in contents.unknown)
    yield "members.csv", write_csv(told.members.header, told.members.rows)
    yield "links.csv", write_csv(told.links.header, told.links.rows)
    yield "timeline.csv", write_csv(told.timeline.header, told.timeline.rows)
    yield "listings.csv", write_csv(told.listings.header, told.listings.rows)
    yield "value.json", write_value(told)
    yield "graph.svg", picture
    yield "graph.graphml", write_graphml(told)
    yield "graph.json", write_graph_json(told)
    yield "clue.json", write_json(_say_terms(contents, heading, profile))
    for one in contents.evidence:
        yield f"evidence-{one.evidence_id:06}.json", str(one.text)
    if contents.evidence:
        actors = sorted({row["actor"] for row in contents.rows if is_person(row["actor"])})
        names = {actor: f"person-{number:02}" for number, actor in enumerate(actors, 1)}
        yield "audit.jsonl", write_lines(contents.rows, names)


def _say_terms(contents: Contents, heading: Heading, profile: Profile) -> dict[str, object]:
    told = contents.told
    return {
        "reference": heading.reference,
        "follows": contents.before.reference if contents.before else None,
        "built_at": heading.built_at.isoformat(),
        "recipient": profile.title,
        "brands": list(heading.brands),
        "purpose": profile.purpose,
        "legal_basis": profile.legal_basis,
        "retention": profile.retention,
        "fields": sorted(field.value for field in profile.fields),
        "withheld": sorted(field.value for field in Field if not profile.allows(field)),
        "network": told.number,
        "members": told.n_members,
        "members_named": told.n_members - told.n_unnamed,
        "listings_found_counterfeit": told.n_confirmed,
        "evidence": len(contents.evidence),
    }
