"""The sentences that letter and payload share: what was found, on what it rests, and why."""

from __future__ import annotations

from string import Template

from ipml.enforcement.statements.facts import LAST_DAY, Statement
from ipml.enforcement.statements.wording import Words


def write_facts(statement: Statement, words: Words) -> str:
    """Return the facts and circumstances in sentences: the same for the letter and, in English, for the payload."""
    facts = [words.facts["account"]] if statement.is_of_account else []
    facts += [
        Template(words.facts["offer"]).substitute(goods=_name_goods(statement, words)),
        words.grounds[statement.ground],
    ]
    if statement.price is not None and statement.currency is not None:
        facts.append(
            Template(words.facts["price"]).substitute(price=words.write_price(statement.price, statement.currency))
        )
    if statement.signs:
        signs = words.comma.join(words.signs[sign] for sign in statement.signs)
        facts.append(Template(words.facts["signs"]).substitute(signs=signs))
    if statement.content_on_is != "listed":
        facts.append(words.content_days[statement.content_on_is])
    if statement.ends_on is not None and statement.ends_on > LAST_DAY:
        facts.append(Template(words.facts["late_end"]).substitute(ends_on=words.write_day(statement.ends_on)))
    return words.between_sentences.join(facts)


def write_law(statement: Statement, words: Words) -> str:
    """Return the law, or the rule of the platform, that a restriction rests on."""
    law = words.laws[statement.basis]
    return Template(words.clause).substitute(law=law, clause=statement.clause) if statement.clause else law


def write_explanation(statement: Statement, words: Words) -> str:
    """Return why what was found goes against that."""
    return words.explanations[statement.basis]


def name_countries(codes: tuple[str, ...], words: Words) -> str:
    """Return the names of countries; the code of one that the language's file does not name."""
    return words.comma.join(words.countries.get(code, code) for code in codes) if codes else words.everywhere


def _name_goods(statement: Statement, words: Words) -> str:
    known = {(True, True): "brand and category", (True, False): "brand", (False, True): "category"}
    goods = words.goods[known.get((statement.brand is not None, statement.category is not None), "neither")]
    category = words.categories.get(statement.category or "", statement.category or "")
    return Template(goods).substitute(brand=statement.brand or "", category=category)
