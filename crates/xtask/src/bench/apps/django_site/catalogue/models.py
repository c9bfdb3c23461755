from django.db import models


class Author(models.Model):
    name = models.CharField(max_length=200)


class Book(models.Model):
    title = models.CharField(max_length=200)
    authors = models.ManyToManyField(Author)
    published = models.DateField()
    price = models.DecimalField(max_digits=8, decimal_places=2)
