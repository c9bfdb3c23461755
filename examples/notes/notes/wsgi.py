import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "notes.settings")
application = get_wsgi_application()

from notes.tables import make_missing  # noqa: E402: Django has to be set up before

make_missing()
