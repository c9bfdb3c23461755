"""A Falcon application."""

import hashlib

import falcon

import gate


class Index:
    def on_get(self, request, response):
        response.text = f"falcon {request.get_param('q', default='')}"


class Form:
    def on_post(self, request, response):
        response.text = f"posted {request.get_media()['text']}"


class Upload:
    def on_post(self, request, response):
        found = {}
        for part in request.get_media():
            if part.name == "file":
                data = part.stream.read()
                found |= {"name": part.filename, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            else:
                found[part.name] = part.text
        response.media = found


class Body:
    def on_post(self, request, response):
        response.data = request.bounded_stream.read()


class Streaming:
    def on_get(self, request, response):
        response.stream = (b"%d," % number for number in range(1000))


class File:
    def on_get(self, request, response):
        path = gate.DIRECTORY / "data"
        response.content_type = "application/octet-stream"
        response.set_stream(path.open("rb"), path.stat().st_size)


class Absolute:
    def on_get(self, request, response):
        response.text = request.prefix + "/there"


class Failing:
    def on_get(self, request, response):
        raise RuntimeError("a view failed")


application = falcon.App()
for path, resource in {
    "/": Index(),
    "/form": Form(),
    "/upload": Upload(),
    "/body": Body(),
    "/streaming": Streaming(),
    "/file": File(),
    "/absolute": Absolute(),
    "/failing": Failing(),
}.items():
    application.add_route(path, resource)
