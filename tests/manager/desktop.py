"""A desktop of a test's own: an X server without a display, and the accessibility bus; the manager's window on it."""

import os
import subprocess
from pathlib import Path

from jeepney import DBusAddress, DBusErrorResponse, MessageType, Properties, new_method_call
from jeepney.io.blocking import open_dbus_connection
from PIL import Image

from deadline import wait_until
from server import BINARY

MANAGER = BINARY.with_name("hostler-manager")
ACCESSIBLE = "org.a11y.atspi.Accessible"
ROOT = "/org/a11y/atspi/accessible/root"
# Those that are pressed here, of AtspiRole (atspi-constants.h).
ROLES = {29: "label", 32: "list item", 37: "page tab", 43: "button", 79: "entry", 88: "link"}
LAUNCHER = Path("/usr/libexec/at-spi-bus-launcher")
# The machine that runs the tests draws without a graphics card, and may do much else.
SECONDS = 60.0
TITLE = "Hostler Manager"
# Its field, which is there while it is open; the button for it always is.
PALETTE = "entry: Command palette"


class Screen:
    """An X server on a number that is free."""

    def __init__(self):
        self.process = subprocess.Popen(
            ["Xvfb", "-displayfd", "1", "-screen", "0", "1920x1200x24", "-nolisten", "tcp", "-noreset"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        number = self.process.stdout.readline().decode().strip()
        assert number, "Xvfb ended before it was ready"
        self.display = f":{number}"

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        self.process.stdout.close()


class Node:
    """Something on screen, as it is told to a screen reader."""

    def __init__(self, place, role, name, description):
        self.place, self.role, self.name, self.description = place, role, name, description

    def __repr__(self):
        return f"{self.role}: {self.name}" + (f" | {self.description}" if self.description else "")


def ask(connection, message):
    """The body of the answer; an error is raised."""
    reply = connection.send_and_get_reply(message, timeout=SECONDS)
    if reply.header.message_type == MessageType.error:
        raise DBusErrorResponse(reply)
    return reply.body


class Reader:
    """Reads what is on screen and presses it by name, as a screen reader does (AT-SPI 2, over D-Bus)."""

    def __init__(self, environment):
        # That somebody reads is a setting of the desktop, which has no daemon here that keeps them.
        own = {**environment, "GSETTINGS_BACKEND": "memory"}
        self.launcher = subprocess.Popen([LAUNCHER, "--launch-immediately"], env=own, stderr=subprocess.DEVNULL)
        session = open_dbus_connection(bus=environment["DBUS_SESSION_BUS_ADDRESS"])
        bus = DBusAddress("/org/a11y/bus", "org.a11y.Bus", "org.a11y.Bus")

        def answered():
            try:
                return ask(session, new_method_call(bus, "GetAddress"))[0]
            except DBusErrorResponse:
                return None

        address = wait_until(answered, "the accessibility bus", SECONDS)
        status = DBusAddress("/org/a11y/bus", "org.a11y.Bus", "org.a11y.Status")
        ask(session, Properties(status).set("IsEnabled", "b", True))
        self.session, self.connection = session, open_dbus_connection(bus=address)

    def call(self, place, interface, method, signature=None, body=()):
        address = DBusAddress(place[1], place[0], interface)
        return ask(self.connection, new_method_call(address, method, signature, body))

    def nodes(self):
        """Everything on screen. What goes away meanwhile is left out."""
        waiting = [("org.a11y.atspi.Registry", ROOT)]
        while waiting:
            place = waiting.pop()
            try:
                # The registry and the applications are no widgets.
                if place[1] != ROOT:
                    [found] = self.call(place, "org.freedesktop.DBus.Properties", "GetAll", "s", (ACCESSIBLE,))
                    [role] = self.call(place, ACCESSIBLE, "GetRole")
                    yield Node(place, ROLES.get(role, str(role)), found["Name"][1], found["Description"][1])
                [children] = self.call(place, ACCESSIBLE, "GetChildren")
            except DBusErrorResponse:
                continue
            waiting.extend(reversed(children))

    def lines(self):
        return [repr(node) for node in self.nodes() if node.name or node.description]

    def says(self, words):
        return any(words in line for line in self.lines())

    def until_said(self, words):
        wait_until(lambda: self.says(words), lambda: f"{words!r}; read was:\n" + "\n".join(self.lines()), SECONDS)

    def until_serves(self, generation):
        """Waits until the head of the instance says that this generation serves: not that one is made of that number."""
        named = f"label: generation {generation}"
        wait_until(lambda: named in self.lines(), lambda: f"{named!r}; read was:\n" + "\n".join(self.lines()), SECONDS)

    def until_found(self, words):
        """Waits until the first entry of the palette has these words: that is what Enter takes."""

        def found():
            nodes = iter(self.nodes())
            # The field stands before the entries.
            palette = any(repr(node) == PALETTE for node in nodes)
            first = next((node.name for node in nodes if node.role == "list item"), "")
            return palette and words in first.lower()

        wait_until(found, lambda: f"what {words!r} finds; read was:\n" + "\n".join(self.lines()), SECONDS)

    def find(self, role, name):
        """What has this role, and a name that begins so, once it is there."""

        def found():
            return next((node for node in self.nodes() if node.role == role and node.name.startswith(name)), None)

        return wait_until(found, lambda: f"{role} {name!r}; read was:\n" + "\n".join(self.lines()), SECONDS)

    def press(self, role, name):
        self.call(self.find(role, name).place, "org.a11y.atspi.Action", "DoAction", "i", (0,))

    def focus(self, role, name):
        self.call(self.find(role, name).place, "org.a11y.atspi.Component", "GrabFocus")

    def stop(self):
        self.connection.close()
        self.session.close()
        self.launcher.terminate()
        self.launcher.wait(20)


class Window:
    """A manager that was started, and its window once there is one."""

    def __init__(self, environment, directory, *words):
        self.environment, self.directory = environment, directory
        self.log = directory / "manager.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [MANAGER, "--user", "--verbose", "--state", directory / "manager.ron", *words],
                env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )
        self.id = wait_until(self._find, lambda: f"a window; log:\n{self.log.read_text()}", SECONDS)
        wait_until(lambda: self.colours() > 20, "something is drawn", SECONDS)
        # What it used of processors until it was drawn, in seconds.
        self.began_after = self.processor_seconds()
        self.xdotool("windowfocus", "--sync", self.id)

    def _find(self):
        assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.log.read_text()}"
        found = subprocess.run(
            ["xdotool", "search", "--onlyvisible", "--name", f"^{TITLE}$"],
            env=self.environment, capture_output=True, text=True, check=False,
        ).stdout.split()
        return found[0] if found else None

    def xdotool(self, *words):
        subprocess.run(["xdotool", *words], env=self.environment, check=True, timeout=SECONDS, stdout=subprocess.DEVNULL)

    def key(self, *keys):
        self.xdotool("key", "--delay", "30", *keys)

    def type(self, text):
        self.xdotool("type", "--delay", "15", text)

    def resize(self, width, height):
        self.xdotool("windowsize", "--sync", self.id, str(width), str(height))

    def geometry(self):
        """Where the window is on the screen, and its width and height."""
        command = ["xdotool", "getwindowgeometry", "--shell", self.id]
        said = subprocess.run(command, env=self.environment, check=True, timeout=SECONDS, capture_output=True, text=True)
        found = dict(line.split("=") for line in said.stdout.split())
        return tuple(int(found[name]) for name in ("X", "Y", "WIDTH", "HEIGHT"))

    def picture(self, path=None):
        """What is on screen where the window is; kept at the path, if there is one."""
        path = path or self.directory / "picture.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        place = ",".join(map(str, self.geometry()))
        scrot = ["scrot", "--overwrite", "--autoselect", place, path]
        subprocess.run(scrot, env=self.environment, check=True, timeout=SECONDS)
        with Image.open(path) as image:
            return image.convert("RGB")

    def colours(self):
        """How many colours are on screen: one or two as long as nothing is drawn."""
        return len(self.picture().getcolors(maxcolors=1 << 24))

    def brightness(self):
        """The mean of the picture, from 0 (black) to 255."""
        histogram = self.picture().convert("L").histogram()
        return sum(level * count for level, count in enumerate(histogram)) / sum(histogram)

    def processor_seconds(self):
        """What the process has used of processors since it began (proc_pid_stat(5))."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self):
        """Ends it as a person does."""
        self.key("ctrl+q")
        assert self.process.wait(SECONDS) == 0, self.log.read_text()

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(20)
