import os
import time

from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpResponse
from django.template.loader import render_to_string

from .models import Book


def plain(request):
    return HttpResponse(str(os.getpid()))


def page(request):
    # Long enough that a client of several connections reaches all workers.
    time.sleep(0.01)
    request.session["seen"] = request.session.get("seen", 0) + 1
    books = [Book(title=f"Book {number}", price=number) for number in range(100)]
    context = {"books": books, "form": AuthenticationForm(request)}
    return HttpResponse(f"{os.getpid()}\n{render_to_string('catalogue/page.html', context, request)}")
