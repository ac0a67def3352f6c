//! From a recipe to the merged tree, telling on stderr what is to be told.

use super::dropped::DroppedArgs;
use super::failure::Doing;
use super::words::counted;
use super::{Result, Talk};
use crate::base::Kind;
use crate::concat::{NameCheck, Notice, NoticeReport};
use crate::recipe::{Limits, Merged, Planned, Recipe};

/// What a recipe gives.
pub struct Loaded {
    /// The result.
    pub merged: Merged,
    /// Whether names are unique, if it is not known yet.
    pub names: Option<NameCheck>,
}

/// Carries out a recipe. The shape and notices go to stderr, before what may take long.
///
/// # Errors
/// Whatever step fails first.
pub fn load(recipe: &Recipe, limits: Limits, dropped: &DroppedArgs, talk: Talk) -> Result<Loaded> {
    let planned = Planned::open(recipe, limits)?;
    let ([n_obs, n_vars], inputs) = (planned.shape(), counted(planned.num_inputs(), "input"));
    talk.say(format_args!("{n_obs} obs × {n_vars} vars from {inputs}"));
    for notice in planned.notices() {
        talk.note(notice);
    }
    dropped.write(&planned)?;
    let check = planned.name_check();
    let (repeated, names) = match check.is_quick() {
        true => (check.run()?, None),
        false => (Vec::new(), Some(check)),
    };
    let mut merged = planned.compile(&*talk.progress())?;
    let compiled = merged.notices.split_off(planned.notices().len());
    for notice in compiled.into_iter().chain(repeated) {
        tell(notice, &mut merged.report.notices, talk);
    }
    Ok(Loaded { merged, names })
}

/// Tells what was found out after planning.
pub fn tell(notice: Notice, told: &mut Vec<NoticeReport>, talk: Talk) {
    talk.note(&notice);
    told.push(NoticeReport::from(notice));
}

/// Looks at names in a thread beside everything else, which ends with the process if nobody waits
/// for it, and tells what was found.
///
/// # Errors
/// There can be no more threads.
pub fn check_names<T: Send + 'static>(
    names: NameCheck,
    tell: impl FnOnce(Vec<Notice>) -> T + Send + 'static,
) -> Result<std::thread::JoinHandle<Option<T>>> {
    let check = move || {
        // One thread of its own: who reads the result is to have the others.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().ok()?;
        match pool.install(|| names.run()) {
            Ok(repeated) => Some(tell(repeated)),
            Err(error) => {
                log::warn!("cannot tell whether names are unique: {error}");
                None
            }
        }
    };
    let thread = std::thread::Builder::new().name("names".to_owned()).spawn(check);
    thread.doing(Kind::System, "cannot start a thread")
}
