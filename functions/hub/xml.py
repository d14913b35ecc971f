"""XML of strangers: UTF-8 without a document type, and so without entities that grow or reach for files."""

from xml.etree.ElementTree import Element, ParseError, XMLParser


def root_of(body: bytes) -> Element:
    """The root of an XML document; raises ValueError with what is wrong with it."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError("not UTF-8") from error
    if "\0" in text:  # UTF-16 in disguise, which the parser would know
        raise ValueError("not UTF-8")
    if "<!DOCTYPE" in text or "<!ENTITY" in text:  # XML knows them in capitals alone
        raise ValueError("it has a document type")
    try:
        parser = XMLParser(encoding="utf-8")  # noqa: S314 - see above; whatever encoding the text claims to have
        parser.feed(text)
        return parser.close()
    except (ParseError, LookupError) as error:
        raise ValueError("not XML") from error
