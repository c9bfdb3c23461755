"""Settings of the notes site. All that it writes goes below one directory."""

import os
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from django.core.management.utils import get_random_secret_key

BASE_DIR = Path(__file__).resolve().parent.parent
# Where somebody says; as a service of systemd, where systemd has it write (StateDirectory= of systemd.exec(5)); else beside the code.
STATE_DIRECTORY = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
DATA_DIR = Path(os.environ.get("NOTES_DATA") or STATE_DIRECTORY or BASE_DIR / "data")
DATA_DIR.mkdir(parents=True, exist_ok=True)


def secret_key():
    """The same key for all workers and after a restart: made once, whole or not at all, readable by nobody else."""
    path = DATA_DIR / "secret-key"
    if not path.exists():
        with NamedTemporaryFile("w", dir=DATA_DIR) as new:
            new.write(get_random_secret_key())
            new.flush()
            with suppress(FileExistsError):
                os.link(new.name, path)
    return path.read_text()


SECRET_KEY = secret_key()
DEBUG = False
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]

INSTALLED_APPS = [
    "notes.apps.NotesConfig",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "notes.urls"
WSGI_APPLICATION = "notes.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATA_DIR / "notes.sqlite3",
        # Several workers write to one file: they wait for each other.
        "OPTIONS": {"timeout": 20},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATIC_ROOT.mkdir(exist_ok=True)
# Those that nobody collected are served from where they are.
WHITENOISE_USE_FINDERS = True
MEDIA_ROOT = DATA_DIR / "attachments"

# Tracebacks go to the server's error log.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    "loggers": {"django.request": {"handlers": ["stderr"], "level": "ERROR", "propagate": False}},
}
