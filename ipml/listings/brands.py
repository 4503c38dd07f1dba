"""Brand file: holds brand names, authorised sellers, reference prices and exchange rates.

The bundled file, `brands.toml` beside this module, lists brands that are often counterfeited. A marketplace writes
its own, with the sellers that its rights holders authorised. One file serves training, scoring and the seller lists:

- `[rates]` and each `[[brand]]`, with its `authorised_sellers`, are features of the model, as of its training. A seller
  added later counts in scores after the next training.
- `authorised_sellers` and each `[[seller]]` are lists (`ipml seller lists load`): they apply at once, are shown beside
  the score, and never change it.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from ipml.errors import UnreadableFile, UnusableSetting, describe_faults
from ipml.kit.toml import parse_toml

FORMAT = 1
_LONGEST_VERSION = 200
_EXPECTED = "base_currency, [rates], and for each [[brand]] a name, category, reference_price and currency"


@dataclass(frozen=True, slots=True)
class Brand:
    """A brand, with usual data of its genuine goods.

    Attributes
    ----------
    name : str
        As the rights holder writes it.
    category : str
        Its best known goods, such as "footwear".
    reference_price : float
        Price of one of its main products, new, in `currency`.
    currency : str
        ISO 4217 code.
    aliases : tuple of str
        Other names of the brand: in other scripts, short forms, common misspellings.
    authorised_sellers : tuple of str
        Ids of the sellers who may sell it as new.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    name: str
    category: str
    reference_price: float
    currency: str
    aliases: tuple[str, ...] = ()
    authorised_sellers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SellerOnList:
    """A seller on a list of the brand file; not a feature of any model.

    Attributes
    ----------
    list : {"authorised", "denied", "watched"}
    why, source : str
        Reason, and source of the information.
    brand : str or None
        Name of a brand of the file; None applies to listings of any brand.
    until : date or None
        Last day on which the entry applies, in UTC.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    seller_id: str
    list: Literal["authorised", "denied", "watched"]
    why: str
    source: str
    brand: str | None = None
    until: date | None = None


@dataclass(frozen=True)
class Brands:
    """All brands of a brand file, in its order, with the exchange rates.

    Attributes
    ----------
    brands : tuple of Brand
        No name or alias belongs to two of them, in any letter case.
    base_currency : str, default="USD"
        Currency in which prices are compared.
    rates : mapping from str to float
        Value of one unit of a currency in the base currency. The base currency itself is added, as 1.
    sellers : tuple of SellerOnList
        Sellers on lists, besides those that brands authorise.
    version : str
        The marketplace's own version of its file.
    format : int, default=1
        Version of the file format, which decides the releases of ipml that can read it.

    Raises
    ------
    UnusableSetting
        If a name is used twice, a price or rate is not above 0, a currency has no rate, a seller is twice on a list
        or listed for an unknown brand, or the format is unknown.

    Examples
    --------
    >>> brands = Brands((Brand("Acme", "tools", 100.0, "EUR"),), rates={"EUR": 1.25})
    >>> brands.to_base_currency(100.0, "EUR")
    125.0
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    brands: tuple[Brand, ...]
    base_currency: str = "USD"
    rates: Mapping[str, float] = field(default_factory=dict)
    sellers: tuple[SellerOnList, ...] = ()
    version: str = ""
    format: int = FORMAT

    def __post_init__(self) -> None:
        object.__setattr__(self, "rates", {self.base_currency: 1.0, **self.rates})
        _check_rates(self)
        _check_prices(self)
        _check_names(self)
        _check_sellers(self)

    def __iter__(self) -> Iterator[Brand]:
        return iter(self.brands)

    def __len__(self) -> int:
        return len(self.brands)

    def to_base_currency(self, amount: float, currency: str) -> float:
        """Convert an amount of money to the base currency.

        Raises `UnusableSetting` if the brand file has no rate for the currency.
        """
        if currency not in self.rates:
            raise UnusableSetting("brand file", f"no rate for {currency}", f"one of {', '.join(self.rates)}")
        return amount * self.rates[currency]


