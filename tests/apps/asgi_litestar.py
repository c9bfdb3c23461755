"""A Litestar application."""

from litestar import Litestar, WebSocket, get, post, websocket
from litestar.datastructures import State
from litestar.response import ServerSentEvent, Stream
from pydantic import BaseModel


class Horse(BaseModel):
    name: str
    age: int


def start(application):
    application.state.name = "Litestar"


@get("/")
async def page(state: State, q: str = "") -> str:
    return f"{state.name} {q}"


@get("/threaded", sync_to_thread=True)
def threaded(q: str = "") -> str:
    return q


@post("/horses")
async def add(data: Horse) -> Horse:
    return data


@get("/streaming")
async def streaming() -> Stream:
    async def numbers():
        for number in range(1000):
            yield f"{number},"

    return Stream(numbers())


@get("/events")
async def events() -> ServerSentEvent:
    async def produce():
        for number in range(5):
            yield f"event {number}"

    return ServerSentEvent(produce())


@websocket("/socket")
async def socket(socket: WebSocket) -> None:
    await socket.accept()
    async for text in socket.iter_data():
        await socket.send_text(text)


app = Litestar([page, threaded, add, streaming, events, socket], on_startup=[start])
