# Two images from one file:
#   docker build --target web -t thumbnails .               web process; worker and beat with another command
#   docker build --target engine -t thumbnails-engine .     headless Chromium
# Both for amd64 and arm64: see docs/operations/images.md. Each holds a list of its parts, /app/sbom.json, and of their licences,
# /app/licences.txt.
FROM python:3.13-slim-trixie AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
# A numeric user, so that Kubernetes can verify that it is not root.
RUN groupadd --gid 10001 app && useradd --uid 10001 --gid app --home-dir /tmp --no-create-home app
COPY requirements.txt .
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.txt
# Traces are an extra: docker build --build-arg TRACING=1
ARG TRACING=
COPY requirements-tracing.txt .
RUN if [ -n "$TRACING" ]; then \
      pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements-tracing.txt; \
    fi

# Lists the Python packages, with a tool that the images do not need.
FROM base AS parts
COPY requirements-parts.txt .
RUN python -m venv /tool \
    && /tool/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements-parts.txt \
    && /tool/bin/cyclonedx-py environment --output-reproducible --no-validate --output-file /python.json /usr/local/bin/python

FROM base AS engine
# Not pinned (DL3008): a browser must have the newest security updates.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends \
      chromium-headless-shell \
      chromium-sandbox \
      fonts-babelstone-han \
      fonts-liberation \
      fonts-noto-color-emoji \
      fonts-noto-core \
      fonts-wqy-zenhei \
      libjs-pdf \
      webext-ublock-origin-chromium \
    && rm -rf /var/lib/apt/lists/*
COPY cards cards
COPY netguard netguard
COPY options options
COPY telemetry telemetry
COPY engine engine
COPY --from=parts /python.json /tmp/
COPY scripts/image_parts.py /tmp/
RUN python /tmp/image_parts.py /tmp/python.json /app && rm /tmp/image_parts.py /tmp/python.json
USER 10001:10001
ENV ENGINE_HOST=0.0.0.0 ENGINE_PORT=8001
EXPOSE 8001
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
  CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"ENGINE_PORT\"]}/health', timeout=4)"]
CMD ["python", "-m", "engine"]

FROM base AS web
COPY *.py ./
COPY access access
COPY capture capture
COPY cards cards
COPY cli cli
COPY config config
COPY coordination coordination
COPY documents documents
COPY figures figures
COPY images images
COPY jobs jobs
COPY metadata metadata
COPY netguard netguard
COPY options options
COPY purge purge
COPY refresh refresh
COPY services services
COPY sites sites
COPY storage_backends storage_backends
COPY telemetry telemetry
COPY thumbnails thumbnails
COPY web web
COPY webhooks webhooks
COPY deploy/gunicorn.conf.py deploy/
COPY deploy/thumbnails /usr/local/bin/
# The folders of pictures, originals, the catalogue, and nginx' cache, from which purges remove files. A named volume that is
# mounted there takes over owner and mode.
RUN install -d -o app -g app data data/media \
    && install -d -o app -g app -m 700 data/originals data/catalogue /var/cache/nginx
COPY --from=parts /python.json /tmp/
COPY scripts/image_parts.py /tmp/
RUN python /tmp/image_parts.py /tmp/python.json /app && rm /tmp/image_parts.py /tmp/python.json
USER 10001:10001
ENV WEB_HOST=0.0.0.0 PORT=8000
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
  CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/health', timeout=4)"]
CMD ["gunicorn", "-c", "deploy/gunicorn.conf.py", "app:app"]
