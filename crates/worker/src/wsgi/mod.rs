//! WSGI (PEP 3333): the threads of a worker, and one request from the queue to the end of its answer.

mod answer;
mod environ;
mod errors;
mod file;
mod input;
mod known;
mod names;
mod start_response;

use hostler_channel::{Severity, WorkerStart};
use hostler_exchange::head::{Request, read_request};
use hostler_exchange::{Taken, Thread, WorkerSide};
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};

use self::answer::{Client, Ending, Shared};
use self::environ::{Environs, Fixed};
use self::errors::Errors;
use self::file::FileWrapper;
use self::input::Input;
use self::start_response::{EarlyHints, StartResponse, chunk};
use crate::hooks::{Answered, RequestHooks};
use crate::report::{self, id, name, report_failure};
use crate::text::{references, type_name};
use crate::{collect, threads};

/// The application with all that its threads share.
#[pyclass(frozen, module = "hostler")]
pub(crate) struct Server {
    side: &'static WorkerSide,
    application: Py<PyAny>,
    root_path: String,
    multithread: bool,
    multiprocess: bool,
    hooks: Option<RequestHooks>,
}

/// What one thread uses for request after request, as long as no application keeps it.
struct Desk {
    number: u16,
    thread: Thread<'static>,
    environs: Environs,
    answer: Shared,
    start_response: Py<StartResponse>,
    early_hints: Py<EarlyHints>,
    input: Py<Input>,
}

#[pymethods]
impl Server {
    /// What the further threads run.
    fn run_thread(&self, py: Python<'_>, number: u16) -> PyResult<()> {
        self.run(py, number)
    }
}

impl Server {
    pub(crate) fn new(
        side: &'static WorkerSide,
        application: Py<PyAny>,
        hooks: Option<RequestHooks>,
        start: &WorkerStart,
    ) -> Self {
        Self {
            side,
            application,
            root_path: start.root_path.clone(),
            multithread: start.threads > 1,
            multiprocess: start.multiprocess,
            hooks,
        }
    }

    /// Serves as thread `number` until the worker is retired.
    pub(crate) fn run(&self, py: Python<'_>, number: u16) -> PyResult<()> {
        threads::enter(number);
        let mut desk = self.desk(py, number)?;
        let mut now = None;
        loop {
            if collect::is_wanted() {
                collect::between_requests(py, self.side);
                now = None;
            }
            match desk.thread.take(now) {
                Some(taken) => now = Some(self.serve(py, &mut desk, taken)?),
                None if self.side.retired() => return Ok(()),
                None => {
                    py.detach(|| desk.thread.sleep(None));
                    py.check_signals()?;
                    now = None;
                }
            }
        }
    }

    fn desk(&self, py: Python<'_>, number: u16) -> PyResult<Desk> {
        let errors = Py::new(py, Errors::default())?.into_bound(py).into_any();
        let environs = Environs::new(
            py,
            &Fixed {
                root_path: &self.root_path,
                multithread: self.multithread,
                multiprocess: self.multiprocess,
                errors,
                file_wrapper: py.get_type::<FileWrapper>().into_any(),
            },
        )?;
        let answer = Shared::new(self.side);
        let desk = Desk {
            number,
            thread: self.side.thread(number),
            environs,
            start_response: Py::new(py, StartResponse::new(py, answer.clone())?)?,
            early_hints: Py::new(py, EarlyHints { answer: answer.clone() })?,
            input: Py::new(py, Input::new(self.side))?,
            answer,
        };
        desk.lay_out(py)?;
        Ok(desk)
    }

    /// One request; when it was done, in nanoseconds. What goes wrong in it is reported and answered; an error here is the worker's own.
    fn serve(&self, py: Python<'_>, desk: &mut Desk, taken: Taken) -> PyResult<u64> {
        let Some((request, headers)) = read_request(self.side.head(taken)) else {
            return Err(PyRuntimeError::new_err("the head of a request is damaged"));
        };
        desk.answer.open(taken, request.method == b"HEAD");
        desk.input.get().open(taken);
        let environ = desk.environs.build(py, &request, headers);
        let served = match &environ {
            Ok(environ) => {
                // The application's code, and no other, is what an exception may be raised in.
                let _window = threads::open(py, desk.number, taken, self.side.started_ns(taken));
                match &self.hooks {
                    None => self.call(py, desk, environ, &request),
                    Some(hooks) => self.call_between(hooks, py, desk, environ, &request),
                }
            }
            Err(error) => Err(error.clone_ref(py)),
        };
        if let Err(error) = served {
            desk.answer.fail();
            report_failure(py, &request, &error);
        }
        desk.answer.close();
        desk.input.get().close();
        let done = desk.thread.finish(taken);
        // Destructors of the application may run here: their time is nobody's request.
        drop(environ);
        desk.renew(py, self.side)?;
        Ok(done)
    }

    /// The same, with the hooks before and after it.
    fn call_between(
        &self,
        hooks: &RequestHooks,
        py: Python<'_>,
        desk: &Desk,
        environ: &Bound<'_, PyDict>,
        request: &Request<'_>,
    ) -> PyResult<()> {
        let asked = hooks.before(py, environ)?;
        let served = self.call(py, desk, environ, request);
        let (head, given, sent) = desk.answer.given();
        if served.is_err() {
            desk.answer.fail();
        }
        // The client does not wait for what follows its answer.
        desk.answer.flush();
        let answered = Answered { head: &head, given, replaced: served.is_err() && !sent };
        hooks.after(py, &asked, environ, &answered, request);
        served
    }

