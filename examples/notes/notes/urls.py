from django.contrib import admin
from django.urls import path

from . import views

urlpatterns = [
    path("", views.index, name="index"),
    path("new/", views.new, name="new"),
    path("<int:number>/", views.note, name="note"),
    path("<int:number>/attachment", views.attachment, name="attachment"),
    path("api/notes/", views.api, name="api"),
    path("countdown/", views.countdown, name="countdown"),
    path("about/", views.about, name="about"),
    path("admin/", admin.site.urls),
]
