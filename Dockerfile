# One image for web, push, apply, beat and commands. Nothing in it is written to but VAR_DIR and /tmp, so its root may be read-only.
# Bases are exact versions: change the number, build, and look again with `make image-check`.
FROM python:3.11.14-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
COPY requirements.lock /build/
RUN /opt/venv/bin/pip install --no-cache-dir --no-deps --require-hashes -r /build/requirements.lock && /opt/venv/bin/pip check

FROM python:3.11.14-slim-bookworm
# The user has a fixed number, so that files outside the container can be given to it.
RUN groupadd --gid 10001 mirror \
    && useradd --uid 10001 --gid mirror --no-create-home --home-dir /var/lib/kartra-mirror --shell /usr/sbin/nologin mirror \
    && install --directory --owner mirror --group mirror --mode 0700 /var/lib/kartra-mirror
ENV PATH=/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    VAR_DIR=/var/lib/kartra-mirror \
    WEB_HOST=0.0.0.0 \
    WEB_PORT=8000
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
COPY manage.py pyproject.toml ./
COPY kartra_mirror kartra_mirror
COPY leads leads
COPY integrations integrations
COPY templates templates
# Pictures, styles and scripts, served by the web process; the proxy passes everything on. Values that only have to be there.
RUN python -m compileall -q /app \
    && VAR_DIR=/tmp/build PUBLIC_URL=https://build.invalid SECRET_KEY=build DIGEST_KEYS=build FIELD_ENCRYPTION_KEYS=build \
       python manage.py collectstatic --noinput --verbosity 0 \
    && rm -rf /tmp/build
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["gunicorn", "kartra_mirror.wsgi", "--config", "kartra_mirror/gunicorn.py"]
