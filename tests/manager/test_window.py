"""The true window of Hostler Manager: on a screen, over a real bus, with a real hostlerd and an instance under load. It is
read and pressed as a screen reader does, and by keys. What each view shows is claimed by gui/tests/live, without a window."""

import http.client
import json
import signal
import subprocess
import threading

import pytest

from deadline import let_pass, wait_until
from desktop import MANAGER, PALETTE, SECONDS

# What a start may take of processors until something is drawn.
START_SECONDS = 2.0
TABS = ["Overview", "Workers", "Requests", "Logs", "Settings", "Units", "History"]


class Asking:
    """Clients that ask without pause for as long as the block lasts; whatever is not answered as it should be is a fault."""

    def __init__(self, address):
        self.address = address
        self.over = threading.Event()
        self.answers, self.faults = [0, 0, 0], []
        self.threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(len(self.answers))]

    def _ask(self, number):
        connection = http.client.HTTPConnection(*self.address, timeout=SECONDS)
        try:
            while not self.over.is_set():
                connection.request("GET", "/")
                answer = connection.getresponse()
                assert (answer.status, answer.read()) == (200, b"one"), answer.status
                self.answers[number] += 1
        except (OSError, http.client.HTTPException, AssertionError) as fault:
            self.faults.append(repr(fault))
        finally:
            connection.close()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        self.answered(20)
        return self

    def answered(self, count):
        """Waits until so many more were answered."""
        goal = sum(self.answers) + count
        wait_until(lambda: sum(self.answers) >= goal or self.faults, "answers")
        assert not self.faults, self.faults

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join(SECONDS)
        assert not self.faults, self.faults


def command(window, reader, words):
    """Has a command done that the palette finds by these words: what is typed before it is there is lost, and Enter takes what is
    found by then."""
    window.key("ctrl+k")
    reader.until_said(PALETTE)
    window.type(words)
    reader.until_found(words)
    window.key("Return")


def test_an_instance_is_seen_reloaded_broken_and_mended_under_load(desktop):
    reader = desktop.read()
    desktop.open()
    with Asking(desktop.server.address) as asking:
        reader.press("list item", "shop")
        reader.until_serves(1)
        reader.press("button", "Reload")
        reader.until_serves(2)
        asking.answered(20)
        (desktop.machine.directory / "shop.py").write_text("import absent_module\n")
        reader.press("button", "Reload")
        reader.until_said("No module named 'absent_module'")
        reader.until_said("generation 2 goes on serving")
        desktop.server.log.claim("absent_module")
        asking.answered(20)
        desktop.release("one")
        reader.press("button", "Try again")
        # While it reloads the words of the failure are gone as well.
        reader.until_serves(3)
        assert not reader.says("goes on serving")
        asking.answered(20)
    assert desktop.server.get("/").body == b"one"


def test_settings_are_edited_applied_under_load_and_taken_back(desktop):
    file = desktop.machine.settings("shop")
    before = file.read_text()
    reader = desktop.read()
    window = desktop.open("hostler://app/shop/settings")
    with Asking(desktop.server.address) as asking:
        reader.focus("entry", "Search settings")
        window.type("threads")
        reader.press("button", "More threads")
        reader.press("button", "Review")
        reader.until_said("threads = 2")
        reader.press("button", "Apply")
        reader.until_serves(2)
        assert file.read_text() == before + "threads = 2\n"
        asking.answered(20)
        reader.press("button", "Undo")
        reader.until_serves(3)
        assert file.read_text() == before
        asking.answered(20)
    window.close()


def test_it_starts_at_once(desktop):
    window = desktop.open()
    # Of its own time, as others want the processors as well; a build for tests, without a graphics card.
    assert window.began_after < START_SECONDS, window.began_after
    window.close()


def test_keys_lead_everywhere(desktop):
    reader = desktop.read()
    window = desktop.open("shop")
    reader.until_serves(1)
    window.key("ctrl+k")
    reader.until_said(PALETTE)
    window.type("workers")
    reader.until_found("workers")
    before = window.picture().tobytes()
    window.key("Return")
    wait_until(lambda: window.picture().tobytes() != before, "the palette is gone", SECONDS)
    window.key("F5")
    window.close()


