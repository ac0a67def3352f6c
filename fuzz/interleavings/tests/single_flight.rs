//! A block that several threads ask for at once is loaded once, whatever happens to the load.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The model, over one variant of the module.
macro_rules! model {
    ($name:ident, $($blocks:tt)*) => {
        #[allow(dead_code, reason = "a variant is for one of the models")]
        mod $name {
            use super::*;
            use anncat_interleavings::base::ReadError;
            use anncat_interleavings::io::$($blocks)*::{BlockCache, BlockKey};
            use shuttle::thread;

            const KEY: BlockKey = BlockKey { owner: 1, index: 7 };

            /// Everyone gets the block, and it was loaded once.
            pub fn one_load_serves_all() {
                let cache = Arc::new(BlockCache::<Vec<u8>>::new(1 << 20));
                let loads = Arc::new(AtomicUsize::new(0));
                let ask = || {
                    let (cache, loads) = (Arc::clone(&cache), Arc::clone(&loads));
                    thread::spawn(move || {
                        let load = || {
                            loads.fetch_add(1, Ordering::SeqCst);
                            thread::yield_now();
                            Ok(vec![7])
                        };
                        assert_eq!(**cache.get_or_load(KEY, load).unwrap(), [7]);
                    })
                };
                let asking = [ask(), ask(), ask()];
                asking.into_iter().for_each(|one| one.join().unwrap());
                assert_eq!(loads.load(Ordering::SeqCst), 1);
                assert!(cache.get(KEY).is_some() && !cache.is_loading(KEY));
            }

            /// A failure is told to all who waited for it, and is not kept.
            pub fn a_failure_is_told_and_not_kept() {
                let cache = Arc::new(BlockCache::<Vec<u8>>::new(1 << 20));
                let loads = Arc::new(AtomicUsize::new(0));
                let ask = || {
                    let (cache, loads) = (Arc::clone(&cache), Arc::clone(&loads));
                    thread::spawn(move || {
                        let load = || {
                            thread::yield_now();
                            match loads.fetch_add(1, Ordering::SeqCst) {
                                0 => Err(ReadError::corrupt("f", "e", "w")),
                                _ => Ok(vec![7]),
                            }
                        };
                        cache.get_or_load(KEY, load).is_ok()
                    })
                };
                let asking = [ask(), ask(), ask()];
                let good: usize =
                    asking.into_iter().map(|one| usize::from(one.join().unwrap())).sum();
                let loads = loads.load(Ordering::SeqCst);
                // Either all waited for the one that failed, or who came later loaded once more.
                assert!(matches!((loads, good), (1, 0) | (2, 1 | 2)), "{loads} loads, {good} good");
                assert_eq!(cache.get(KEY).is_some(), good > 0);
                assert!(!cache.is_loading(KEY));
            }

            /// A load that panics holds up nobody.
            pub fn a_panic_holds_up_nobody() {
                let cache = Arc::new(BlockCache::<Vec<u8>>::new(1 << 20));
                let panicking = {
                    let cache = Arc::clone(&cache);
                    thread::spawn(move || {
                        let load = || {
                            thread::yield_now();
                            std::panic::resume_unwind(Box::new("as a test"))
                        };
                        let ask = || cache.get_or_load(KEY, load).is_ok();
                        // It panics, or another thread's load served it.
                        matches!(catch_unwind(AssertUnwindSafe(ask)), Err(_) | Ok(true))
                    })
                };
                let ask = || {
                    let cache = Arc::clone(&cache);
                    thread::spawn(move || **cache.get_or_load(KEY, || Ok(vec![7])).unwrap() == [7])
                };
                for one in [ask(), ask(), panicking] {
                    assert!(one.join().unwrap());
                }
                assert!(!cache.is_loading(KEY));
            }

            /// A budget for one block: what is dropped meanwhile is loaded anew, and always right.
            pub fn what_is_dropped_is_loaded_anew() {
                let cache = Arc::new(BlockCache::<Vec<u8>>::new(1));
                let ask = |first: u64| {
                    let cache = Arc::clone(&cache);
                    thread::spawn(move || {
                        for index in [first, 1 - first, first] {
                            let key = BlockKey { owner: 1, index };
                            let block = cache.get_or_load(key, || Ok(vec![index as u8]));
                            assert_eq!(**block.unwrap(), [index as u8]);
                        }
                    })
                };
                [ask(0), ask(1)].into_iter().for_each(|one| one.join().unwrap());
                let held = (0..2).filter(|&index| cache.get(BlockKey { owner: 1, index }).is_some());
                assert_eq!(held.count(), 1);
            }
        }
    };
}

model!(sound, blocks);
model!(one_is_woken, variants::blocks_one_is_woken);
model!(a_panic_is_not_told, variants::blocks_a_panic_is_not_told);
model!(landed_before_kept, variants::blocks_landed_before_kept);

/// Orders that are tried at random, with a bound on the preemptions that a failure takes.
const ORDERS: usize = 4000;
const PREEMPTIONS: usize = 3;

fn hold(model: fn()) {
    shuttle::check_pct(model, ORDERS, PREEMPTIONS);
    shuttle::check_random(model, ORDERS);
}

fn finds(model: fn()) -> bool {
    catch_unwind(|| hold(model)).is_err()
}

#[test]
fn one_load_serves_all() {
    hold(sound::one_load_serves_all);
}

#[test]
fn a_failure_is_told_and_not_kept() {
    hold(sound::a_failure_is_told_and_not_kept);
}

#[test]
fn a_panic_holds_up_nobody() {
    hold(sound::a_panic_holds_up_nobody);
}

#[test]
fn what_is_dropped_is_loaded_anew() {
    hold(sound::what_is_dropped_is_loaded_anew);
}

#[test]
fn mistakes_are_found() {
    assert!(finds(one_is_woken::one_load_serves_all));
    assert!(finds(a_panic_is_not_told::a_panic_holds_up_nobody));
    assert!(finds(landed_before_kept::one_load_serves_all));
}
