"""The document at `/openapi.json` is valid, complete and true: requests made from it, by schemathesis, break no promise."""

import importlib
import json
import re
import resource
import shutil
import subprocess
import sys
from collections import Counter
from types import SimpleNamespace

import httpx
import jsonschema
import openapi_pydantic
import pytest
import redis as redis_library
import schemathesis
import schemathesis.engine
from PIL import Image
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure
from schemathesis.engine import events
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection

import services
from access import AccessRules, ApiKey
from app import create_app
from config import Settings
from errors import ThumbnailError
from options import JOB_OPTIONS, PRIVATE, THUMBNAIL_OPTIONS, contract
from sites import SiteDraft
from tests.support.screenshot_api import running_screenshot_api
from web.openapi import ROUTES, Installation, build_document, path_of_rule

pytestmark = pytest.mark.slow

KEY = "correct-horse-battery"
KEYED = {"X-API-Key": KEY}
BY_KEY = [{"bearer": []}, {"apiKey": []}]
FOR_PEOPLE = ("web.ui", "web.admin")  # what these answer are pages, and their files and forms
FOR_SITES = ("web.ui.embed", "web.ui.embedding")  # but these answer what pages of other sites load
UNLIMITED = dict.fromkeys(
    ("thumb_limit", "rendition_limit", "persist_limit", "request_limit", "job_limit"), "1000000 per hour"
)


@pytest.fixture(scope="module")
def served(redis_server, _migrated_file, tmp_path_factory):
    """The service with an API key, a screenshot API that draws everything, and a site of the catalogue."""
    folder = tmp_path_factory.mktemp("openapi")
    shutil.copy(_migrated_file, folder / "thumbnails.db")
    with redis_library.Redis.from_url(redis_server.url) as client:
        client.flushall()
    with running_screenshot_api("engine") as api:
        settings = Settings.of(
            redis_url=redis_server.url,
            capture_api="engine",
            capture_url=api.url,
            persist_dir=folder / "media",
            database_url=f"sqlite:///{folder}/thumbnails.db",
            originals="redis",
            api_keys=f"cms:{KEY}",
            allow_ignore_https_errors=True,
            **UNLIMITED,
        )
        built = services.build(settings, lambda _name: ["93.184.216.34"])
        built.catalogue.add(SiteDraft("https://a.example/"))
        app = create_app(settings, built)
        yield SimpleNamespace(app=app, client=app.test_client(), workers=built.jobs.store.workers)
        built.close()


@pytest.fixture(scope="module")
def document(served):
    return served.client.get("/openapi.json").json


def test_the_document_is_valid(document):
    assert openapi_pydantic.parse_obj(document).openapi == "3.1.1"
    schemathesis.openapi.from_dict(document).validate()


def test_the_document_has_every_route_for_programs_and_no_other(served, document):
    rules = [rule for rule in served.app.url_map.iter_rules() if not for_people(served.app, rule)]
    routes = {(method, path_of_rule(rule.rule)) for rule in rules for method in rule.methods - {"HEAD", "OPTIONS"}}
    assert {each for route in ROUTES for each in route.routes} == routes
    told = {f"{name.upper()} {path}" for path, methods in document["paths"].items() for name in methods}
    assert told == {route.route for route in ROUTES}


def for_people(app, rule):
    view = app.view_functions[rule.endpoint]
    module = getattr(view, "__module__", "")
    return module.startswith(FOR_PEOPLE) and module not in FOR_SITES


def test_an_operation_and_a_route_have_names_of_their_own():
    names, routes = Counter(route.name for route in ROUTES), Counter(route.route for route in ROUTES)
    assert max(names.values()) == max(routes.values()) == 1


def test_every_option_is_told(document):
    query = {name.removeprefix("query.") for name in document["components"]["parameters"]}
    assert THUMBNAIL_OPTIONS.keys() - PRIVATE - {"sig"} <= query
    schemas = document["components"]["schemas"]
    assert schemas["ThumbnailOptions"]["properties"].keys() == THUMBNAIL_OPTIONS.keys() - {"sig"}
    assert JOB_OPTIONS.keys() <= schemas["BatchOptions"]["properties"].keys()
    assert schemas["ContractOptions"]["properties"].keys() == contract.NAMES - set(contract.UNAVAILABLE)


def test_every_error_is_told(document):
    told = {code for response in problems(document) for code in response["x-error-codes"]}
    codes = {kind.code for kind in below(ThumbnailError)}
    assert codes - told == set()


