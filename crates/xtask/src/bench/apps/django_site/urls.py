"""`/`: the worker's process id and nothing else. `/page`: the same before a page from templates, with a session."""

from django.contrib import admin
from django.urls import path

from django_site.catalogue import views

urlpatterns = [
    path("", views.plain),
    path("page", views.page),
    path("admin/", admin.site.urls),
]
