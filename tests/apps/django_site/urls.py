"""The project's pages."""

import hashlib

from django.contrib import admin
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from django_site.settings import DIRECTORY


def index(request):
    return HttpResponse(f"django {request.GET.get('q', '')}")


def form(request):
    """Gives a token on GET, and wants it back on POST."""
    if request.method == "POST":
        return HttpResponse(f"posted {request.POST['text']}")
    return HttpResponse(get_token(request))


@csrf_exempt
def upload(request):
    file = request.FILES["file"]
    digest = hashlib.sha256(b"".join(file.chunks())).hexdigest()
    return JsonResponse({"name": file.name, "size": file.size, "sha256": digest, "text": request.POST["text"]})


@csrf_exempt
def body(request):
    return HttpResponse(request.body)


def streaming(request):
    return StreamingHttpResponse(b"%d," % number for number in range(1000))


def file(request):
    return FileResponse(open(DIRECTORY / "data", "rb"), as_attachment=True, filename="caf\xe9.bin")


def absolute(request):
    return HttpResponse(request.build_absolute_uri("/there"))


def failing(request):
    raise RuntimeError("a view failed")


urlpatterns = [
    path("", index),
    path("form", form),
    path("upload", upload),
    path("body", body),
    path("streaming", streaming),
    path("file", file),
    path("absolute", absolute),
    path("failing", failing),
    path("admin/", admin.site.urls),
]
