//! What `ps` and `top` show of this process: what it is, instead of the Python program that it was started with.
//!
//! As PostgreSQL and setproctitle do it, the words are written over the arguments of the process, which the kernel reads from its memory
//! for `/proc/PID/cmdline`. Where the last byte of theirs is no NUL, it takes what stands there for one text, up to the first NUL
//! (`get_mm_cmdline` in Linux' `fs/proc/base.c`): so nothing follows it. `prctl(PR_SET_MM_ARG_START)` would need CAP_SYS_RESOURCE.
//! Python has copied its arguments by now (`sys.argv`, `sys.orig_argv`).

use std::ffi::{CStr, CString, c_char};
use std::fs;
use std::ptr;
use std::sync::OnceLock;

use hostler_channel::WorkerStart;
use rustix::thread::set_name;

/// Where `/proc/PID/stat` has the addresses of the first argument and of what follows the last, counted from the state, which is its third
/// field and the first after the name (proc_pid_stat(5): fields 48 and 49).
const FIELDS: (usize, usize) = (48 - 3, 49 - 3);

/// The arguments of this process, or of the one that it was forked from, which are at the same place.
static ARGUMENTS: OnceLock<Option<Arguments>> = OnceLock::new();

unsafe extern "C" {
    /// The first argument, as the C library shows it (program_invocation_name(3)).
    static mut program_invocation_name: *mut c_char;
    /// The same without directories.
    static mut program_invocation_short_name: *mut c_char;
}

/// The memory of a process' arguments.
#[derive(Clone, Copy)]
struct Arguments {
    start: usize,
    length: usize,
}

/// Shows this process as a worker, or as one that `hostler check` started.
pub(crate) fn worker(start: &WorkerStart) {
    let WorkerStart { worker, generation, .. } = start;
    let of = of(start);
    if start.check_only {
        show(&format!("hostler: check{of}"), c"hostler: check");
    } else {
        show(&format!("hostler: worker {worker}{of} (generation {generation})"), c"hostler: worker");
    }
}

/// Shows this process as a keeper.
pub(crate) fn keeper(start: &WorkerStart) {
    show(&format!("hostler: keeper{} (generation {})", of(start), start.generation), c"hostler: keeper");
}

/// Whose it is; nothing when a server of an earlier version started it, which does not say.
fn of(WorkerStart { instance, .. }: &WorkerStart) -> String {
    if instance.is_empty() { String::new() } else { format!(" of {instance}") }
}

/// Shows `title` as the command line, and `name`, of at most 15 bytes, as the name of this thread and of those it starts. It serves no
/// purpose but this, so where the system does not let it, all stays as it is.
fn show(title: &str, name: &CStr) {
    let _named = set_name(name);
    if let Some(arguments) = ARGUMENTS.get_or_init(Arguments::find) {
        arguments.overwrite(title);
    }
}

impl Arguments {
    /// Where they are. `None` where that cannot be told for sure.
    fn find() -> Option<Self> {
        let stat = fs::read("/proc/self/stat").ok()?;
        let shown = fs::read("/proc/self/cmdline").ok()?;
        let (start, end) = addresses(&String::from_utf8_lossy(&stat))?;
        // What stands there is what the system shows, unless it makes both up.
        let length = end.checked_sub(start).filter(|length| *length > 1 && *length == shown.len())?;
        Some(Self { start, length })
    }

    /// Writes over them; of a title that is longer than they are, the beginning.
    fn overwrite(self, title: &str) {
        let memory: *mut u8 = ptr::with_exposed_provenance_mut(self.start);
        self.keep_program_name();
        let title = &title.as_bytes()[..title.len().min(self.length - 2)];
        // SAFETY: these bytes are this process' own arguments, writable memory on its first stack (execve(2)) that is there as long as it is;
        // the C library's pointers into them were led elsewhere, and Python's are to copies.
        unsafe {
            ptr::write_bytes(memory, 0, self.length);
            ptr::copy_nonoverlapping(title.as_ptr(), memory, title.len());
            memory.add(self.length - 1).write(b'.');
        }
    }

    /// Leaves the C library the name that it puts in front of its messages (syslog(3), assert(3)), as a copy.
    fn keep_program_name(self) {
        for name in [&raw mut program_invocation_name, &raw mut program_invocation_short_name] {
            // SAFETY: the C library sets it before `main`, and no other thread of this process changes it.
            let current = unsafe { name.read() };
            if !(self.start..self.start + self.length).contains(&current.addr()) {
                continue;
            }
            // SAFETY: it is the end of an argument, which ends with NUL.
            let copy = CString::from(unsafe { CStr::from_ptr(current) });
            // SAFETY: as above; the copy is never freed.
            unsafe { name.write(copy.into_raw()) };
        }
    }
}

/// The addresses of the arguments' first byte and of the one after their last, as `/proc/PID/stat` tells them.
fn addresses(stat: &str) -> Option<(usize, usize)> {
    // The name before may have anything in it.
    let (_, fields) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    Some((fields.get(FIELDS.0)?.parse().ok()?, fields.get(FIELDS.1)?.parse().ok()?))
}
