import os
import platform
import sys
import threading
import time
from pathlib import PurePath

from django.db.models import Q
from django.http import FileResponse, Http404, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.html import escape
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from .forms import NoteForm
from .models import Note


@require_safe
def index(request):
    query = request.GET.get("q", "").strip()
    notes = Note.objects.filter(Q(title__icontains=query) | Q(text__icontains=query))
    return render(request, "notes/index.html", {"notes": notes[:100], "query": query})


@require_http_methods(["GET", "HEAD", "POST"])
def new(request):
    form = NoteForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        return redirect("note", form.save().pk)
    return render(request, "notes/new.html", {"form": form})


@require_http_methods(["GET", "HEAD", "POST"])
def note(request, number):
    found = get_object_or_404(Note, pk=number)
    if request.method == "POST":
        found.attachment.delete(save=False)
        found.delete()
        return redirect("index")
    return render(request, "notes/note.html", {"note": found})


@require_safe
def attachment(request, number):
    found = get_object_or_404(Note, pk=number)
    if not found.attachment:
        raise Http404("this note has no attachment")
    # Always as a download: an uploaded page must not run in this site's name.
    return FileResponse(found.attachment.open(), as_attachment=True, filename=PurePath(found.attachment.name).name)


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def api(request):
    """For programs: they send no cookies, so there is nothing for a foreign page to abuse."""
    if request.method == "POST":
        form = NoteForm(request.POST, request.FILES)
        if not form.is_valid():
            return JsonResponse({"errors": form.errors}, status=400)
        return JsonResponse(as_json(form.save()), status=201)
    return JsonResponse({"notes": [as_json(one) for one in Note.objects.all()[:100]]})


def as_json(one):
    size = one.attachment.size if one.attachment else None
    return {"id": one.pk, "title": one.title, "text": one.text, "created": one.created, "attachment_bytes": size}


@require_safe
def countdown(request):
    """Streams: each line is sent when it is made, so the page fills while it is being read."""
    page = render(request, "notes/countdown.html", {"mark": "THE-LINES"}).content.decode()
    before, after = page.split("THE-LINES")

    def lines():
        yield before
        for left in range(10, 0, -1):
            yield f"<li>{left} … <small>worker {os.getpid()}, {escape(time.strftime('%H:%M:%S'))}</small></li>\n"
            time.sleep(0.3)
        yield "<li>That is all.</li>\n"
        yield after

    return StreamingHttpResponse(lines())


@require_safe
def about(request):
    environ = request.META
    facts = {
        "Request id": environ.get("hostler.request_id") or environ.get("HTTP_X_REQUEST_ID", "none"),
        "Worker (process id)": os.getpid(),
        "Thread": threading.current_thread().name,
        "Threads of the worker": threading.active_count(),
        "Server": environ.get("SERVER_SOFTWARE", "unknown"),
        "Protocol": environ.get("SERVER_PROTOCOL"),
        "Your address": environ.get("REMOTE_ADDR", "unknown"),
        "Python": f"{platform.python_version()} at {sys.executable}",
    }
    return render(request, "notes/about.html", {"facts": facts})