def below(kind):
    for each in kind.__subclasses__():
        yield each
        yield from below(each)


def problems(document):
    yield from document["components"]["responses"].values()
    for methods in document["paths"].values():
        for operation in methods.values():
            yield from (each for each in operation["responses"].values() if "x-error-codes" in each)


def test_a_reader_who_has_the_document_gets_304(served):
    tag = served.client.get("/openapi.json").headers["ETag"]
    assert served.client.get("/openapi.json", headers={"If-None-Match": tag}).status_code == 304


@pytest.mark.parametrize(
    ("rules", "thumb", "persist"),
    [
        (AccessRules(), [{}, *BY_KEY], [{}, *BY_KEY]),
        (AccessRules(keys=(ApiKey("cms", KEY),)), [{}, *BY_KEY], BY_KEY),
        (AccessRules(signing_keys=("a-signing-key",)), [{"signature": []}], BY_KEY),
    ],
)
def test_the_document_tells_what_its_installation_asks_for(rules, thumb, persist):
    installation = Installation({each for route in ROUTES for each in route.routes}, rules, True, "1", "/")
    paths = build_document(ROUTES, installation)["paths"]
    assert paths["/thumb"]["get"]["security"] == thumb
    assert paths["/persist"]["post"]["security"] == persist
    assert paths["/health"]["get"]["security"] == []


@pytest.mark.parametrize("key", [{}, {"Authorization": "Bearer wrong"}])
def test_a_route_that_needs_a_key_by_the_document_refuses_a_request_without_one(served, document, key):
    answered = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if operation["security"] == BY_KEY:
                body = {"json": {"url": "https://example.com/"}} if method == "post" else {}
                response = served.client.open(re.sub("{.*?}", "1" * 32, path), method=method, headers=key, **body)
                answered[f"{method} {path}"] = response.status_code
    assert set(answered.values()) == {400, 401}  # what is malformed is refused first
    assert sum(status == 401 for status in answered.values()) > 15


# The generator knows one type of binary content.
BINARY = ("image/png", "image/webp", "image/jpeg", "image/avif", "application/pdf", "application/zip")
GENERATOR = {"content_type_overrides": dict.fromkeys(BINARY, "application/octet-stream"), "post_hooks": []}
WITHOUT_TYPE = {"get_feed", "import_sites"}  # operations whose feed and lists it does not know


@pytest.fixture(scope="module")
def generated(document, tmp_path_factory):
    """Make a client from the document, as its users do. It can be imported."""
    folder = tmp_path_factory.mktemp("generated")
    (folder / "openapi.json").write_text(json.dumps(document))
    (folder / "config.json").write_text(json.dumps(GENERATOR))
    words = ("--path", "openapi.json", "--config", "config.json", "--output-path", "generated_client", "--meta", "none")
    program = (sys.executable, "-m", "openapi_python_client", "generate", *words)
    told = subprocess.run(program, cwd=folder, check=True, capture_output=True, text=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield SimpleNamespace(folder=folder / "generated_client", told=told.stdout)


def test_a_generated_client_has_every_operation(generated, document):
    names = {path.stem for path in generated.folder.glob("api/*/*.py")}
    operations = {each["operationId"] for methods in document["paths"].values() for each in methods.values()}
    assert operations - names <= WITHOUT_TYPE


def test_a_generated_client_captures_a_picture(generated, served):
    client_of = importlib.import_module("generated_client").AuthenticatedClient
    models = importlib.import_module("generated_client.models")
    get = importlib.import_module("generated_client.api.thumbnails.get_thumbnail")
    post = importlib.import_module("generated_client.api.thumbnails.post_thumbnail")
    persist = importlib.import_module("generated_client.api.permanent_pictures.persist")
    transport = {"transport": httpx.WSGITransport(app=served.app)}
    with client_of(base_url="http://localhost", token=KEY, httpx_args=transport) as client:
        page = "https://generated.example/"
        picture = get.sync(client=client, url_query=page, w=320, format_=models.GetThumbnailFormat.WEBP)
        assert Image.open(picture.payload).size == (320, 180)
        phone = models.ThumbnailOptions(url=page, device=models.ThumbnailOptionsDeviceType0.IPHONE_14)
        answer = post.sync(client=client, body=phone)
        assert Image.open(answer.payload).size == (1170, 2532), answer
        stored = persist.sync(client=client, body=models.PermanentPictureOptions(url=page))
        assert (stored.cached, stored.width) == (True, 1280)
        problem = get.sync(client=client, url_query="http://10.0.0.1/")
        assert (problem.code, problem.retryable) == ("blocked_url", False)
        assert client.get_httpx_client().get("/v1/usage").status_code == 200


# A well-formed request may be refused all the same: for a page that the guard refuses, or for two options that exclude each
# other. `ignored_auth` fails by itself where an application is called in process. `refuses_what_is_forbidden` stands for
# `negative_data_rejection`.
CHECKS = {name: {"enabled": False} for name in ("positive_data_acceptance", "ignored_auth", "negative_data_rejection")}
REFUSALS = [400, 401, 403, 404, 405, 406, 409, 412, 413, 415, 501]
# They read the options of `GET /thumb` by the same reader.
LIKE_THUMB = (
    *("GET /meta", "GET /icon", "GET /oembed", "GET /embed", "GET /explain"),
    *("GET /cards/check.json", "GET /cards/picture"),
)
PHASES = ("examples", "coverage", "fuzzing", "stateful")
CONFIG = {
    "seed": 1,
    "continue-on-failure": True,
    "generation": {"max-examples": 6, "deterministic": True, "no-shrink": True, "database": "none"},
    "phases": {phase: {"enabled": True} for phase in PHASES},
    "checks": CHECKS | {"negative_data_rejection": {"enabled": False, "expected-statuses": REFUSALS}},
    "operations": [
        *({"include-name": name, "phases": {"coverage": {"enabled": False}}} for name in LIKE_THUMB),
        {
            "include-name": "GET /oembed",
            "checks": {"not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", 501]}},
        },
    ],
    "auth": {"openapi": {"bearer": {"bearer": KEY}}},
}
# Of many sites, each is refused by itself. The options and the page of a path are read together, as it is written. In
# SnapSharp's contract, a null is left out and a number may be a text.
TAKES_MUCH = ("POST /sites", "POST /sites/import", "GET /t/{options}/{page}", "POST /v1/og-image")
FRACTION = re.compile(r"\d+\.\d+")