def load_brands(path: Path | None = None) -> Brands:
    """Load a brand file; by default the bundled one.

    Raises
    ------
    UnreadableFile
        If the file is missing, or not TOML.
    UnusableSetting
        If it does not hold valid brands.

    Examples
    --------
    >>> brands = load_brands()
    >>> len(brands), brands.base_currency
    (72, 'USD')
    """
    source = path or files("ipml.listings").joinpath("brands.toml")
    try:
        table = parse_toml(source.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UnreadableFile(str(source), str(error), "a brand file in TOML") from error
    if table.get("format", FORMAT) != FORMAT:  # first, since another format may have other fields
        found = f"format {table['format']!r}"
        raise UnusableSetting(f"brand file {source}", found, f"format {FORMAT}, which this release of ipml reads")
    table["brands"], table["sellers"] = table.pop("brand", []), table.pop("seller", [])
    try:
        # As JSON: its strict rules accept a list for a tuple, but no text for a number.
        return TypeAdapter(Brands).validate_json(json.dumps(table, default=str), strict=True)
    except ValidationError as error:
        raise UnusableSetting(f"brand file {source}", describe_faults(error), _EXPECTED) from error


def write_brands(brands: Brands, path: Path) -> None:
    """Write a brand file that `load_brands` reads; the same brands give the same bytes.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "brands.toml"
    ...     write_brands(load_brands(), path)
    ...     load_brands(path) == load_brands()
    True
    """
    head = [f"format = {brands.format}", *([f"version = {_quote(brands.version)}"] if brands.version else [])]
    parts = ["\n".join([*head, f"base_currency = {_quote(brands.base_currency)}\n\n[rates]"])]
    parts += [f"{_quote(currency)} = {float(rate)!r}" for currency, rate in brands.rates.items()]
    for brand in brands:
        parts.append(
            f"\n[[brand]]\nname = {_quote(brand.name)}\ncategory = {_quote(brand.category)}\n"
            f"reference_price = {float(brand.reference_price)!r}\ncurrency = {_quote(brand.currency)}\n"
            f"aliases = {_quote_all(brand.aliases)}\nauthorised_sellers = {_quote_all(brand.authorised_sellers)}"
        )
    for seller in brands.sellers:
        said = {"seller_id": seller.seller_id, "list": seller.list, "why": seller.why, "source": seller.source}
        said |= {} if seller.brand is None else {"brand": seller.brand}
        until = [] if seller.until is None else [f"until = {seller.until}"]
        parts.append("\n".join(["\n[[seller]]", *(f"{name} = {_quote(text)}" for name, text in said.items()), *until]))
    path.write_text("\n".join(parts) + "\n", encoding="utf-8")


def _quote(text: str) -> str:
    # A JSON string is a TOML string, except for DEL, which JSON does not escape.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _quote_all(texts: tuple[str, ...]) -> str:
    return f"[{', '.join(map(_quote, texts))}]"


def _check_rates(brands: Brands) -> None:
    for currency, rate in brands.rates.items():
        if not (rate > 0 and math.isfinite(rate)):
            raise UnusableSetting("brand file", f"rate {rate!r} for {currency}", "a number above 0")
    if brands.rates[brands.base_currency] != 1.0:
        raise UnusableSetting("brand file", f"a rate for {brands.base_currency} beside 1", "the base currency at 1")


def _check_prices(brands: Brands) -> None:
    for brand in brands:
        if not (brand.reference_price > 0 and math.isfinite(brand.reference_price)):
            raise UnusableSetting(f"brand {brand.name!r}", f"price {brand.reference_price!r}", "a number above 0")
        if brand.currency not in brands.rates:
            raise UnusableSetting(f"brand {brand.name!r}", f"currency {brand.currency}", "one that has a rate")


def _check_names(brands: Brands) -> None:
    owners: dict[str, int] = {}
    for number, brand in enumerate(brands):
        for name in (brand.name, *brand.aliases):
            if not name.strip():
                raise UnusableSetting(f"brand {brand.name!r}", f"the name {name!r}", "a name with letters")
            owner = owners.setdefault(name.casefold(), number)
            if owner != number:
                first = brands.brands[owner].name
                raise UnusableSetting(
                    f"brand {brand.name!r}", f"the name {name!r}, which {first!r} has", "names of its own"
                )


def _check_sellers(brands: Brands) -> None:
    if brands.format != FORMAT:
        raise UnusableSetting("brand file", f"format {brands.format}", f"format {FORMAT}")
    if len(brands.version) > _LONGEST_VERSION:
        found = f"a version of {len(brands.version)} characters"
        raise UnusableSetting("brand file", found, f"at most {_LONGEST_VERSION}")
    names = {brand.name for brand in brands}
    listed: set[tuple[str, str, str | None]] = set()
    for seller in brands.sellers:
        subject = f"seller {seller.seller_id!r:.80} of the brand file"
        if seller.brand is not None and seller.brand not in names:
            raise UnusableSetting(subject, f"the brand {seller.brand!r:.80}", "the name of a [[brand]] of the file")
        if not all(text.strip() for text in (seller.seller_id, seller.why, seller.source)):
            raise UnusableSetting(subject, "an empty text", "a seller_id, why and source")
        entry = (seller.list, seller.seller_id, seller.brand)
        if entry in listed:
            raise UnusableSetting(subject, f"it twice as {seller.list}", "each entry once")
        listed.add(entry)
