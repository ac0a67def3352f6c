//! What only a face that waits can show, in a mount.

use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use super::*;
use crate::base::ReadError;
use crate::face::{Entry, EntryId, EntryKind, Listed};

/// A file whose length is not known before it is let go.
#[derive(Default)]
struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
    num_waiting: std::sync::atomic::AtomicUsize,
}

const BYTES: &[u8] = b"some bytes";

impl Gate {
    fn open(&self) {
        *self.is_open.lock().unwrap() = true;
        self.opened.notify_all();
    }
}

impl Face for Gate {
    fn root(&self) -> EntryId {
        EntryId(1)
    }
    fn known_root(&self) -> Entry {
        Entry { id: EntryId(1), kind: EntryKind::File { len_bytes: None } }
    }
    fn num_entries(&self) -> u64 {
        1
    }
    fn total_bytes(&self) -> u64 {
        0
    }
    fn entry(&self, id: EntryId) -> Result<Option<Entry>, ReadError> {
        self.num_waiting.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let is_open = self.is_open.lock().unwrap();
        drop(self.opened.wait_while(is_open, |is_open| !*is_open).unwrap());
        let kind = EntryKind::File { len_bytes: Some(BYTES.len() as u64) };
        Ok((id == EntryId(1)).then_some(Entry { id, kind }))
    }
    fn lookup(&self, _dir: EntryId, _name: &str) -> Result<Option<Entry>, ReadError> {
        Ok(None)
    }
    fn list(&self, _dir: EntryId, _from: u64) -> Option<Box<dyn Iterator<Item = Listed> + '_>> {
        None
    }
    fn read_at(&self, _file: EntryId, at: u64, out: &mut [u8]) -> Result<usize, ReadError> {
        let rest = BYTES.get(at as usize..).unwrap_or_default();
        let len = rest.len().min(out.len());
        out[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }
    fn takes_long(&self, _file: EntryId) -> bool {
        !*self.is_open.lock().unwrap()
    }
}

#[test]
fn who_waits_for_a_length_holds_up_nobody_else() {
    if std::env::var_os("ANNCAT_SKIP_FUSE").is_some_and(|value| value == "1") {
        return;
    }
    const THREADS: usize = 2;
    let dir = tempfile::tempdir().unwrap();
    let (slow, quick) = (Arc::new(Gate::default()), Arc::new(Gate::default()));
    quick.open();
    let export =
        |name: &str, face: &Arc<Gate>| Export { name: name.to_owned(), face: face.clone() };
    let exports = vec![export("slow", &slow), export("quick", &quick)];
    let options = MountOptions { threads: THREADS, ..MountOptions::default() };
    let mounted = mount(dir.path(), exports, &options).unwrap();
    let path = |name: &str| dir.path().join(name);
    std::thread::scope(|scope| {
        let list = || std::fs::read_dir(dir.path()).unwrap().count();
        // Once it is listed, each of those who look at it asks by itself.
        assert_eq!(list(), 2);
        let waiting: Vec<_> = (0..4 * THREADS)
            .map(|_| scope.spawn(|| std::fs::metadata(path("slow")).unwrap().len()))
            .collect();
        let begin = Instant::now();
        while slow.num_waiting.load(std::sync::atomic::Ordering::Relaxed) <= THREADS {
            assert!(begin.elapsed() < Duration::from_secs(20), "they wait for one another");
            std::thread::sleep(Duration::from_millis(5));
        }
        // What would be held up waits until the gate opens, and that opens only after it.
        assert_eq!(std::fs::read(path("quick")).unwrap(), BYTES);
        assert_eq!(list(), 2);
        assert!(waiting.iter().all(|waiter| !waiter.is_finished()));
        slow.open();
        for waiter in waiting {
            assert_eq!(waiter.join().unwrap(), BYTES.len() as u64);
        }
    });
    assert_eq!(std::fs::read(path("slow")).unwrap(), BYTES);
    mounted.unmounter().unmount().unwrap();
    mounted.wait().unwrap();
}