@schemathesis.check
def refuses_what_is_forbidden(ctx, response, case):
    """Fail if a request that the document forbids is served. The service rounds fractions in a query."""
    is_rounded = any(FRACTION.fullmatch(str(value)) for value in dict(case.query or {}).values())
    if case.operation.label not in TAKES_MUCH and not is_rounded:
        negative_data_rejection(ctx, response, case)


@schemathesis.check
def only_codes_that_the_document_names(ctx, response, case):
    """Fail for a problem with a code that the document does not name for this operation and status."""
    if "problem+json" in response.headers.get("content-type", [""])[0]:
        responses = case.operation.definition.raw["responses"]
        told = resolved(case.operation.schema.raw_schema, responses.get(str(response.status_code), {}))
        if told and (code := response.json()["code"]) not in told["x-error-codes"]:
            raise Failure(operation=case.operation.label, title="Unknown code", message=code)


# What HTTP, CORS and the safety of browsers ask of every answer: it is no route's own.
FOR_EVERY_ANSWER = re.compile(
    "content-(type|length|security-policy)|date|x-content-type-options|vary|timing-allow-origin|(access-control|cross-origin)-.*"
)


@schemathesis.check
def only_headers_that_the_document_names(ctx, response, case):
    """Fail for a header that the document does not name for this operation and status."""
    if response.request.method.upper() != case.operation.method.upper():
        return  # a method that the path does not have
    responses = case.operation.definition.raw["responses"]
    told = resolved(case.operation.schema.raw_schema, responses.get(str(response.status_code), {}))
    names = {name.lower() for name in told.get("headers", {})}
    unknown = {name for name in map(str.lower, response.headers) if not FOR_EVERY_ANSWER.fullmatch(name)} - names
    if told and unknown:
        raise Failure(operation=case.operation.label, title="Unknown header", message=", ".join(sorted(unknown)))


def resolved(document, found):
    while "$ref" in found:
        path, found = found["$ref"].removeprefix("#/").split("/"), document
        for name in path:
            found = found[name]
    return found


def closed(document):
    """Return the document with the objects of responses closed, so that a member that is not told is a breach."""
    document = json.loads(json.dumps(document))
    sent = {name for name in document["components"]["schemas"] if name.endswith("Options")}
    for name, schema in document["components"]["schemas"].items():
        if name not in sent:
            close(schema)
    return document


def close(schema):
    if isinstance(schema, dict):
        if schema.get("type") == "object" and "properties" in schema:
            schema.setdefault("additionalProperties", False)
        schema = list(schema.values())
    if isinstance(schema, list):
        for each in schema:
            close(each)


