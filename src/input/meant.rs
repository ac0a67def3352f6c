//! What a path that names nothing may have been meant to be: the nearest name that is there.

use std::path::{Path, PathBuf};

/// Names of a directory that are looked at; a guess is worth no more.
const MOST_NAMES: usize = 10_000;
/// Extensions of inputs, of which one may be taken for another.
const INPUTS: [&str; 4] = ["h5ad", "zarr", "h5", "h5mu"];

/// A path that is there and differs from this one in one name, by few letters.
pub(super) fn nearest(path: &Path) -> Option<PathBuf> {
    // The first name on the way that is not there is the one that is wrong.
    let names = path.ancestors().filter(|above| !above.as_os_str().is_empty());
    let missing = names.take_while(|above| !above.exists()).last()?;
    let name = missing.file_name()?.to_str()?;
    let parent = missing.parent().filter(|parent| !parent.as_os_str().is_empty());
    let entries = std::fs::read_dir(parent.unwrap_or(Path::new("."))).ok()?;
    let names = entries.take(MOST_NAMES).filter_map(|entry| {
        let name = entry.ok()?.file_name();
        name.to_str().map(str::to_owned)
    });
    let meant = nearest_name(name, names)?;
    let rest = path.strip_prefix(missing).ok()?;
    let meant = missing.with_file_name(meant);
    let meant = if rest.as_os_str().is_empty() { meant } else { meant.join(rest) };
    meant.exists().then_some(meant)
}

/// The name that differs least from this one, if it differs little.
fn nearest_name(name: &str, names: impl Iterator<Item = String>) -> Option<String> {
    names.filter_map(|other| Some((distance(name, &other)?, other))).min().map(|(_, other)| other)
}

/// By how many letters two names differ, if that can be a mistake. Names whose digits differ, and
/// short names that differ at all, are names of different things.
fn distance(name: &str, other: &str) -> Option<usize> {
    const MOST_IN_EXTENSION: usize = 2;
    let (name, other) = (name.to_lowercase(), other.to_lowercase());
    let parts = |name: &str| match name.rsplit_once('.') {
        Some((stem, extension)) => (stem.to_owned(), extension.to_owned()),
        None => (name.to_owned(), String::new()),
    };
    let ((stem, extension), (other_stem, other_extension)) = (parts(&name), parts(&other));
    let digits = |name: &str| name.chars().filter(char::is_ascii_digit).collect::<String>();
    if digits(&stem) != digits(&other_stem) {
        return None;
    }
    let most = match stem.chars().count() {
        0..=2 => 0,
        3..=7 => 1,
        8..=11 => 2,
        _ => 3,
    };
    if stem.len().abs_diff(other_stem.len()) > 4 * most {
        return None;
    }
    let in_stem = strsim::damerau_levenshtein(&stem, &other_stem);
    let in_extension = strsim::damerau_levenshtein(&extension, &other_extension);
    let is_another_input = in_stem == 0 && INPUTS.contains(&other_extension.as_str());
    (is_another_input || in_stem <= most && in_extension <= MOST_IN_EXTENSION)
        .then_some(in_stem + in_extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_is_meant() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("donors")).unwrap();
        for name in ["donor1.h5ad", "donor12.h5ad", "other.zarr"] {
            std::fs::write(dir.path().join("donors").join(name), "").unwrap();
        }
        let meant = |path: &str| {
            let meant = nearest(&dir.path().join(path))?;
            Some(meant.strip_prefix(dir.path()).unwrap().display().to_string())
        };
        assert_eq!(meant("donors/doner1.h5da").as_deref(), Some("donors/donor1.h5ad"));
        assert_eq!(meant("donors/Donor12.H5AD").as_deref(), Some("donors/donor12.h5ad"));
        assert_eq!(meant("donros/donor1.h5ad").as_deref(), Some("donors/donor1.h5ad"));
        assert_eq!(meant("donors/other.h5ad").as_deref(), Some("donors/other.zarr"));
        assert_eq!(meant("donors/other").as_deref(), Some("donors/other.zarr"));
        assert_eq!(meant("donors/other.csv").as_deref(), Some("donors/other.zarr"));
        // From the working directory, which is that of the crate.
        assert_eq!(nearest(Path::new("Cargo.tml")), Some("Cargo.toml".into()));
        assert_eq!(nearest(Path::new("scr/lib.rs")), Some("src/lib.rs".into()));
        assert_eq!(meant("donors/something.h5ad"), None);
        assert_eq!(meant("donors/donor2.h5ad"), None, "another donor is not meant");
        assert_eq!(meant("none/at/all"), None);
    }
}
