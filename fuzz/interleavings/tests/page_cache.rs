//! That filling the kernel's page cache holds up no reader: a model of the kernel's pages, in which
//! who reads or stores a page waits until nobody has it locked.
//!
//! As in Linux (`fuse_notify_store`, `fuse_readpages_end`): a page that is asked for stays locked until the
//! answer comes; storing locks the pages one after another, and none while it waits for another.

use std::collections::VecDeque;
use std::panic::catch_unwind;
use std::sync::Arc;

use shuttle::sync::{Condvar, Mutex};
use shuttle::thread;

use anncat_interleavings::fuse::inodes::{Inodes, LEN};

const PAGE_BYTES: u64 = 4096;
const PAGES: usize = (LEN / PAGE_BYTES) as usize;
const INODE: u64 = 2;

#[derive(Clone, Copy, Default)]
struct Page {
    is_locked: bool,
    is_there: bool,
}

#[derive(Default)]
struct State {
    pages: [Page; PAGES],
    /// Pages that are asked for: first and number.
    requests: VecDeque<(usize, usize)>,
    is_unmounted: bool,
}

/// The page cache of one file, and the requests to the server.
#[derive(Default)]
struct Kernel {
    state: Mutex<State>,
    changed: Condvar,
}

impl Kernel {
    /// Changes the state once `can` says that it can be.
    fn when<T>(&self, mut change: impl FnMut(&mut State) -> Option<T>) -> T {
        let mut state = self.state.lock().unwrap();
        loop {
            if let Some(result) = change(&mut state) {
                self.changed.notify_all();
                return result;
            }
            state = self.changed.wait(state).unwrap();
        }
    }

    /// A process reads some pages.
    fn read(&self, first: usize, count: usize) {
        // The pages that are not there are locked, and asked for at once.
        let missing = self.when(|state| {
            let wanted = first..first + count;
            if wanted.clone().any(|page| state.pages[page].is_locked) {
                return None;
            }
            let start = wanted.clone().find(|&page| !state.pages[page].is_there);
            let Some(start) = start else { return Some(None) };
            for page in start..wanted.end {
                state.pages[page].is_locked = true;
            }
            state.requests.push_back((start, wanted.end - start));
            Some(Some(start..wanted.end))
        });
        if let Some(missing) = missing {
            self.when(|state| {
                missing.clone().all(|page| !state.pages[page].is_locked).then_some(())
            });
        }
    }

    /// `FUSE_READ`: the next request, as offset and size; `None` after the end.
    fn request(&self) -> Option<(u64, usize)> {
        self.when(|state| match state.requests.pop_front() {
            Some((first, count)) => {
                Some(Some((first as u64 * PAGE_BYTES, count * PAGE_BYTES as usize)))
            }
            None => state.is_unmounted.then_some(None),
        })
    }

    /// The answer to a request.
    fn answer(&self, at: u64, len: usize) {
        let first = (at / PAGE_BYTES) as usize;
        self.when(|state| {
            for page in first..first + len / PAGE_BYTES as usize {
                assert!(state.pages[page].is_locked);
                state.pages[page] = Page { is_locked: false, is_there: true };
            }
            Some(())
        });
    }

    /// `FUSE_NOTIFY_STORE`.
    fn store(&self, at: u64, bytes: &[u8]) -> bool {
        assert!(bytes.iter().all(|&byte| byte == 7));
        let first = (at / PAGE_BYTES) as usize;
        for page in first..first + bytes.len() / PAGE_BYTES as usize {
            self.when(|state| {
                let page = &mut state.pages[page];
                (!page.is_locked).then(|| page.is_locked = true)
            });
            self.when(|state| {
                state.pages[page] = Page { is_locked: false, is_there: true };
                Some(())
            });
        }
        true
    }

    fn unmount(&self) {
        self.when(|state| {
            state.is_unmounted = true;
            Some(())
        });
    }
}

/// The model, over one variant of the module: so many threads that answer, so many that store.
macro_rules! model {
    ($name:ident, $($surroundings:tt)*) => {
        fn $name(answering: usize, storing: usize) {
            use anncat_interleavings::fuse::$($surroundings)*::Surroundings;
            let kernel = Arc::new(Kernel::default());
            let (surroundings, waiting) = Surroundings::new(&Arc::new(Inodes));
            let (surroundings, waiting) = (Arc::new(surroundings), Arc::new(waiting));
            let mut server = Vec::new();
            for _ in 0..answering {
                let (kernel, surroundings) = (Arc::clone(&kernel), Arc::clone(&surroundings));
                server.push(thread::spawn(move || {
                    while let Some((at, size)) = kernel.request() {
                        surroundings.answered(INODE, at, size, || {
                            kernel.answer(at, size);
                            Some(size)
                        });
                    }
                }));
            }
            for _ in 0..storing {
                let (kernel, waiting) = (Arc::clone(&kernel), Arc::clone(&waiting));
                server.push(thread::spawn(move || {
                    waiting.store(|_, at, bytes| kernel.store(at, bytes));
                }));
            }
            // The last that can send ends those that store.
            drop(surroundings);
            let reader = |reads: &'static [(usize, usize)]| {
                let kernel = Arc::clone(&kernel);
                thread::spawn(move || reads.iter().for_each(|&(first, n)| kernel.read(first, n)))
            };
            let readers = [reader(&[(0, 1), (4, 1), (8, 2)]), reader(&[(12, 1), (1, 2), (5, 1)])];
            readers.into_iter().for_each(|reader| reader.join().unwrap());
            kernel.unmount();
            server.into_iter().for_each(|thread| thread.join().unwrap());
        }
    };
}

model!(sound, surroundings);
model!(short_queue, variants::surroundings_short_queue);
model!(readers_wait_for_room, variants::surroundings_readers_wait_for_room);

fn hold(model: impl Fn() + Send + Sync + Copy + 'static, orders: usize) {
    shuttle::check_pct(model, orders, 3);
    shuttle::check_random(model, orders);
}

#[test]
fn no_reader_waits_for_ever() {
    for (answering, storing) in [(1, 1), (2, 1), (1, 2), (2, 2)] {
        hold(move || sound(answering, storing), 500);
        hold(move || short_queue(answering, storing), 500);
    }
}

#[test]
fn a_reader_that_waits_for_those_that_store_is_found() {
    assert!(catch_unwind(|| hold(|| readers_wait_for_room(1, 1), 5000)).is_err());
}
