//! The other side of [`isolated`](super::library::isolated): answers questions about files through
//! libhdf5, until there are no more.

use std::io::{self, BufReader, Write};
use std::time::Duration;

use serde::Serialize;

use super::library::Complaint;
use super::library::direct;
use super::library::isolated::wire::{self, Ask, Question, Strings};
use super::metadata::library::plain_root;
use crate::array::{TextBuf, zeroed};

/// Answers on stdout the questions that come on stdin, which [`super::use_helper`] has made. Ends
/// with them, or with the process that asks.
///
/// # Errors
/// The process that asks is gone, or asks what is no question.
pub fn serve() -> io::Result<()> {
    leave_no_core();
    close_inherited();
    std::thread::Builder::new().spawn(end_with_parent)?;
    let (mut questions, mut answers) = (BufReader::new(io::stdin()), io::stdout());
    while let Some(question) = wire::receive::<Question>(&mut questions)? {
        answer(&question, &mut answers)?;
    }
    Ok(())
}

/// Closes what the process that asks had open for whoever it starts: as long as this process had a file
/// open, too, a lock on it would last.
fn close_inherited() {
    let (first, last, flags): (libc::c_uint, libc::c_uint, libc::c_uint) =
        (3, libc::c_uint::MAX, 0);
    // SAFETY: nothing is open here yet but the three streams. Kernels before 5.9 do not know the call.
    unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) };
}

fn answer(question: &Question, to: &mut impl Write) -> io::Result<()> {
    fn say<T: Serialize>(answer: &Result<T, Complaint>, to: &mut impl Write) -> io::Result<()> {
        wire::send(answer, to)
    }
    let file = &question.file;
    match &question.ask {
        Ask::Tree { base } => say(&plain_root(file, *base), to),
        Ask::Elements(spot) => {
            let answer =
                zeroed(question.answer_bytes(), 1).map_err(|error| error.to_string().into());
            let read = |mut out: Vec<u8>| direct::elements(file, spot, &mut out).map(|()| out);
            say(&answer.and_then(read), to)
        }
        Ask::Text(spot) => {
            let mut texts = TextBuf::new();
            say(&direct::text(file, spot, &mut texts).and_then(|()| Ok(strings(&texts)?)), to)
        }
        Ask::Chunks { element, rank } => say(&direct::chunks(file, element, *rank), to),
    }
}

fn strings(texts: &TextBuf) -> Result<Strings, String> {
    let lens = texts.iter().map(|text| u32::try_from(text.len())).collect::<Result<_, _>>();
    let lens = lens.map_err(|_| "a string is longer than the format allows".to_owned())?;
    Ok(Strings { joined: texts.joined().to_owned(), lens })
}

/// A file that breaks the library is not to leave a copy of its memory each time.
fn leave_no_core() {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the call reads `none`.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) };
}

/// Whoever is stuck in the library does not see that nobody waits for it any more.
fn end_with_parent() {
    // SAFETY: the call only returns a number.
    let parent = || unsafe { libc::getppid() };
    let first = parent();
    while parent() == first {
        std::thread::sleep(Duration::from_secs(1));
    }
    // SAFETY: ends the process at once. What an orderly end would run waits for the library's lock.
    unsafe { libc::_exit(0) };
}
