"""What is captured in place of a page: HTML that a caller has sent, or that a template gives. Knows no HTTP.

A document is named by a `Target` without a host, so keys, jobs, purges and the log carry its name as they carry a URL:

- `document:<digest>` for HTML that somebody has sent: `Document.target`.
- `card:<template>@<version>?<data>` for a card: `Target.of_document(name)`. Logs show what precedes the first `?`.

To get a picture, make `ThumbnailRequest(as_written(target, width=1200, height=630), rendition, delivery)`, and call
`Thumbnailer.get(Ask(request, charge, request_id))`, as for a page. When the picture must be captured, the client of the
screenshot API asks `Documents.html_of(target)` for the HTML. `services` gives each scheme its source: a function from the
target to a `Document`, which raises a CaptureError if it has none. `Document(html)` requests nothing;
`Document(html, network=True)` requests through the guard what it names.

HTML that was sent lasts as long as its `Ask` does (`Ask.document`), and for a job in the Redis of the state
(`DocumentStore.keep`), until the job ends.
"""

from documents.markdown import THEMES, render_markdown
from documents.resolving import NOTHING_BLOCKED, Documents, Source, as_written
from documents.store import DocumentStore
from options import Document

__all__ = [
    "NOTHING_BLOCKED",
    "THEMES",
    "Document",
    "DocumentStore",
    "Documents",
    "Source",
    "as_written",
    "render_markdown",
]
