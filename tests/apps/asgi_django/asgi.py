"""HTTP to Django, WebSockets to Channels."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "asgi_django.settings")
http = get_asgi_application()

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402 (Django has to be set up before)
from django.urls import path  # noqa: E402

from asgi_django.consumers import Room  # noqa: E402

application = ProtocolTypeRouter(
    {"http": http, "websocket": URLRouter([path("rooms/<str:name>", Room.as_asgi())])},
)
