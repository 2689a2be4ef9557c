"""Every setting, from the environment (see .env.example). Defaults are those that are safe in production."""

import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from kombu import Exchange, Queue

from kartra_mirror import keys
from kartra_mirror.logs import logging_config
from kartra_mirror.private_files import keep_private
from kartra_mirror.theme import UNFOLD as UNFOLD

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env")

DEBUG = env.bool("DEBUG", default=False)
# Without a key and a database of its own it is the set-up of `make run`: SQLite, keys kept in VAR_DIR, plain http.
EMBEDDED = env.bool("EMBEDDED", default="SECRET_KEY" not in env.ENVIRON and "DATABASE_URL" not in env.ENVIRON)
VAR_DIR = Path(env.str("VAR_DIR", default=str(BASE_DIR / "var"))).resolve()
keep_private(VAR_DIR)

WEB_HOST = env.str("WEB_HOST", default="127.0.0.1")
WEB_PORT = env.int("WEB_PORT", default=8000)
WEB_WORKERS = env.int("WEB_WORKERS", default=2)  # processes of gunicorn
WEB_THREADS = env.int("WEB_THREADS", default=8)  # of each
WEB_SILENCE_S = env.int("WEB_SILENCE_S", default=10)  # so long a thread waits for a client in the middle of a request
PUBLIC_URL = env.str("PUBLIC_URL", default=f"http://127.0.0.1:{WEB_PORT}")
_public = urlsplit(PUBLIC_URL)
SECURE = _public.scheme == "https"  # production: reached over https

_kept = {} if SECURE else keys.kept_in(VAR_DIR)
SECRET_KEY = env.str("SECRET_KEY", default=_kept["SECRET_KEY"] if EMBEDDED and _kept else environ.Env.NOTSET)
FIELD_ENCRYPTION_KEYS = env.list("FIELD_ENCRYPTION_KEYS", default=[_kept["FIELD_ENCRYPTION_KEYS"]] if _kept else [])
KEYS_ARE_KEPT = EMBEDDED and bool(_kept) and _kept["SECRET_KEY"] == SECRET_KEY
# Newest first. By them addresses and forgotten people are known again; they stay when SECRET_KEY is changed.
DIGEST_KEYS = env.list(
    "DIGEST_KEYS", default=env.list("DIGEST_KEY", default=[_kept["DIGEST_KEYS"]] if EMBEDDED and _kept else [])
)  # DIGEST_KEY: as it was called while there was one

ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = [f"{_public.scheme}://{_public.netloc}"]

# --- Kartra

