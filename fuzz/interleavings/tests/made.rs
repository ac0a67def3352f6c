//! What is made on demand is counted rightly, whatever is dropped while it is being made.

use std::sync::Arc;

use anncat_interleavings::base::ReadError;
use anncat_interleavings::face::made::Made;
use shuttle::thread;

/// Bytes of each entry, and of two of them.
const EACH: usize = 5;
const ROOM: usize = 2 * EACH;

fn get(made: &Made<u32>, key: u32) -> bool {
    let mut ran = false;
    let make = || {
        ran = true;
        thread::yield_now();
        Ok(vec![key as u8; EACH])
    };
    assert_eq!(*made.get(key, make).unwrap(), [key as u8; EACH]);
    ran
}

/// After all is quiet two entries fit, and no third.
fn check_room(made: &Made<u32>) {
    for key in [101, 102] {
        get(made, key);
    }
    assert!(!get(made, 101) && !get(made, 102), "what fits was dropped");
    get(made, 103);
    assert!(get(made, 101), "more is kept than fits");
}

fn several_keys() {
    let made = Arc::new(Made::new(ROOM));
    let ask = |keys: &'static [u32]| {
        let made = Arc::clone(&made);
        thread::spawn(move || {
            for &key in keys {
                get(&made, key);
            }
        })
    };
    let asking = [ask(&[1, 2]), ask(&[2, 3]), ask(&[3, 1])];
    asking.into_iter().for_each(|one| one.join().unwrap());
    check_room(&made);
}

fn failures_among_them() {
    let made = Arc::new(Made::new(ROOM));
    let failing = {
        let made = Arc::clone(&made);
        thread::spawn(move || {
            let fails = || {
                thread::yield_now();
                Err(ReadError::corrupt("f", "e", "w"))
            };
            let _ = made.get(1, fails);
        })
    };
    let ask = |keys: &'static [u32]| {
        let made = Arc::clone(&made);
        thread::spawn(move || {
            for &key in keys {
                // Whoever waited for the one that fails fails with it.
                let _ = made.get(key, || Ok(vec![0; EACH]));
            }
        })
    };
    let asking = [failing, ask(&[2, 3, 4, 1]), ask(&[3, 1])];
    asking.into_iter().for_each(|one| one.join().unwrap());
    check_room(&made);
}

#[test]
fn the_room_is_right_after_several_keys() {
    shuttle::check_pct(several_keys, 4000, 3);
    shuttle::check_random(several_keys, 4000);
}

#[test]
fn the_room_is_right_after_failures() {
    shuttle::check_pct(failures_among_them, 4000, 3);
    shuttle::check_random(failures_among_them, 4000);
}