    fn call(&self, py: Python<'_>, desk: &Desk, environ: &Bound<'_, PyDict>, request: &Request<'_>) -> PyResult<()> {
        let result = self.application.bind(py).call1((environ, &desk.start_response))?;
        let delivered = deliver(py, desk, &result);
        let ended = match delivered {
            Ok(Client::There) => desk.answer.complete().map(Some),
            Ok(Client::Gone) => Ok(None),
            Err(error) => Err(error),
        };
        // `close` is called however it ended. A list or a tuple has none, and it is most of the answers.
        let plain = result.is_exact_instance_of::<PyList>() || result.is_exact_instance_of::<PyTuple>();
        if !plain && let Some(close) = result.getattr_opt(intern!(py, "close"))? {
            desk.answer.flush();
            if let Err(error) = close.call0() {
                let what = format!("{} failed in close(): {}", name(request), report::summary(py, &error));
                let detail = report::traceback(py, &error);
                report::log(py, Severity::Error, what, Some(&detail), &id(request));
            }
        }
        if let Some(ending) = ended? {
            complain(py, request, ending);
        }
        Ok(())
    }
}

impl Desk {
    /// Puts this thread's objects into the base of its `environ`s.
    fn lay_out(&self, py: Python<'_>) -> PyResult<()> {
        self.environs.set_base(py, intern!(py, "wsgi.input"), self.input.bind(py))?;
        self.environs.set_base(py, intern!(py, "wsgi.early_hints"), self.early_hints.bind(py))
    }

    /// Replaces what the application kept of the last request: one reference is the desk's, one the base's.
    fn renew(&mut self, py: Python<'_>, side: &'static WorkerSide) -> PyResult<()> {
        let kept_answer = references(self.start_response.bind(py)) > 1
            || references(self.start_response.get().write.bind(py)) > 1
            || references(self.early_hints.bind(py)) > 2;
        let kept_input = references(self.input.bind(py)) > 2;
        if kept_answer {
            self.answer = Shared::new(side);
            self.start_response = Py::new(py, StartResponse::new(py, self.answer.clone())?)?;
            self.early_hints = Py::new(py, EarlyHints { answer: self.answer.clone() })?;
        }
        if kept_input {
            self.input = Py::new(py, Input::new(side))?;
        }
        if kept_answer || kept_input { self.lay_out(py) } else { Ok(()) }
    }
}

/// Sends what the application returned.
fn deliver(py: Python<'_>, desk: &Desk, result: &Bound<'_, PyAny>) -> PyResult<Client> {
    let answer = &desk.answer;
    // All of it is there: one publication at the end carries it.
    if let Ok(list) = result.cast_exact::<PyList>() {
        return deliver_all(py, answer, list.iter());
    }
    if let Ok(tuple) = result.cast_exact::<PyTuple>() {
        return deliver_all(py, answer, tuple.iter());
    }
    if let Ok(wrapper) = result.cast_exact::<FileWrapper>()
        && let Some(client) = wrapper.get().send(py, answer)?
    {
        return Ok(client);
    }
    if result.is_none() || result.is_instance_of::<PyBytes>() || result.is_instance_of::<PyString>() {
        return Err(PyTypeError::new_err(format!(
            "the application returned {}, not an iterable of bytes: return a list, like [b\"...\"] (PEP 3333)",
            if result.is_none() { "None".to_owned() } else { type_name(result) }
        )));
    }
    let chunks = result.try_iter().map_err(|_| {
        PyTypeError::new_err(format!(
            "the application returned {}, not an iterable of bytes (PEP 3333)",
            type_name(result)
        ))
    })?;
    for data in chunks {
        let data = data?;
        if answer.write(py, chunk(&data, YIELDED)?.as_bytes())? == Client::Gone {
            return Ok(Client::Gone);
        }
        // Each block goes on its way before the next is asked for.
        answer.flush();
    }
    Ok(Client::There)
}

fn deliver_all<'py>(
    py: Python<'py>,
    answer: &Shared,
    chunks: impl Iterator<Item = Bound<'py, PyAny>>,
) -> PyResult<Client> {
    for data in chunks {
        if answer.write(py, chunk(&data, YIELDED)?.as_bytes())? == Client::Gone {
            return Ok(Client::Gone);
        }
    }
    Ok(Client::There)
}

const YIELDED: &str = "the application's iterable gave";

/// Tells of an answer whose length was not what it said.
fn complain(py: Python<'_>, request: &Request<'_>, ending: Ending) {
    let (severity, what) = match ending {
        Ending::Complete => return,
        Ending::Short { declared, written } => (
            Severity::Error,
            format!("declared Content-Length {declared} but gave {written} bytes: the answer is not whole"),
        ),
        Ending::Excess { declared, written } => (
            Severity::Warning,
            format!("declared Content-Length {declared} but gave {written} bytes: the excess was dropped"),
        ),
    };
    report::log(py, severity, format!("{} {what}", name(request)), None, &id(request));
}
