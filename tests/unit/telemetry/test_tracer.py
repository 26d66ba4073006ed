"""Spans are sent in small pieces, and what could not be sent is counted."""

from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from telemetry.tracer import Reporter


class Refusing(SpanExporter):
    """Takes so many requests, and refuses all others."""

    def __init__(self, takes):
        self.sizes = []
        self._takes = takes

    def export(self, spans):
        self.sizes.append(len(spans))
        return SpanExportResult.SUCCESS if len(self.sizes) <= self._takes else SpanExportResult.FAILURE


def test_many_spans_are_sent_in_pieces_that_take_little_time_to_encode(capsys):
    exporter = Refusing(takes=9)
    assert Reporter(exporter, "receiver").export(range(150)) is SpanExportResult.SUCCESS
    assert exporter.sizes == [64, 64, 22]
    assert capsys.readouterr().out == ""


def test_spans_that_could_not_be_sent_are_counted_and_logged_once_a_minute(capsys):
    exporter = Refusing(takes=1)
    reporter = Reporter(exporter, "receiver:4318")
    for _ in range(3):
        assert reporter.export(range(150)) is SpanExportResult.FAILURE
    (line,) = capsys.readouterr().out.splitlines()
    assert "traces_unsent" in line
    assert "host=receiver:4318" in line
    assert "spans=86" in line
