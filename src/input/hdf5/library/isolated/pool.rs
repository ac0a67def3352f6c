//! The processes that run libhdf5: started when they are needed, at most [`MOST_WORKERS`], held to
//! limits of memory and time, and replaced when they die of a file.
//!
//! What holds: every question is answered, by an answer or by a reason, within the limits. What ended a
//! process before it was asked, or from outside (SIGKILL), is not said of the file. A process whose file gave an error
//! is not used for another file: what damage did to its memory is unknown. A process that was forked
//! asks none that the one it was forked from started.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use super::wire::{self, Question};
use crate::input::hdf5::library::pinned::Complaint;

/// Processes at once: the library would run one at a time.
const MOST_WORKERS: usize = 2;
/// Of what was asked for, a process may hold so many copies.
const COPIES: u64 = 3;

/// How long one question may take.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Time of a processor: sound files take seconds, however slow the disk is.
    pub processor: Duration,
    /// Time of the clock.
    pub clock: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { processor: Duration::from_secs(30), clock: Duration::from_secs(300) }
    }
}

/// The program that runs libhdf5, with its arguments. It has to call
/// [`serve_libhdf5`](crate::input::serve_libhdf5).
#[derive(Debug, Clone)]
pub struct Helper {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

impl Helper {
    /// The subcommand of `anncat` in which libhdf5 runs.
    pub const SUBCOMMAND: &str = "libhdf5";

    /// `anncat`, at this path.
    #[must_use]
    pub fn of_program(program: PathBuf) -> Self {
        Self { program, arguments: vec![Self::SUBCOMMAND.into()] }
    }
}

#[derive(Debug)]
pub struct Pool {
    helper: Helper,
    patience: Patience,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    idle: Vec<Worker>,
    /// Idle or at work.
    count: usize,
    /// The process that started them.
    owner: u32,
}

/// One process.
#[derive(Debug)]
struct Worker {
    child: Child,
    questions: ChildStdin,
    answers: ChildStdout,
}

/// A place in the pool, given back when it goes.
struct Turn<'a>(&'a Pool);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.lock().count -= 1;
        self.0.freed.notify_one();
    }
}

impl Pool {
    pub fn new(helper: Helper, patience: Patience) -> Self {
        Self { helper, patience, state: Mutex::default(), freed: Condvar::new() }
    }

    /// Asks a process that may have so much address space beside what is asked for.
    ///
    /// # Errors
    /// As [`Processes::ask`](super::Processes::ask).
    pub fn ask<A: DeserializeOwned>(
        &self,
        question: &Question,
        memory_bytes: u64,
    ) -> Result<A, Complaint> {
        if cfg!(fuzzing) {
            return Err("libhdf5 is not asked while our own code is fuzzed".to_owned().into());
        }
        let (turn, idle) = self.take();
        let was_idle = idle.is_some();
        let mut worker = idle.map_or_else(|| self.start(), Ok)?;
        let mut asked = worker.ask(question, memory_bytes, self.patience);
        // It may have been ended while nobody asked it anything.
        if was_idle && matches!(asked, Err(Stop::Unasked(_))) {
            worker = self.start()?;
            asked = worker.ask(question, memory_bytes, self.patience);
        }
        let answer: Result<A, Complaint> =
            asked.map_err(|stop| worker.ended(&stop, memory_bytes))?;
        if answer.is_ok() {
            std::mem::forget(turn);
            self.lock().idle.push(worker);
            self.freed.notify_one();
        }
        answer
    }

    fn start(&self) -> Result<Worker, Complaint> {
        Worker::start(&self.helper).map_err(|error| {
            let why = format!("the process that runs libhdf5 cannot start: {error}");
            Complaint::Unavailable(why)
        })
    }

