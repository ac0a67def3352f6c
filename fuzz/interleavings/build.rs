//! Makes variants of the modules under test, most of them with one mistake, so that a test can show
//! that its model would find it.

use std::path::Path;

/// A queue that fills up.
const SHORT_QUEUE: Change = ("const WAITING: usize = 256;", "const WAITING: usize = 1;");

/// What is replaced by what.
type Change = (&'static str, &'static str);

/// Name of the variant, the module, and its changes.
const VARIANTS: &[(&str, &str, &[Change])] = &[
    ("blocks_one_is_woken", "io/blocks.rs", &[("ended.notify_all()", "ended.notify_one()")]),
    (
        "blocks_a_panic_is_not_told",
        "io/blocks.rs",
        &[("outcome.map_or(FlightState::Crashed,", "outcome.map_or(FlightState::Flying,")],
    ),
    (
        "blocks_landed_before_kept",
        "io/blocks.rs",
        &[(
            "state.loading.remove(&self.key);",
            "state.loading.remove(&self.key); drop(state); let mut state = lock(&self.cache.state);",
        )],
    ),
    ("surroundings_short_queue", "fuse/surroundings.rs", &[SHORT_QUEUE]),
    (
        "surroundings_readers_wait_for_room",
        "fuse/surroundings.rs",
        &[
            SHORT_QUEUE,
            (
                "self.queue.try_send(piece.clone()).is_ok()",
                "self.queue.send(piece.clone()).is_ok()",
            ),
        ],
    ),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let out = std::env::var("OUT_DIR")?;
    println!("cargo::rerun-if-changed=build.rs");
    for (name, module, changes) in VARIANTS {
        let path = Path::new("../../src").join(module);
        println!("cargo::rerun-if-changed={}", path.display());
        let source = std::fs::read_to_string(&path)?;
        let (code, _tests) = source.split_once("#[cfg(test)]").unwrap_or((&source, ""));
        // An included file cannot document itself.
        let code: Vec<&str> = code.lines().filter(|line| !line.starts_with("//!")).collect();
        let mut code = code.join("\n");
        for (sound, changed) in *changes {
            if code.matches(sound).count() != 1 {
                return Err(format!("{module} does not have this once: {sound}").into());
            }
            code = code.replace(sound, changed);
        }
        std::fs::write(Path::new(&out).join(format!("{name}.rs")), code)?;
    }
    Ok(())
}
