FROM python:3.11-slim
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 VAR_DIR=/var/lib/kartra-mirror
RUN useradd --system --create-home mirror && mkdir -p $VAR_DIR && chown mirror $VAR_DIR
WORKDIR /app
COPY requirements.lock ./
RUN pip install --no-cache-dir --no-deps --require-hashes -r requirements.lock && pip check
COPY manage.py pyproject.toml ./
COPY kartra_mirror kartra_mirror
COPY leads leads
COPY integrations integrations
COPY templates templates
RUN VAR_DIR=/tmp/build PUBLIC_URL=https://build.invalid SECRET_KEY=build DIGEST_KEYS=build FIELD_ENCRYPTION_KEYS=x python manage.py collectstatic --noinput --verbosity 0
USER mirror
ENV WEB_HOST=0.0.0.0
EXPOSE 8000
CMD ["gunicorn", "kartra_mirror.wsgi", "--config", "kartra_mirror/gunicorn.py"]