    /// A turn, with a process if one is idle.
    fn take(&self) -> (Turn<'_>, Option<Worker>) {
        let mut state = self.lock();
        if state.owner != std::process::id() {
            // Neither asked nor ended: they are another's.
            std::mem::take(&mut state.idle).into_iter().for_each(std::mem::forget);
            (state.count, state.owner) = (0, std::process::id());
        }
        loop {
            if let Some(worker) = state.idle.pop() {
                return (Turn(self), Some(worker));
            }
            if state.count < MOST_WORKERS {
                state.count += 1;
                return (Turn(self), None);
            }
            state = self.freed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why there is no answer.
#[derive(Debug)]
enum Stop {
    /// It took more than this.
    Late(&'static str, Duration),
    /// The process was gone before it had the question.
    Unasked(io::Error),
    /// The process is gone, or said nonsense.
    Gone(io::Error),
}

impl Worker {
    fn start(helper: &Helper) -> io::Result<Self> {
        log::debug!("starting {} for libhdf5", helper.program.display());
        let mut child = Command::new(&helper.program)
            .args(&helper.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // What interrupts this program in its terminal is for this program to answer.
            .process_group(0)
            .spawn()?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(questions), Some(answers)) => Ok(Self { child, questions, answers }),
            _ => Err(io::Error::other("it has no pipes")),
        }
    }

    fn ask<A: DeserializeOwned>(
        &mut self,
        question: &Question,
        memory_bytes: u64,
        patience: Patience,
    ) -> Result<Result<A, Complaint>, Stop> {
        let wanted = question.answer_bytes().saturating_mul(COPIES);
        self.limit_memory(memory_bytes.saturating_add(wanted));
        wire::send(question, &mut self.questions).map_err(Stop::Unasked)?;
        let limits = Limits {
            began: Instant::now(),
            used: processor_time(self.child.id()),
            pid: self.child.id(),
            patience,
        };
        let mut answers = Patient { answers: &mut self.answers, limits, late: None };
        let answer = wire::receive(&mut answers);
        match (answers.late, answer) {
            (Some((what, limit)), _) => Err(Stop::Late(what, limit)),
            (None, Ok(Some(answer))) => Ok(answer),
            (None, Ok(None)) => Err(Stop::Gone(io::ErrorKind::UnexpectedEof.into())),
            (None, Err(error)) => Err(Stop::Gone(error)),
        }
    }

    /// How this process came to its end, of which it is relieved.
    fn ended(&mut self, stop: &Stop, memory_bytes: u64) -> Complaint {
        let _ = self.child.kill();
        let status = self.child.wait();
        let what = match stop {
            Stop::Unasked(error) => {
                let why =
                    format!("the process that runs libhdf5 ended before it was asked: {error}");
                return Complaint::Unavailable(why);
            }
            Stop::Late(what, limit) => format!(
                "libhdf5 came to no end within {} s of {what}; the file is damaged",
                limit.as_secs()
            ),
            Stop::Gone(error) => match status.map(|status| status.signal()) {
                Ok(Some(signal)) if signal != libc::SIGKILL => format!(
                    "libhdf5 broke down over it (signal {signal}), or needed more than the {} MiB \
                     that it has by the memory budget",
                    memory_bytes >> 20
                ),
                Ok(Some(_)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    let why = "the process that runs libhdf5 was killed, as where memory is short";
                    return Complaint::Unavailable(why.to_owned());
                }
                _ => format!("the process that runs libhdf5 ended: {error}"),
            },
        };
        Complaint::Said(what)
    }

    fn limit_memory(&self, bytes: u64) {
        let limit = libc::rlimit { rlim_cur: bytes, rlim_max: libc::RLIM_INFINITY };
        // SAFETY: the call reads `limit`. Where it is refused the limit of before stays.
        unsafe {
            libc::prlimit(
                self.child.id() as libc::pid_t,
                libc::RLIMIT_AS,
                &raw const limit,
                std::ptr::null_mut(),
            );
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// When a process is late.
struct Limits {
    began: Instant,
    /// Processor time before.
    used: Option<Duration>,
    pid: u32,
    patience: Patience,
}

impl Limits {
    fn exceeded(&self) -> Option<(&'static str, Duration)> {
        let Patience { processor, clock } = self.patience;
        let used =
            processor_time(self.pid).zip(self.used).map(|(now, then)| now.saturating_sub(then));
        if used.is_some_and(|used| used > processor) {
            Some(("processor time", processor))
        } else {
            (self.began.elapsed() > clock).then_some(("time", clock))
        }
    }
}

/// Reads while the process keeps to its limits.
struct Patient<'a> {
    answers: &'a mut ChildStdout,
    limits: Limits,
    late: Option<(&'static str, Duration)>,
}

impl Read for Patient<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        const LOOK_EVERY_MS: libc::c_int = 100;
        loop {
            let mut descriptor =
                libc::pollfd { fd: self.answers.as_raw_fd(), events: libc::POLLIN, revents: 0 };
            // SAFETY: one descriptor, which is open.
            let ready = unsafe { libc::poll(&raw mut descriptor, 1, LOOK_EVERY_MS) };
            if ready > 0 {
                return self.answers.read(out);
            }
            if ready < 0 && io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
                return Err(io::Error::last_os_error());
            }
            self.late = self.limits.exceeded();
            if self.late.is_some() {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
    }
}

/// Processor time that a process has used.
fn processor_time(pid: u32) -> Option<Duration> {
    let mut clock = 0;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: both calls only write into the places given.
    unsafe {
        if libc::clock_getcpuclockid(pid as libc::pid_t, &raw mut clock) != 0
            || libc::clock_gettime(clock, &raw mut time) != 0
        {
            return None;
        }
    }
    Some(Duration::new(u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::wire::Ask;
    use super::*;
    use crate::base::{Fault, Kind};
    use crate::input::hdf5::library::pinned::Pinned;

    /// A process that answers by a shell script.
    fn pool(script: &str, patience: Patience) -> Pool {
        let arguments = vec!["-c".into(), script.into()];
        Pool::new(Helper { program: "/bin/bash".into(), arguments }, patience)
    }

    fn question() -> Question {
        Question::new(&Pinned::nowhere("/a"), Ask::Tree { base: 0 })
    }

    fn ask(pool: &Pool) -> Result<Vec<u8>, String> {
        pool.ask(&question(), 1 << 30).map_err(|complaint| match complaint {
            Complaint::Said(what) | Complaint::Unavailable(what) => what,
            Complaint::Replaced => "replaced".to_owned(),
        })
    }

    /// `Ok(b"x")` and `Err("y")` as frames.
    const YES: &str = "printf '\\003\\0\\0\\0\\0\\0\\0\\0\\0\\001x'";
    const NO: &str = "printf '\\004\\0\\0\\0\\0\\0\\0\\0\\001\\0\\001y'";

    #[test]
    fn a_process_lives_while_its_files_are_sound() {
        let dir = tempfile::tempdir().unwrap();
        let started = dir.path().join("started");
        let note = format!("echo >> {}", started.display());
        let starts = || std::fs::read_to_string(&started).unwrap().lines().count();
        let sound =
            pool(&format!("{note}; {YES}; {YES}; {YES}; cat > /dev/null"), Patience::default());
        for _ in 0..3 {
            assert_eq!(ask(&sound).unwrap(), b"x");
        }
        assert_eq!(starts(), 1);
        let damaged = pool(&format!("{note}; {NO}; cat > /dev/null"), Patience::default());
        for _ in 0..3 {
            assert_eq!(ask(&damaged).unwrap_err(), "y");
        }
        assert_eq!(starts(), 4);
    }

    #[test]
    fn a_process_that_dies_or_never_ends_is_an_error_and_the_next_question_has_another() {
        let mut asked = Vec::new();
        wire::send(&question(), &mut asked).unwrap();
        let script = format!("head -c {} > /dev/null; kill -SEGV $$", asked.len());
        let broken = pool(&script, Patience::default());
        for _ in 0..3 {
            assert!(ask(&broken).unwrap_err().contains("signal 11"), "{:?}", ask(&broken));
        }
        assert!(ask(&pool("exit 3", Patience::default())).unwrap_err().contains("ended"));
        let short = Duration::from_millis(200);
        let patience = Patience { processor: short, clock: Duration::from_secs(60) };
        let error = ask(&pool("while :; do :; done", patience)).unwrap_err();
        assert!(error.contains("processor time"), "{error}");
        let patience = Patience { processor: short, clock: short };
        let error = ask(&pool("exec sleep 60", patience)).unwrap_err();
        assert!(error.contains("no end within"), "{error}");
        assert!(ask(&pool("printf garbage; exec cat", patience)).is_err());
    }

    #[test]
    fn more_questions_than_processes_wait_for_their_turn() {
        let pool = Arc::new(pool(
            &format!(
                "while [ \"$(head -c 8 | wc -c)\" = 8 ]; do head -c 5 >/dev/null; sleep 0.05; {YES}; done"
            ),
            Patience::default(),
        ));
        std::thread::scope(|scope| {
            let asked: Vec<_> = (0..8).map(|_| scope.spawn(|| ask(&pool))).collect();
            for asked in asked {
                assert_eq!(asked.join().unwrap().unwrap(), b"x");
            }
        });
        assert!(pool.lock().count <= MOST_WORKERS);
    }

    #[test]
    fn processes_of_another_process_are_neither_asked_nor_ended() {
        let dir = tempfile::tempdir().unwrap();
        let started = dir.path().join("started");
        let note = format!("echo $$ >> {}", started.display());
        let pool = pool(&format!("{note}; {YES}; {YES}; cat > /dev/null"), Patience::default());
        assert_eq!(ask(&pool).unwrap(), b"x");
        // As after a fork.
        pool.lock().owner = 1;
        assert_eq!(ask(&pool).unwrap(), b"x");
        let started = std::fs::read_to_string(&started).unwrap();
        let first = started.lines().next().unwrap().to_owned();
        assert_eq!(started.lines().count(), 2);
        assert!(std::path::Path::new(&format!("/proc/{first}")).exists());
        let first = first.parse().unwrap();
        // SAFETY: ends and relieves the process that this test started.
        unsafe {
            libc::kill(first, libc::SIGKILL);
            libc::waitpid(first, std::ptr::null_mut(), 0);
        }
    }

    #[test]
    fn another_process_takes_the_place_of_one_that_was_ended_while_it_was_idle() {
        let dir = tempfile::tempdir().unwrap();
        let started = dir.path().join("started");
        let note = format!("echo >> {}", started.display());
        let pool = pool(&format!("{note}; {YES}; exec cat > /dev/null"), Patience::default());
        for starts in 1..4 {
            assert_eq!(ask(&pool).unwrap(), b"x");
            assert_eq!(std::fs::read_to_string(&started).unwrap().lines().count(), starts);
            for worker in &mut pool.lock().idle {
                worker.child.kill().unwrap();
                worker.child.wait().unwrap();
            }
        }
        assert_eq!(pool.lock().count, 1);
    }

    #[test]
    fn what_cannot_be_started_is_told_and_not_of_the_file() {
        let helper = Helper { program: "/nowhere/anncat".into(), arguments: Vec::new() };
        let asked = Pool::new(helper, Patience::default()).ask::<Vec<u8>>(&question(), 1 << 30);
        let error = asked.unwrap_err().of(std::path::Path::new("/a"), "/x");
        assert_eq!(error.kind(), Kind::InputUnreadable);
        let told = error.to_string();
        assert!(told.starts_with("/a: /x: the process that runs libhdf5 cannot start"), "{told}");
    }
}
