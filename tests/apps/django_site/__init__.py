"""A Django project with its admin on sqlite, forms, uploads and streams."""
