"""Define-XML 2.1 of the ADaM datasets of a run, and the page that people read.

Names, labels, types, origins, codelists, keys and classes are the catalogue's, lengths and values those of
the datasets, and methods the docstrings of the programs. `define.xsl` makes the page.
"""

import datetime as dt
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from importlib.resources import files
from typing import Any, NamedTuple

import pandas as pd

from sap import __version__
from sap.catalogue.adam import Column, Dataset, Parameter, datasets, parameter
from sap.catalogue.codelists import Codelist, codelist
from sap.errors import ResultError

ODM = "http://www.cdisc.org/ns/odm/v1.3"
DEF = "http://www.cdisc.org/ns/def/v2.1"
XLINK = "http://www.w3.org/1999/xlink"
XML = "http://www.w3.org/XML/1998/namespace"
STYLE = "define.xsl"
SIGNIFICANT = 12
ADAM_IG, OCCDS_IG = "STD.ADAMIG", "STD.OCCDS"
SUPPLEMENTS = (
    ("LF.ADRG", "adrg.md", "Analysis Data Reviewer's Guide"),
    ("LF.ARS", "ars.json", "Analysis results (CDISC ARS 1.0)"),
)
NO_VALUE, NO_RECORD = "COM.NO_VALUE", "COM.NO_RECORD"
COMMENTS = {
    NO_VALUE: "No record of this data cut has a value.",
    NO_RECORD: "This data cut has no record for this dataset.",
}
ILLEGAL = re.compile(r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Rule(NamedTuple):
    """The rule of a function: its full name, its title, its text, the names that its code writes."""

    program: str
    name: str
    text: str
    writes: frozenset[str]


class Facts(NamedTuple):
    """The inputs of the definition.

    Attributes
    ----------
    run
        The facts of the run (`tables/run.json`).
    frames
        The datasets by name in upper case.
    places
        By dataset the file that holds it.
    rules
        By dataset the rules that make it, those of the nearest programs first.
    programs
        By dataset its programs and what they read, as a sentence.
    """

    run: Mapping[str, Any]
    frames: Mapping[str, pd.DataFrame]
    places: Mapping[str, str]
    rules: Mapping[str, Sequence[Sequence[Rule]]]
    programs: Mapping[str, str]


class Size(NamedTuple):
    """Type, length and, of a number with decimals, the number of decimals (ODM 1.3.2)."""

    type: str
    length: int
    decimals: int | None = None


def size_of(values: "pd.Series[Any]", kind: str) -> Size:
    """What the values of a column need.

    1. text: the bytes of the longest, at least 1, as in the XPT file.
    2. integer, and date as days since 1960-01-01: the digits of the longest.
    3. float: the digits of the longest, with the most decimals that a value has, of 12 significant
       digits: the last bits of a computed number are no decimals of it.

    >>> size_of(pd.Series([1.5, 10.25, None]), "float")
    Size(type='float', length=4, decimals=2)
    >>> size_of(pd.Series(["Y", "caf\u00e9"]), "text")
    Size(type='text', length=5, decimals=None)
    """
    known = values.dropna()
    if kind == "text":
        return Size("text", max((len(str(v).encode()) for v in known), default=1) or 1)
    if kind == "date":
        known = (known - pd.Timestamp("1960-01-01")).dt.days
        kind = "integer"
    finite = [float(v) for v in known if math.isfinite(v)]
    numbers = [Decimal(f"{v:.{SIGNIFICANT}g}").normalize().as_tuple() for v in finite]
    decimals = max((max(-int(n.exponent), 0) for n in numbers), default=0)
    integral = max((max(len(n.digits) + int(n.exponent), 1) for n in numbers), default=1)
    if kind == "integer":
        return Size("integer", integral)
    return Size("float", integral + decimals, decimals)


def chosen_rules(name: str, given: str, tiers: Sequence[Sequence[Rule]]) -> tuple[Rule, ...]:
    """The rules of a column or parameter, the first case that applies.

    1. The one that the catalogue names.
    2. Of the nearest programs, those whose docstring names it.
    3. Of the nearest programs, those whose code writes it.
    4. Those of the nearest programs of the dataset.

    Raises
    ------
    ResultError
        The rule that the catalogue names takes no part in making the dataset.
    """
    if given:
        for tier in tiers:
            for rule in tier:
                if rule.program == f"sap.derivations.{given}":
                    return (rule,)
        raise ResultError(
            f"{name}: the catalogue gives it the rule {given}, which no program of its dataset calls."
        )
    word = re.compile(rf"\b{re.escape(name)}\b")
    for tier in tiers:
        if named := tuple(rule for rule in tier if word.search(rule.text)):
            return named
    for tier in tiers:
        if writing := tuple(rule for rule in tier if name in rule.writes):
            return writing
    return next((tuple(tier) for tier in tiers if tier), ())


def _text(text: object) -> str:
    """The text without what XML 1.0 cannot hold; a replacement character shows where it was."""
    return ILLEGAL.sub("\ufffd", str(text))


class _Definition:
    """The elements of one document, collected in the order in which ODM wants them."""

    def __init__(self, facts: Facts) -> None:
        from lxml import etree

        self.etree = etree
        self.facts = facts
        self.known: Mapping[str, Dataset] = datasets()
        self.value_lists: list[Any] = []
        self.where: dict[str, Any] = {}
        self.items: list[Any] = []
        self.codelists: dict[str, Any] = {}
        self.methods: dict[tuple[str, ...], tuple[str, Any]] = {}
        self.comments: dict[str, str] = {}
        self.standards: dict[str, dict[str, str]] = {}

    def element(self, name: str, children: Iterable[Any] = (), /, **attributes: object) -> Any:
        """An element of ODM, of Define-XML (`def:x`); attributes with `def_` and `xlink_` before them."""
        space, _, local = name.rpartition(":")
        made = self.etree.Element(f"{{{DEF if space else ODM}}}{local}")
        for key, value in attributes.items():
            if value is None:
                continue
            prefix, _, rest = key.partition("_")
            spaces = {"def": DEF, "xlink": XLINK}
            made.set(f"{{{spaces[prefix]}}}{rest}" if prefix in spaces else key, _text(value))
        made.extend([child for child in children if child is not None])
        return made

    def words(self, name: str, text: object) -> Any:
        """A Description or Decode in English."""
        translated = self.element("TranslatedText")
        translated.set(f"{{{XML}}}lang", "en")
        translated.text = _text(text)
        return self.element(name, [translated])

    def dataset(self, name: str, frame: pd.DataFrame) -> Any:
        """ItemGroupDef of a dataset; its columns, value lists and codes are collected."""
        about = self._about(name)
        references = []
        for order, column in enumerate(map(str, frame.columns), start=1):
            if column not in about.columns:
                raise ResultError(
                    f"{name}: the catalogue has no column {column}.\n"
                    "Describe it in src/sap/catalogue/datasets.yml."
                )
            references.append(self._column(about, about.columns[column], frame, order))
        standard = OCCDS_IG if about.kind.startswith("OCCURRENCE") else ADAM_IG
        self._standard(standard)
        empty = frame.empty
        comment = f"COM.{name}"
        self.comments[comment] = self.facts.programs[name] + (
            f" {COMMENTS[NO_RECORD]}" if empty else ""
        )
        within = [self.element("def:SubClass", Name=about.subclass)] if about.subclass else []
        leaf = self._leaf(f"LF.{name}", self.facts.places[name], self.facts.places[name])
        one_record = list(about.keys) == ["USUBJID"]
        return self.element(
            "ItemGroupDef",
            [
                self.words("Description", about.label),
                *references,
                self.element("def:Class", within, Name=about.kind),
                leaf,
            ],
            OID=f"IG.{name}",
            Domain=name,
            Name=name,
            Repeating="No" if one_record else "Yes",
            IsReferenceData="No",
            SASDatasetName=name,
            Purpose="Analysis",
            def_Structure=about.structure,
            def_StandardOID=standard,
            def_ArchiveLocationID=f"LF.{name}",
            def_HasNoData="Yes" if empty else None,
            def_CommentOID=comment,
        )

    def _about(self, name: str) -> Dataset:
        if name not in self.known:
            raise ResultError(
                f"The catalogue has no dataset {name}.\n"
                "Describe it in src/sap/catalogue/datasets.yml."
            )
        return self.known[name]

    def _column(self, about: Dataset, column: Column, frame: pd.DataFrame, order: int) -> Any:
        """ItemRef of a column; its ItemDef, value list and method are collected."""
        values = frame[column.name]
        by_parameter = column.name in ("AVAL", "AVALC") and "PARAMCD" in frame
        value_list = self._value_list(about, column, frame) if by_parameter else None
        no_value = bool(len(frame)) and bool(values.isna().all())
        method = None
        if column.origin == "Derived" and value_list is None:
            tiers = self.facts.rules[about.name]
            method = self._method(chosen_rules(column.name, column.rule, tiers))
        oid = f"IT.{about.name}.{column.name}"
        self._item(
            oid,
            column,
            size_of(values, column.type),
            column.label,
            [
                self._codelist_of(about, column, frame),
                self._origin(column),
                value_list,
            ],
            NO_VALUE if no_value else None,
        )
        if no_value:
            self.comments[NO_VALUE] = COMMENTS[NO_VALUE]
        mandatory = column.name in ("STUDYID", "USUBJID", "PARAMCD", "PARAM")
        key = about.keys.index(column.name) + 1 if column.name in about.keys else None
        return self.element(
            "ItemRef",
            ItemOID=oid,
            OrderNumber=order,
            Mandatory="Yes" if mandatory else "No",
            KeySequence=key,
            MethodOID=method,
            def_HasNoData="Yes" if no_value else None,
        )

    def _item(
        self,
        oid: str,
        column: Column,
        size: Size,
        label: str,
        children: Sequence[Any],
        comment: str | None = None,
    ) -> None:
        self.items.append(
            self.element(
                "ItemDef",
                [self.words("Description", label), *children],
                OID=oid,
                Name=column.name,
                DataType=size.type,
                Length=size.length,
                SignificantDigits=size.decimals,
                SASFieldName=column.name,
                def_DisplayFormat="DATE9." if column.type == "date" else None,
                def_CommentOID=comment,
            )
        )

    def _origin(self, column: Column) -> Any:
        if column.origin == "Predecessor":
            described = [self.words("Description", column.source)]
            return self.element("def:Origin", described, Type="Predecessor")
        return self.element("def:Origin", Type=column.origin, Source="Sponsor")

    def _value_list(self, about: Dataset, column: Column, frame: pd.DataFrame) -> Any:
        """ValueListRef of AVAL or AVALC by PARAMCD; None where no parameter has a value."""
        known = frame.loc[frame[column.name].notna(), ["PARAMCD", column.name]]
        codes = sorted(map(str, known["PARAMCD"].unique()))
        if not codes:
            return None
        references = []
        for order, code in enumerate(codes, start=1):
            values = known.loc[known["PARAMCD"] == code, column.name]
            entry = parameter(about.name, code)
            oid = f"IT.{about.name}.{column.name}.{code}"
            integral = column.type == "float" and (values == values.round()).all()
            size = size_of(values, "integer" if integral else column.type)
            label = f"{self._decode(frame, code)}: {entry.definition}"
            self._item(oid, column, size, label, [self._origin(column)])
            method = self._method(self._of_parameter(about, entry, code))
            references.append(
                self.element(
                    "ItemRef",
                    [self.element("def:WhereClauseRef", WhereClauseOID=self._where(about, code))],
                    ItemOID=oid,
                    OrderNumber=order,
                    Mandatory="No",
                    MethodOID=method,
                )
            )
        oid = f"VL.{about.name}.{column.name}"
        self.value_lists.append(self.element("def:ValueListDef", references, OID=oid))
        return self.element("def:ValueListRef", ValueListOID=oid)

    def _of_parameter(self, about: Dataset, entry: Parameter, code: str) -> tuple[Rule, ...]:
        return chosen_rules(code, entry.rule, self.facts.rules[about.name])

    def _decode(self, frame: pd.DataFrame, code: str) -> str:
        if "PARAM" not in frame:
            return code
        return str(frame.loc[frame["PARAMCD"] == code, "PARAM"].iloc[0])

    def _where(self, about: Dataset, code: str) -> str:
        oid = f"WC.{about.name}.PARAMCD.{code}"
        value = self.element("CheckValue")
        value.text = _text(code)
        check = self.element(
            "RangeCheck",
            [value],
            Comparator="EQ",
            SoftHard="Soft",
            def_ItemOID=f"IT.{about.name}.PARAMCD",
        )
        self.where[oid] = self.element("def:WhereClauseDef", [check], OID=oid)
        return oid

    def _codelist_of(self, about: Dataset, column: Column, frame: pd.DataFrame) -> Any:
        if column.codelist:
            return self._reference(column.codelist, self._terms(codelist(column.codelist)))
        if column.name == "PARAMCD" and not frame.empty:
            codes = sorted(map(str, frame["PARAMCD"].unique()))
            decoded = [
                self.element(
                    "CodeListItem",
                    [self.words("Decode", self._decode(frame, code))],
                    CodedValue=code,
                    OrderNumber=order,
                )
                for order, code in enumerate(codes, start=1)
            ]
            name = f"{about.name}.PARAMCD"
            made = self.element(
                "CodeList",
                decoded,
                OID=f"CL.{name}",
                Name=f"Parameters of {about.name}",
                DataType="text",
                def_IsNonStandard="Yes",
            )
            return self._reference(name, made)
        return None

    def _reference(self, name: str, made: Any) -> Any:
        self.codelists.setdefault(name, made)
        return self.element("CodeListRef", CodeListOID=f"CL.{name}")

    def _terms(self, known: Codelist) -> Any:
        """A codelist with the NCI codes that the catalogue has; one of the sponsor is not standard."""
        items = [
            self.element(
                "EnumeratedItem",
                [self._alias(known.term_codes.get(term))],
                CodedValue=term,
                OrderNumber=order,
            )
            for order, term in enumerate(known.values, start=1)
        ]
        published = re.match(r"(SDTM|ADaM) CT (\d{4}-\d{2}-\d{2}), ([^;]+)", known.source)
        standard = self._terminology(*published.groups()[:2]) if published and known.code else None
        return self.element(
            "CodeList",
            [*items, self._alias(known.code if standard else None)],
            OID=f"CL.{known.name}",
            Name=published[3].strip() if published else known.name,
            DataType="text",
            def_StandardOID=standard,
            def_IsNonStandard=None if standard else "Yes",
        )

    def _alias(self, code: str | None) -> Any:
        return self.element("Alias", Name=code, Context="nci:ExtCodeID") if code else None

    def _standard(self, oid: str) -> None:
        name = "ADaMIG" if oid == ADAM_IG else "ADaM-OCCDSIG"
        self.standards[oid] = {"Name": name, "Type": "IG", "Version": "1.1", "Status": "Final"}

    def _terminology(self, publisher: str, version: str) -> str:
        oid = f"STD.CT.{publisher}.{version}"
        self.standards[oid] = {
            "Name": "CDISC/NCI",
            "Type": "CT",
            "PublishingSet": publisher,
            "Version": version,
            "Status": "Final",
        }
        return oid

    def _method(self, rules: Sequence[Rule]) -> str | None:
        """The OID of a method; one that is used twice is defined once."""
        if not rules:
            return None
        programs = tuple(rule.program for rule in rules)
        if programs not in self.methods:
            short = [program.removeprefix("sap.derivations.") for program in programs]
            texts = (
                [rules[0].text]
                if len(rules) == 1
                else [f"{rule.name}\n\n{rule.text}" for rule in rules]
            )
            oid = "MT." + "-".join(short)
            expressions = []
            for program in programs:
                expression = self.element("FormalExpression", Context="Python")
                expression.text = program
                expressions.append(expression)
            made = self.element(
                "MethodDef",
                [self.words("Description", "\n\n".join(texts)), *expressions],
                OID=oid,
                Name="; ".join(rule.name for rule in rules),
                Type="Computation",
            )
            self.methods[programs] = (oid, made)
        return self.methods[programs][0]

    def _leaf(self, oid: str, place: str, title: str) -> Any:
        named = self.element("def:title")
        named.text = _text(title)
        return self.element("def:leaf", [named], ID=oid, xlink_href=place)

    def document(self) -> Any:
        """The whole document."""
        run = self.facts.run
        groups = [self.dataset(name, frame) for name, frame in sorted(self.facts.frames.items())]
        version = self.element(
            "MetaDataVersion",
            self._parts(groups),
            OID=f"MDV.{run['study']}",
            Name=f"{run['study']}, ADaM datasets",
            Description=f"Data cut-off {run['cut_off']}, frozen cut {run['cut_id']}",
            def_DefineVersion="2.1.0",
        )
        names = {
            "StudyName": run["study"],
            "StudyDescription": run.get("title", run["study"]),
            "ProtocolName": run["study"],
        }
        globals_ = []
        for name, text in names.items():
            one = self.element(name)
            one.text = _text(text)
            globals_.append(one)
        study = self.element(
            "Study",
            [self.element("GlobalVariables", globals_), version],
            OID=str(run["study"]),
        )
        root = self.etree.Element(f"{{{ODM}}}ODM", nsmap={None: ODM, "def": DEF, "xlink": XLINK})
        day = dt.date.fromisoformat(str(run["cut_off"]))
        attributes = {
            "ODMVersion": "1.3.2",
            "FileType": "Snapshot",
            "FileOID": f"{run['study']}.ADaM.{run['cut_id']}",
            "CreationDateTime": f"{day.isoformat()}T00:00:00",
            "Originator": "sap",
            "SourceSystem": "sap",
            "SourceSystemVersion": __version__,
            f"{{{DEF}}}Context": "Other" if run.get("synthetic") else "Submission",
        }
        for name, text in attributes.items():
            root.set(name, _text(text))
        root.append(study)
        return root

    def _parts(self, groups: Sequence[Any]) -> Iterator[Any]:
        standards = [
            self.element("def:Standard", OID=oid, **about)
            for oid, about in sorted(self.standards.items())
        ]
        yield self.element("def:Standards", standards)
        yield self.element(
            "def:SupplementalDoc",
            [self.element("def:DocumentRef", leafID=oid) for oid, _, _ in SUPPLEMENTS],
        )
        yield from self.value_lists
        yield from (one for _, one in sorted(self.where.items()))
        yield from groups
        yield from self.items
        yield from (one for _, one in sorted(self.codelists.items()))
        yield from (one for _, one in sorted(self.methods.values(), key=lambda pair: pair[0]))
        for oid, text in sorted(self.comments.items()):
            yield self.element("def:CommentDef", [self.words("Description", text)], OID=oid)
        for oid, place, title in SUPPLEMENTS:
            yield self._leaf(oid, place, title)


def define_xml(facts: Facts) -> bytes:
    """The definition as `define.xml`; same datasets and code, same bytes.

    The time of creation is the data cut-off. Lengths are those of the exported files.

    Raises
    ------
    ResultError
        The catalogue lacks a dataset, column or parameter, or names a rule that no program calls.
    """
    from lxml import etree

    root = _Definition(facts).document()
    etree.indent(root, space=" ")
    style = f'<?xml-stylesheet type="text/xsl" href="{STYLE}"?>\n'.encode()
    body: bytes = etree.tostring(root, encoding="utf-8")
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + style + body + b"\n"


def style_sheet() -> bytes:
    """The stylesheet that makes the page of a definition: `define.xsl`, XSLT 1.0."""
    return files("sap.export").joinpath(STYLE).read_bytes()


def define_html(definition: bytes) -> bytes:
    """The page of a definition, one file without script and without anything from a network."""
    from lxml import etree

    closed = etree.XMLParser(resolve_entities=False, no_network=True)
    transform = etree.XSLT(
        etree.fromstring(style_sheet(), closed), access_control=etree.XSLTAccessControl.DENY_ALL
    )
    return bytes(transform(etree.fromstring(definition, closed)))
