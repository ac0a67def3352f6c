//! From a recipe to the merged tree, telling on stderr what is to be told.

use super::words::counted;
use super::{Result, Talk};
use crate::recipe::{Limits, Merged, Planned, Recipe};

/// Carries out a recipe. The shape and notices go to stderr, before what may take long.
///
/// # Errors
/// Whatever step fails first.
pub fn load(recipe: &Recipe, limits: Limits, talk: Talk) -> Result<Merged> {
    let planned = Planned::open(recipe, limits)?;
    let ([n_obs, n_vars], inputs) = (planned.shape(), counted(planned.num_inputs(), "input"));
    talk.say(format_args!("{n_obs} obs × {n_vars} vars from {inputs}"));
    for notice in planned.notices() {
        talk.note(notice);
    }
    let merged = planned.compile(&*talk.progress())?;
    for notice in &merged.notices[planned.notices().len()..] {
        talk.note(notice);
    }
    Ok(merged)
}
