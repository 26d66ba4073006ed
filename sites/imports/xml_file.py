"""XML of strangers: a stream of elements, of limited depth, and without entities, so that nothing expands."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from sites.imports.candidates import unreadable

MAX_DEPTH = 100
_MAX_EQUALS = 1_000_000  # more than there are attributes, which one element could have all and hold in memory


class ElementReader(ABC):
    """Hears of each element of a document. Names are without namespace, and `path` is reused: copy what you keep."""

    def parse(self, text: str) -> None:
        """Read all of `text`. Raises InvalidOption."""
        if text.count("=") > _MAX_EQUALS:
            raise unreadable(f"must have at most {_MAX_EQUALS:,} attributes and parameters; split it")
        stream = _Stream(self)
        parser = DefusedXMLParser(target=stream, encoding="utf-8")  # whatever the document declares: it is decoded
        stream.line = lambda: parser.parser.CurrentLineNumber
        try:
            parser.feed(text.encode(errors="replace"))
            parser.close()
        except DefusedXmlException:
            raise unreadable("defines entities, which are not read; remove its DOCTYPE") from None
        except ParseError as err:
            line, _ = err.position
            raise unreadable(f"line {line} is not valid XML: {str(err).partition(':')[0]}") from None

    @abstractmethod
    def element_began(self, path: Sequence[str], attributes: Mapping[str, str], line: int) -> None: ...

    @abstractmethod
    def element_ended(self, path: Sequence[str], text: str) -> None:
        """Hear the text behind the last child of an element, which is all of it where it has none."""


class _Stream:
    """The target of Python's parser, which calls these names."""

    def __init__(self, reader: ElementReader) -> None:
        self._reader = reader
        self._path: list[str] = []
        self._text: list[str] = []
        self.line: Callable[[], int] = lambda: 0  # of the parser, which is made after its target

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._path.append(tag.rpartition("}")[2])
        self._text.clear()
        line = self.line()
        if len(self._path) > MAX_DEPTH:
            raise unreadable(f"line {line}: elements must not be nested more than {MAX_DEPTH} deep")
        self._reader.element_began(self._path, attributes, line)

    def data(self, text: str) -> None:
        self._text.append(text)

    def end(self, _: str) -> None:
        self._reader.element_ended(self._path, "".join(self._text).strip())
        self._path.pop()
        self._text.clear()

    def close(self) -> None:
        """Do nothing: there is no tree to return."""
