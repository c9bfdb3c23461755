"""A Quart application."""

from quart import Quart, request, websocket

app = Quart(__name__)


@app.before_serving
async def start():
    app.named = "Quart"


@app.get("/")
async def page():
    return f"{app.named} {request.args.get('q', '')}"


@app.post("/form")
async def form():
    return "posted " + (await request.form)["text"]


@app.post("/body")
async def body():
    blocks = [block async for block in request.body]
    return b"".join(blocks)


@app.get("/streaming")
async def streaming():
    async def numbers():
        for number in range(1000):
            yield f"{number},".encode()

    return numbers()


@app.websocket("/socket")
async def socket():
    while True:
        await websocket.send(await websocket.receive())