def test_what_was_chosen_is_kept_between_runs(desktop):
    reader = desktop.read()
    window = desktop.open("shop")
    command(window, reader, "dark theme")
    wait_until(lambda: window.brightness() < 80, "it is dark", SECONDS)
    window.close()
    again = desktop.open()
    wait_until(lambda: again.brightness() < 80, "it is dark again", SECONDS)
    command(again, reader, "light theme")
    wait_until(lambda: again.brightness() > 180, "it is light", SECONDS)
    again.close()


def test_a_second_start_is_shown_in_the_window_that_is_there(desktop):
    reader = desktop.read()
    window = desktop.open()
    second = subprocess.run(
        [MANAGER, "hostler://app/shop/workers"], env=desktop.environment, timeout=SECONDS, capture_output=True, text=True,
        check=False,
    )
    assert (second.returncode, second.stderr) == (0, ""), second
    reader.until_serves(1)
    wrong = subprocess.run([MANAGER, "https://example.org/"], env=desktop.environment, capture_output=True, text=True, check=False)
    assert wrong.returncode == 64 and "is no link to an instance" in wrong.stderr, wrong
    window.close()


def test_it_outlives_its_bus_and_its_daemon(desktop):
    reader = desktop.read()
    window = desktop.open("shop")
    reader.until_serves(1)
    daemon = desktop.machine.processes[-1]
    daemon.send_signal(signal.SIGKILL)
    daemon.wait()
    reader.until_said("as it was last seen")
    assert reader.says("generation 1")
    desktop.machine.daemon("--user")
    wait_until(lambda: not reader.says("as it was last seen"), "all as before", SECONDS)
    # The bus takes the screen reader's own connection along: from here on there are pictures alone.
    before = window.picture().tobytes()
    bus = desktop.machine.processes[0]
    bus.send_signal(signal.SIGKILL)
    bus.wait()
    wait_until(lambda: window.picture().tobytes() != before, "something is said of it", SECONDS)
    window.close()


@pytest.mark.parametrize("desktop", [{"runs": False}], indirect=True)
def test_it_uses_next_to_no_processor_time_at_rest(desktop):
    window = desktop.open()
    window.xdotool("mousemove", "1900", "1190")
    seconds = []

    def settled():
        seconds.append(window.processor_seconds())
        let_pass(0.5)
        return window.processor_seconds() - seconds[-1] < 0.02

    wait_until(settled, lambda: f"it rests: {seconds}", SECONDS)
    began, span = window.processor_seconds(), 5.0
    # Time is what this is about.
    let_pass(span)
    used = window.processor_seconds() - began
    assert used / span < 0.02, f"{used} s of processor time in {span} s"
    window.close()


@pytest.mark.parametrize("desktop", [{"runs": False}], indirect=True)
def test_logs_are_followed(desktop):
    reader = desktop.read()
    window = desktop.open("hostler://app/shop/logs")

    def log(number, message, priority=6):
        entry = {"__REALTIME_TIMESTAMP": str(1_795_000_000_000_000 + number), "__CURSOR": str(number), "MESSAGE": message,
                 "PRIORITY": str(priority), "SYSLOG_IDENTIFIER": "hostler", "_PID": "1"}
        with desktop.journal.open("a") as journal:
            journal.write(json.dumps(entry) + "\n")

    log(1, "what was logged before")
    reader.until_said("what was logged before")
    log(2, "what is logged now", 3)
    reader.until_said("what is logged now")
    window.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pictures_of_each_view_are_kept(desktop, pictures, theme):
    reader = desktop.read()
    window = desktop.open("shop")
    command(window, reader, f"{theme} theme")
    wait_until(lambda: (window.brightness() > 128) == (theme == "light"), f"it is {theme}", SECONDS)
    for width, height in ((1000, 700), (1600, 1000)):
        window.resize(width, height)
        wait_until(lambda: window.picture().size == (width, height), "the size", SECONDS)
        for number, tab in enumerate(TABS, 1):
            window.key(f"ctrl+{number}")
            path = pictures / f"{tab.lower()}-{theme}-{width}x{height}.png"
            # Some view is drawn whole: text makes many shades.
            wait_until(lambda: len(window.picture(path).getcolors(maxcolors=1 << 24)) > 100, f"{tab} is drawn", SECONDS)
    window.close()
