from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand

from notes.models import Note

NOTES = [
    ("Oats", "Two measures in the morning, one at night. The grey one gets none after a race."),
    ("Shoes", "The smith comes on Thursday. Ask about the chestnut's left hind."),
    ("Guests", "A coach from the north is due at eight: six horses, four of them tired."),
]


class Command(BaseCommand):
    help = "Creates the admin user demo with the password demo, and some notes, when they are missing."

    def handle(self, **options):
        users = get_user_model().objects
        if not users.filter(username="demo").exists():
            users.create_superuser("demo", "demo@example.com", "demo")
        if not Note.objects.exists():
            for title, text in NOTES:
                Note.objects.create(title=title, text=text)
