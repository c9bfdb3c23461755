"""The site as an application. Its addresses are imported with it and not by the first request, so that the import is all
that a fresh worker waits for, and `preload` shares it."""

import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

os.environ["DJANGO_SETTINGS_MODULE"] = "django_site.settings"
application = get_wsgi_application()
get_resolver().url_patterns
