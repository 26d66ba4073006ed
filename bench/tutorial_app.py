"""The tutorial's design, reimplemented: the peer with which `make bench` compares.

Flask, Flask-Limiter on the route, one Redis key for URL, size and format, a synchronous call of the screenshot API.
Served as in such tutorials: `gunicorn -w 4 bench.tutorial_app:app`.
"""

import hashlib
import os

import redis
import requests
from flask import Flask, Response, jsonify, request
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

API_URL = os.environ.get("SCREENSHOT_API", "https://api.snapsharp.dev")
REDIS_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
CACHE_SECONDS = 86400

app = Flask(__name__)
cache = redis.Redis.from_url(REDIS_URL)
limiter = Limiter(get_remote_address, app=app, storage_uri=REDIS_URL)


def cache_key(url: str, width: int, height: int, image_format: str) -> str:
    return "tutorial:" + hashlib.sha256(f"{url}:{width}:{height}:{image_format}".encode()).hexdigest()


@app.get("/thumb")
@limiter.limit(os.environ.get("THUMB_LIMIT", "30 per minute"))
def thumb():
    url = request.args.get("url", "")
    if not url.startswith(("http://", "https://")):
        return jsonify(error="url must start with http:// or https://"), 400
    width, height = request.args.get("width", 1280, type=int), request.args.get("height", 720, type=int)
    image_format = request.args.get("format", "png")
    key = cache_key(url, width, height, image_format)
    picture = cache.get(key)
    state = "HIT"
    if picture is None:
        state = "MISS"
        try:
            picture = fetch(url, width, height, image_format)
        except requests.RequestException as err:
            return jsonify(error=f"screenshot failed: {type(err).__name__}"), 502
        cache.setex(key, CACHE_SECONDS, picture)
    headers = {"X-Cache": state, "Cache-Control": f"public, max-age={CACHE_SECONDS}"}
    return Response(picture, mimetype=f"image/{image_format}", headers=headers)


def fetch(url: str, width: int, height: int, image_format: str) -> bytes:
    params = {"url": url, "width": width, "height": height, "format": image_format}
    answer = requests.get(f"{API_URL}/v1/screenshot", params=params, headers={"X-API-Key": "bench"}, timeout=30)
    answer.raise_for_status()
    return answer.content
