"""Views of both kinds."""

import asyncio

from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path


async def page(request):
    await asyncio.sleep(0)
    return HttpResponse(f"django {request.GET.get('q', '')}")


def threaded(request):
    return HttpResponse(f"threaded {request.GET.get('q', '')}")


def body(request):
    return HttpResponse(request.body)


async def streaming(request):
    async def numbers():
        for number in range(1000):
            yield f"{number},"

    return StreamingHttpResponse(numbers())


urlpatterns = [
    path("", page),
    path("threaded", threaded),
    path("body", body),
    path("streaming", streaming),
]