KARTRA_API_URL = env.str("KARTRA_API_URL", default="https://app.kartra.com/api")
_LOOPBACK = ["127.0.0.1", "localhost", "::1"] if DEBUG or EMBEDDED or not SECURE else []
PLAIN_HTTP_HOSTS = env.list("PLAIN_HTTP_HOSTS", default=_LOOPBACK)
# Keys are sent to these alone, and to those named for plain http and by KARTRA_API_URL.
_hosts = ["app.kartra.com", *env.list("KARTRA_HOSTS", default=[]), *PLAIN_HTTP_HOSTS, urlsplit(KARTRA_API_URL).hostname]
KARTRA_HOSTS = list(dict.fromkeys(filter(None, _hosts)))
KARTRA_CONNECT_TIMEOUT_S = env.float("KARTRA_CONNECT_TIMEOUT_S", default=5.0)
KARTRA_READ_TIMEOUT_S = env.float("KARTRA_READ_TIMEOUT_S", default=20.0)
KARTRA_DEADLINE_S = env.float("KARTRA_DEADLINE_S", default=30.0)  # the whole call
CONSOLE_WAIT_S = env.float("CONSOLE_WAIT_S", default=10.0)  # so long the console waits for what became of a change
PUSH_SENDERS = env.int("PUSH_SENDERS", default=24)  # calls in flight in one process, at most
REFRESH_READERS = env.int("REFRESH_READERS", default=8)
VERIFY_SETTLE_S = [float(seconds) for seconds in env.list("VERIFY_SETTLE_S", default=["30", "120", "600"])]
VERIFY_MONEY_SETTLE_S = [float(s) for s in env.list("VERIFY_MONEY_SETTLE_S", default=["300", "3600", "86400"])]
OUTAGE_FAILURES = 5  # calls in a row without an answer that stop sending for the whole app
OUTAGE_PROBE_S = env.float("OUTAGE_PROBE_S", default=60.0)  # then one harmless call so often
ALERT_URL = env.str("ALERT_URL", default="")  # gets {"text": …}, as Slack's incoming webhooks do
HEARTBEAT_URL = env.str("HEARTBEAT_URL", default="")  # called once a minute while the sweep runs
ALERT_AFTER_MIN = env.float("ALERT_AFTER_MIN", default=10.0)  # what waits for a person for so long is told
vars().update(env.email_url("EMAIL_URL", default="consolemail://" if EMBEDDED else "smtp://localhost:25"))
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.str("MAIL_FROM", default="kartra-mirror@localhost")
EMAIL_SUBJECT_PREFIX = ""
ADMINS = [(address, address) for address in env.list("ADMINS", default=[])]
REFRESH_WITHIN_H = env.float("REFRESH_WITHIN_H", default=24.0)
ORDERS_WITHIN_H = env.float("ORDERS_WITHIN_H", default=720.0)
# How long rows are kept, in days; 0 for ever. What must stay does (integrations/retention.py).
KEEP_READS_DAYS = env.int("KEEP_READS_DAYS", default=90)
KEEP_CALLS_DAYS = env.int("KEEP_CALLS_DAYS", default=365)
KEEP_DELIVERIES_DAYS = env.int("KEEP_DELIVERIES_DAYS", default=365)
KEEP_CHANGES_DAYS = env.int("KEEP_CHANGES_DAYS", default=730)
KEEP_ACTIVITY_DAYS = env.int("KEEP_ACTIVITY_DAYS", default=0)
KEEP_UPLOADS_DAYS = env.int("KEEP_UPLOADS_DAYS", default=7)
KEEP_REJECTS_DAYS = env.int("KEEP_REJECTS_DAYS", default=90)
KEEP_PEOPLE_LISTS_DAYS = env.int("KEEP_PEOPLE_LISTS_DAYS", default=180)  # after they were last used
KEEP_DRAFTS_DAYS = env.int("KEEP_DRAFTS_DAYS", default=7)
KEEP_ADMIN_LOG_DAYS = env.int("KEEP_ADMIN_LOG_DAYS", default=730)
KEEP_SIGN_INS_DAYS = env.int("KEEP_SIGN_INS_DAYS", default=90)
KEEP_SESSIONS_DAYS = env.int("KEEP_SESSIONS_DAYS", default=1)  # after they are over
SUBJECT_REQUEST_DAYS = env.int("SUBJECT_REQUEST_DAYS", default=30)
SANDBOX_URL = env.str("SANDBOX_URL", default=f"http://127.0.0.1:{env.str('SANDBOX_PORT', default='9100')}")

# --- Django

INSTALLED_APPS = [
    "django.forms",
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "kartra_mirror.admin.apps.MirrorAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "axes",
    "csp",
    "kartra_mirror.groups.WiringConfig",
    "leads.apps.LeadsConfig",
    "integrations.apps.IntegrationsConfig",
]

MIDDLEWARE = [
    "kartra_mirror.edge.request_ids.RequestIds",
    "kartra_mirror.health.Probes",
    "django.middleware.security.SecurityMiddleware",
    "integrations.webhooks.Door",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "kartra_mirror.edge.csp.ContentSecurityPolicy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "kartra_mirror.entry.sessions.SessionEnds",
    "kartra_mirror.entry.time_zones.ReadersZone",
    "kartra_mirror.entry.second_factor.SecondFactorGate",
    "kartra_mirror.edge.body_limits.BodyLimits",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "kartra_mirror.urls"
WSGI_APPLICATION = "kartra_mirror.wsgi.application"

FORM_RENDERER = "django.forms.renderers.TemplatesSetting"  # so that widgets of ours are found in templates/

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "builtins": ["kartra_mirror.frame.parts"],
        },
    }
]

