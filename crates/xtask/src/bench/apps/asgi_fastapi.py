"""FastAPI with a JSON answer that it validates: what an application of everyday use adds to the server."""

from fastapi import FastAPI
from pydantic import BaseModel

application = FastAPI()


class Item(BaseModel):
    number: int
    name: str
    tags: list[str]
    price: float


@application.get("/")
async def root() -> Item:
    return Item(number=7, name="hostel", tags=["bed", "breakfast"], price=42.5)