# Bodies of these kinds are tried with every option. Other bodies take the same options by the same reader: of them, one of
# each type is tried there, beside what is the body's own.
READ_WHOLE = ("ThumbnailOptions", "ContractOptions", "ContractDocumentOptions")
OF_EACH_TYPE = {"url", "width", "format", "full_page", "clip"}


def narrowed(document):
    """Return the document without the options that it tells again, in bodies of other operations."""
    document = json.loads(json.dumps(document))
    schemas = document["components"]["schemas"]
    repeated = {name for whole in READ_WHOLE for name in schemas[whole]["properties"]} - OF_EACH_TYPE
    bodies = [operation.get("requestBody", {}) for each in document["paths"].values() for operation in each.values()]
    narrow(bodies, schemas, repeated)
    return document


def narrow(schema, schemas, repeated):
    if isinstance(schema, list):
        for each in schema:
            narrow(each, schemas, repeated)
    elif isinstance(schema, dict):
        name = schema.get("$ref", "").rpartition("/")[2]
        if name and name not in READ_WHOLE:
            narrow(schemas[name], schemas, repeated)
        options = schema.get("properties", {})
        if len(options.keys() & repeated) > 10:
            schema["properties"] = {name: told for name, told in options.items() if name not in repeated}
        narrow(list(schema.values()), schemas, repeated)


JSON_VALUES = (1, 0, 1.5, True, False, None, [], ["png"], [1], [[]], {}, {"a": 1})
BODIES = {  # of each operation that reads options in JSON, what else it must have
    "POST /thumb": {"url": "https://first.example/"},
    "POST /persist": {"url": "https://first.example/"},
    "POST /screenshots": {"url": "https://first.example/"},
    "POST /render": {"html": "<p>Text"},
    "POST /v1/screenshot": {"url": "https://first.example/"},
    "POST /v1/html-to-image": {"html": "<p>Text"},
    "POST /v1/og-image": {"template": "blog-post", "data": {"title": "Text"}},
    "POST /purge": {},
}
# What an option must have beside itself instead.
BESIDE = {("POST /render", "markdown"): {}, ("POST /render", "theme"): {"markdown": "Text"}}


@pytest.mark.parametrize("label", BODIES)
def test_a_value_of_another_type_is_refused_for_an_option_that_is_text(served, document, label):
    """The error begins with the option, and says what it must be. A null is served where the document lets it pass."""
    path = label.partition(" ")[2]
    answered, refused = {}, 0
    for name, schema in text_options(document, path).items():
        allows = jsonschema.Draft202012Validator(schema).is_valid
        for value in JSON_VALUES:
            body = BESIDE.get((label, name), BODIES[label]) | {name: value}
            served.workers.announce()
            answer = served.client.post(path, json=body, headers=KEYED)
            told = answer.json.get("detail") or answer.json.get("message") if answer.is_json else ""
            if allows(value):
                answered[name, str(value)] = answer.status_code < 300
            else:
                words = rf"{name}: (must be|is missing; set it to) \S"
                answered[name, str(value)] = answer.status_code == 400 and re.match(words, told)
                refused += 1
    assert [each for each, as_told in answered.items() if not as_told] == []
    assert refused >= 10


def text_options(document, path):
    """Return the schemas of the options of a body that are texts, by name."""
    body = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    wholes = [resolved(document, each) for each in body.get("oneOf", body.get("anyOf", [body]))]
    options = {name: schema for whole in wholes for name, schema in whole["properties"].items()}
    return {name: schema for name, schema in options.items() if "string" in types_of(schema)}


def types_of(schema):
    kinds = schema.get("type", [])
    return {*([kinds] if isinstance(kinds, str) else kinds)}.union(*map(types_of, schema.get("anyOf", [])))