DATABASES = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'db.sqlite3'}")}
_database = DATABASES["default"]
_database["CONN_MAX_AGE"] = None
if "sqlite" in _database["ENGINE"]:
    _database["OPTIONS"] = {"transaction_mode": "IMMEDIATE", "timeout": 10}
    _database["OPTIONS"]["init_command"] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
    # a file: threads of a test have connections of their own
    _database["TEST"] = {"NAME": str(VAR_DIR / "test.sqlite3")}
else:
    _database["CONN_HEALTH_CHECKS"] = True
    # Compiling a query costs seconds, and the lists' queries run for milliseconds. `?options=…` in the address replaces it.
    _database.setdefault("OPTIONS", {}).setdefault("options", "-c jit=off")
    _database["OPTIONS"].setdefault("connect_timeout", 2)  # s; Kartra waits for the answer to its message meanwhile
    _database["OPTIONS"].setdefault("tcp_user_timeout", 10_000)  # ms; of a machine that is gone nobody says so
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "kartra_mirror.entry.backend.StaffBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
# Of models that are not ours and are shown: how a row leads to its account, as `account_path` of ours; None: everybody's.
ACCOUNT_PATHS = {
    "auth.user": None,
    "auth.group": None,
    "auth.permission": None,
    "axes.accessattempt": None,
    "axes.accessfailurelog": None,
    "axes.accesslog": None,
}
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
PROXY_COUNT = env.int("PROXY_COUNT", default=0)  # reverse proxies in front; what they tell is believed, nobody else
# Wrong passwords within a quarter of an hour: of a name from an address, from an address, of a name on devices new to it.
SIGN_IN_TRIES = env.int("SIGN_IN_TRIES", default=8)
SIGN_IN_TRIES_ADDRESS = env.int("SIGN_IN_TRIES_ADDRESS", default=60)
SIGN_IN_TRIES_NAME = env.int("SIGN_IN_TRIES_NAME", default=40)
PASSWORD_LINKS_PER_HOUR = env.int("PASSWORD_LINKS_PER_HOUR", default=5)  # mails to one mail address
PASSWORD_LINKS_PER_HOUR_ADDRESS = env.int("PASSWORD_LINKS_PER_HOUR_ADDRESS", default=20)  # asked for from one address
SESSION_IDLE_MIN = env.int("SESSION_IDLE_MIN", default=720)  # a session that nobody uses ends; 0: after two weeks
SESSION_COOKIE_AGE = max(14 * 24 * 3600, SESSION_IDLE_MIN * 60)
SECOND_FACTOR = env.str("SECOND_FACTOR", default="off")  # "money": for those who may move money or keys; "all"
AXES_HANDLER = "kartra_mirror.entry.throttle.SignInHandler"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"], "ip_address", "username"]
AXES_FAILURE_LIMIT = SIGN_IN_TRIES
AXES_COOLOFF_TIME = 0.25  # hours
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_CLIENT_IP_CALLABLE = "kartra_mirror.entry.addresses.counted_address"
AXES_USERNAME_CALLABLE = "kartra_mirror.entry.throttle.counted_name"
AXES_VERBOSE = False
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_TEMPLATE = "admin/staff/locked.html"

MAIL_IS_SET_UP = bool(env.str("EMAIL_URL", default=""))  # else pages show the link that a mail would hold
EMAIL_TIMEOUT = 10

LANGUAGE_CODE = env.str("LANGUAGE_CODE", default="en-us")
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
USE_I18N = True
FORMAT_MODULE_PATH = ["kartra_mirror.formats"]
LOCALE_PATHS = [BASE_DIR / "locale"]  # where catalogues of other languages go
USE_TZ = True
USE_THOUSAND_SEPARATOR = True

