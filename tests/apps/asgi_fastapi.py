"""A FastAPI application: validation, dependencies, background tasks, streams, WebSockets and state of its lifespan."""

import asyncio
from contextlib import asynccontextmanager
from typing import Annotated

import gate
from fastapi import BackgroundTasks, Depends, FastAPI, Header, HTTPException, Request, UploadFile, WebSocket
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field


@asynccontextmanager
async def lifespan(_):
    gate.note("fastapi", "startup")
    yield {"horses": ["Bucephalus"]}
    gate.note("fastapi", "shutdown")


app = FastAPI(lifespan=lifespan)


class Horse(BaseModel):
    name: str
    age: int = Field(ge=0, le=60)


async def token(x_token: Annotated[str, Header()]):
    if x_token != "secret":
        raise HTTPException(401, "wrong token")
    try:
        yield x_token
    finally:
        gate.note("dependency", "closed")


@app.get("/")
async def page(q: str = ""):
    return {"q": q}


@app.get("/threaded")
def threaded(q: str = ""):
    return {"q": q}


@app.post("/horses", status_code=201)
async def add(horse: Horse):
    return horse


@app.get("/guarded")
async def guarded(found: Annotated[str, Depends(token)]):
    return {"token": found}


@app.get("/state")
async def state(request: Request):
    return request.state.horses


@app.post("/upload")
async def upload(file: UploadFile):
    return {"name": file.filename, "size": len(await file.read())}


@app.get("/background")
async def background(key: str, tasks: BackgroundTasks):
    async def later():
        await asyncio.sleep(0)
        gate.note(key, "done")

    tasks.add_task(later)
    tasks.add_task(gate.note, key, "done in a thread")
    return {"answered": True}


@app.get("/streaming")
async def streaming():
    async def numbers():
        for number in range(1000):
            yield f"{number},"

    return StreamingResponse(numbers())


@app.get("/failing")
async def failing():
    raise ValueError("a view failed")


@app.websocket("/socket")
async def socket(websocket: WebSocket):
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_json({"said": text, "horses": websocket.state.horses})