STATE = {"Accept": "application/json"}
OTHERWISE = [  # what schemathesis does not ask for: other representations, by Accept and by Prefer
    ("GET /thumb", {"url": "https://soon.example/"}, STATE, 202),
    ("GET /thumb", {"url": "https://state.example/", "wait": "20"}, STATE, 200),
    ("GET /thumb", {"url": "http://10.0.0.1/"}, STATE, 400),
    ("GET /thumb", {"url": "http://10.0.0.1/"}, {"Accept": "image/*"}, 400),
    ("GET /thumb", {"url": "https://first.example/", "format": "lqip"}, {}, 200),
    ("GET /thumb", {"url": "https://job.example/"}, {"Prefer": "respond-async"}, 202),
    ("GET /thumb", {"url": "https://first.example/", "image": "og", "wait": "20"}, {}, 404),
    ("GET /thumb", {"url": "https://new.example/"}, {"If-None-Match": "*"}, 304),
    ("GET /thumb", {"url": "https://later.example/", "wait": "0"}, {"Accept": "image/*"}, 202),
    ("GET /icon", {"url": "https://letter.example/", "wait": "0"}, {}, 202),
    ("GET /meta", {"url": "https://first.example/"}, {"If-None-Match": "*"}, 304),
    ("GET /oembed", {"url": "https://first.example/"}, {"If-None-Match": "*"}, 304),
    ("GET /oembed", {"url": "https://card.example/", "format": "xml"}, {}, 200),
    ("GET /embed", {"url": "https://frame.example/", "wait": "0"}, {}, 202),
    ("GET /embed", {"url": "https://first.example/", "theme": "dark"}, {}, 200),
    ("GET /embed", {"url": "https://first.example/", "as": "html"}, {}, 200),
    ("GET /embed", {"url": "https://first.example/"}, {"If-None-Match": "*"}, 304),
    ("GET /embed", {"url": "http://10.0.0.1/", "as": "html"}, {}, 400),
    ("GET /embed", {"url": "https://first.example/"}, {"X-API-Key": "wrong"}, 401),
    ("GET /thumbs.js", {}, {}, 200),
    ("GET /thumbs.js", {}, {"If-None-Match": "*"}, 304),
    ("GET /v1/screenshot", {"url": "https://contract.example/"}, {}, 200),
    ("GET /v1/screenshot", {"url": "https://contract.example/"}, {"If-None-Match": "*"}, 304),
    ("GET /sites", {"tag": ["a", "b"]}, {}, 200),
]


@pytest.fixture(scope="module")
def whole(served, document):
    """What schemathesis reads in the document."""
    schema = schemathesis.openapi.from_dict(closed(document), config=SchemathesisConfig.from_dict(CONFIG))
    schema.app = with_worker(served)
    return schema


@pytest.mark.parametrize(("label", "query", "headers", "status"), OTHERWISE)
def test_other_representations_are_told_too(whole, label, query, headers, status):
    case = whole.find_operation_by_label(label).Case(query=query, headers=KEYED | headers)
    assert case.call_and_validate().status_code == status


@pytest.mark.timeout(600)
def test_no_request_made_from_the_document_breaks_it(served, document, capsys):
    told = narrowed(closed(document))
    schema = schemathesis.openapi.from_dict(told, config=SchemathesisConfig.from_dict(CONFIG))
    schema.app = with_worker(served)
    checks, statuses, breaches, tried = Counter(), Counter(), [], set()
    began = processor_time()
    for event in schemathesis.engine.from_schema(schema).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            breaches.append(str(getattr(event, "value", None) or event.exception))
        if isinstance(event, events.ScenarioFinished):
            answers = [each.response for each in event.recorder.interactions.values()]
            statuses.update(each.status_code for each in answers if each is not None)
            tried |= {
                (each.value.operation.label, each.value.meta.generation.mode) for each in event.recorder.cases.values()
            }
            checks.update(node.name for nodes in event.recorder.checks.values() for node in nodes)
            breaches += [described(event.recorder, *each) for each in failures(event.recorder)]
    figures = f"{len(list(schema.get_all_operations()))} operations, {statuses.total()} cases, {checks.total()} checks"
    with capsys.disabled():
        sys.stdout.write(f"\n{figures} in {processor_time() - began:.0f} s of processor time; {dict(statuses)}\n")
    if breaches:
        pytest.fail("\n".join(breaches))
    labels = {operation.ok().label for operation in schema.get_all_operations()}
    assert {(label, mode) for label in labels for mode in GenerationMode} - tried == set()
    assert len(checks) >= 10
    assert statuses.total() > 3000


def with_worker(served):
    """Return the application as it is while a worker runs. Its jobs stay where they are."""

    def serve(environ, start_response):
        served.workers.announce()
        return served.app(environ, start_response)

    return serve


def processor_time():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def failures(recorder):
    for case_id, nodes in recorder.checks.items():
        yield from ((case_id, node) for node in nodes if node.failure_info)


def described(recorder, case_id, node):
    interaction = recorder.interactions.get(case_id)
    request = f"{interaction.request.method} {interaction.request.uri}" if interaction else recorder.label
    return f"{request}: {node.name}: {node.failure_info.failure.title}: {node.failure_info.failure.message}"