STATIC_URL = "static/"
_static = BASE_DIR / "staticfiles"
_collected = (_static / "staticfiles.json").exists() or "collectstatic" in sys.argv  # as in the Dockerfile
STATIC_ROOT = _static if _collected else None
WHITENOISE_USE_FINDERS = not _collected
_files = "whitenoise.storage.CompressedManifest" if _collected else "django.contrib.staticfiles.storage."
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": f"{_files}StaticFilesStorage",
        "OPTIONS": {"file_permissions_mode": 0o644, "directory_permissions_mode": 0o755},
    },
}
FILE_UPLOAD_PERMISSIONS = 0o600
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o700

STRANGER_MAX_KB = env.int("STRANGER_MAX_KB", default=64)  # a body from somebody who is not signed in
FORM_MAX_KB = env.int("FORM_MAX_KB", default=4096)  # a form without files
# of each webhook address: what may come within an hour, above it 429; new leads within a day before a person looks, or a share of all
WEBHOOK_MESSAGES_PER_HOUR = env.int("WEBHOOK_MESSAGES_PER_HOUR", default=100_000)
WEBHOOK_MB_PER_HOUR = env.int("WEBHOOK_MB_PER_HOUR", default=500)
WEBHOOK_NEW_LEADS_PER_DAY = env.int("WEBHOOK_NEW_LEADS_PER_DAY", default=1000)
WEBHOOK_NEW_LEADS_SHARE = env.float("WEBHOOK_NEW_LEADS_SHARE", default=0.1)
SPOOL_MAX_MB = env.float("SPOOL_MAX_MB", default=512)  # messages kept in VAR_DIR while the database is away
IMPORT_MAX_MB = env.int("IMPORT_MAX_MB", default=200)  # a file that is loaded in the admin
DATA_UPLOAD_MAX_MEMORY_SIZE = FORM_MAX_KB * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000
REDIS_URL = env.str("REDIS_URL", default="")
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
if env.bool("CACHE_IN_REDIS", default=False):
    CACHES["default"] = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")

# --- security

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
if SECURE and not DEBUG:
    SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=True)
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if PROXY_COUNT > 0 else None
    SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31536000)
    SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("SECURE_HSTS_INCLUDE_SUBDOMAINS", default=True)
    SECURE_HSTS_PRELOAD = env.bool("SECURE_HSTS_PRELOAD", default=True)
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True

# --- Celery: the broker wakes workers, the database is the truth

CELERY_BROKER_URL = REDIS_URL or "filebroker://"
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {"folder": str(VAR_DIR / "broker")}
if REDIS_URL:
    CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 3600, "socket_connect_timeout": 0.5, "socket_timeout": 5}
    CELERY_BROKER_TRANSPORT_OPTIONS |= {"max_retries": 0, "queue_order_strategy": "round_robin"}
CELERY_BROKER_CONNECTION_TIMEOUT = 0.5
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a worker outlives the longest outage of its broker
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "read"
CELERY_TASK_QUEUES = [Queue(name, Exchange(name), routing_key=name) for name in ("push", "apply", "read")]
CELERY_TASK_ROUTES = {
    "integrations.tasks.push_*": {"queue": "push"},
    "integrations.tasks.apply_*": {"queue": "apply"},
    "integrations.tasks.*": {"queue": "read"},
}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "beat-schedule")
CELERY_BEAT_SCHEDULER = "kartra_mirror.celery:Scheduler"
ALIVE_FILE = env.str("ALIVE_FILE", default="")  # a worker, and beat, touch it every few seconds while they run
# Nothing expires and nothing waits in the broker: workers would judge that by clocks of their own.
CELERY_BEAT_SCHEDULE = {
    "sweep": {"task": "integrations.tasks.sweep", "schedule": 15.0},
    "prune": {"task": "integrations.tasks.prune", "schedule": 3600.0},
}

LOGGING_CONFIG = None
LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")
logging_config(readable=DEBUG or EMBEDDED or not SECURE, level=LOG_LEVEL)
