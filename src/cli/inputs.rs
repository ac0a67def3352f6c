//! Which inputs a command line names, under which keys.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use clap::Args;

use super::failure::Doing;
use super::words::counted;
use super::{Failure, Result, table, usage};
use crate::base::Kind;
use crate::recipe::{Input, Place, Relocation};

/// Where else inputs are named.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Inputs")]
pub struct InputArgs {
    /// Read more inputs, after those named, from FILE, or from the standard input with -: an input
    /// a line, as on the command line, relative to the working directory; lines that begin with #
    /// are left out
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
    /// Take inputs, concatenation and layout from a plan that `anncat inspect --save` wrote, and
    /// fail if an input is not what it was then
    #[arg(long, value_name = "PLAN.json", conflicts_with_all = ["from", "ElementArgs", "ConcatArgs"])]
    pub plan: Option<PathBuf>,
    /// Look for inputs of the plan that lie in OLD in NEW instead; may be given several times
    #[arg(long, value_name = "OLD=NEW", requires = "plan")]
    pub relocate: Vec<OsString>,
}

impl InputArgs {
    /// All inputs in order: those of the command line, then those of `--from`.
    ///
    /// # Errors
    /// There are none, the list cannot be read, or keys are missing, too many or twice the same.
    pub fn resolve(&self, named: &[OsString], keys: Option<&[String]>) -> Result<Vec<Input>> {
        let mut specs: Vec<Spec> = named.iter().map(|text| Spec::parse(text)).collect();
        if let Some(list) = &self.from {
            let text = read_list(list)?;
            refuse_table(&text, list)?;
            specs.extend(lines(&text).map(Spec::parse));
        }
        if specs.is_empty() {
            return Err(usage(
                "there are no inputs\n  hint: name at least one .h5ad file or .zarr directory",
            ));
        }
        for Spec { place: Place { path, .. }, .. } in &specs {
            if path.as_os_str().is_empty() {
                return Err(usage("an input has a key but no path\n  hint: write KEY=PATH"));
            }
            let shown = path.to_string_lossy();
            if shown.contains("://") && !path.exists() {
                return Err(usage(format!(
                    "{shown}: inputs are read from this machine's files only\n  hint: download it first"
                )));
            }
        }
        let inputs = assign_keys(specs, keys)?;
        let mut seen: HashMap<&str, &Input> = HashMap::with_capacity(inputs.len());
        for input in &inputs {
            if let Some(first) = seen.insert(&input.key, input) {
                return Err(usage(format!(
                    "the key {:?} stands for both {} and {}\n  hint: give every input its own key",
                    input.key,
                    first.place.shown().display(),
                    input.place.shown().display()
                )));
            }
        }
        Ok(inputs)
    }

    /// Where inputs of a plan are now.
    ///
    /// # Errors
    /// One is not of the form OLD=NEW.
    pub fn relocations(&self) -> Result<Vec<Relocation>> {
        let relocation = |text: &OsString| {
            let bytes = text.as_bytes();
            let equals = bytes.iter().position(|&byte| byte == b'=');
            let (old, new) = match equals.map(|at| (&bytes[..at], &bytes[at + 1..])) {
                Some((old, new)) if !old.is_empty() && !new.is_empty() => (old, new),
                _ => return Err(usage(format!("--relocate {}: write OLD=NEW", text.display()))),
            };
            let absolute = |path: &[u8]| {
                let path = Path::new(OsStr::from_bytes(path));
                std::path::absolute(path).doing_at(Kind::System, path, "cannot tell where it is")
            };
            Ok(Relocation { old: absolute(old)?, new: absolute(new)? })
        };
        self.relocate.iter().map(relocation).collect()
    }
}

/// Whether a word of the command line names an input that is there.
pub fn is_input(text: &OsStr) -> bool {
    Spec::parse(text).place.path.exists()
}

fn assign_keys(specs: Vec<Spec>, keys: Option<&[String]>) -> Result<Vec<Input>> {
    let num_keyed = specs.iter().filter(|spec| spec.key.is_some()).count();
    if let Some(keys) = keys {
        if num_keyed > 0 {
            return Err(usage("both --keys and KEY=PATH are given\n  hint: use one of them"));
        }
        if keys.len() != specs.len() {
            return Err(usage(format!(
                "--keys has {} for {}\n  hint: give one key for each input, separated by commas",
                counted(keys.len(), "key"),
                counted(specs.len(), "input")
            )));
        }
        return Ok(specs
            .into_iter()
            .zip(keys)
            .map(|(spec, key)| Input::new(key, spec.place))
            .collect());
    }
    if num_keyed != 0 && num_keyed != specs.len() {
        return Err(usage(format!(
            "{num_keyed} of {} inputs have a key\n  hint: write KEY=PATH for all of them or for none",
            specs.len()
        )));
    }
    Ok(specs
        .into_iter()
        .enumerate()
        // anndata.concat numbers inputs without keys.
        .map(|(n, spec)| Input::new(spec.key.unwrap_or_else(|| n.to_string()), spec.place))
        .collect())
}

/// `PLACE` or `KEY=PLACE`.
struct Spec {
    key: Option<String>,
    place: Place,
}

impl Spec {
    /// What exists under the whole text is a path, even with `=` in its name.
    fn parse(text: &OsStr) -> Self {
        let bytes = text.as_bytes();
        let equals = bytes.iter().position(|&byte| byte == b'=');
        let split = equals.map(|at| (&bytes[..at], OsStr::from_bytes(&bytes[at + 1..])));
        let whole = Place::parse(text);
        match split.and_then(|(key, path)| Some((std::str::from_utf8(key).ok()?, path))) {
            Some((key, place)) if !key.is_empty() && !whole.path.exists() => {
                Self { key: Some(key.to_owned()), place: Place::parse(place) }
            }
            _ => Self { key: None, place: whole },
        }
    }
}

/// A list is shorter than this: of a file named by mistake no more is read.
const MOST_LIST_BYTES: u64 = 64 << 20;

fn read_list(list: &Path) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    let (read, name) = if list == Path::new("-") {
        (std::io::stdin().take(MOST_LIST_BYTES).read_to_end(&mut text), Path::new("standard input"))
    } else {
        let read =
            File::open(list).and_then(|file| file.take(MOST_LIST_BYTES).read_to_end(&mut text));
        (read, list)
    };
    read.map_err(|error| {
        let kind = Kind::of_reading(&error);
        Failure::at(kind, name, format_args!("cannot read the list of inputs: {error}"))
    })?;
    if text.contains(&0) || text.len() as u64 == MOST_LIST_BYTES {
        let what = "this is no list of inputs\n  hint: --from takes a text file with one path a line; \
                    an input itself is named without --from";
        return Err(Failure::at(Kind::InputUnreadable, name, what));
    }
    Ok(text)
}

/// Refuses a table with several columns, which spreadsheets write, as a list of inputs.
fn refuse_table(text: &[u8], list: &Path) -> Result<()> {
    for separator in [',', '\t', ';'] {
        let is_row = |line: &&OsStr| {
            line.as_bytes().contains(&(separator as u8)) && !Spec::parse(line).place.path.exists()
        };
        // A header alone may be an odd name; a list of nothing but rows is a table.
        if lines(text).count() > 1 && lines(text).all(|line| is_row(&line)) {
            let rows: Vec<&OsStr> = lines(text).collect();
            return Err(Failure::at(
                Kind::InputUnreadable,
                list,
                format_args!(
                    "this is a table ({}), and a list of inputs has a PATH or KEY=PATH a line\n  \
                     hint: {}",
                    rows[0].display(),
                    table::hint(text, &rows, separator, list)
                ),
            ));
        }
    }
    Ok(())
}

/// One input a line; empty lines and lines that begin with `#` are left out.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = &OsStr> {
    // Editors of some systems put a mark before the text.
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    let lines = text.split(|&byte| byte == b'\n').map(|line| match std::str::from_utf8(line) {
        Ok(line) => OsStr::new(line.trim()),
        Err(_) => OsStr::from_bytes(line.trim_ascii()),
    });
    lines.filter(|line| !line.is_empty() && !line.as_bytes().starts_with(b"#"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(named: &[&str], keys: Option<&[&str]>) -> Result<Vec<(String, String)>, String> {
        let named: Vec<OsString> = named.iter().map(OsString::from).collect();
        let keys: Option<Vec<String>> =
            keys.map(|keys| keys.iter().map(|&key| key.to_owned()).collect());
        let inputs = InputArgs { from: None, plan: None, relocate: Vec::new() }
            .resolve(&named, keys.as_deref())
            .map_err(|failure| failure.to_string())?;
        Ok(inputs
            .into_iter()
            .map(|input| (input.key, input.place.shown().to_string_lossy().into_owned()))
            .collect())
    }

    fn pair(key: &str, path: &str) -> (String, String) {
        (key.to_owned(), path.to_owned())
    }

    #[test]
    fn keys_are_given_named_or_counted() {
        assert_eq!(resolve(&["a", "b"], None), Ok(vec![pair("0", "a"), pair("1", "b")]));
        assert_eq!(resolve(&["x=a", "y=b=c"], None), Ok(vec![pair("x", "a"), pair("y", "b=c")]));
        assert_eq!(resolve(&["a"], Some(&["k"])), Ok(vec![pair("k", "a")]));
        assert_eq!(resolve(&["=a"], None), Ok(vec![pair("0", "=a")]));
    }

    #[test]
    fn keys_that_contradict() {
        for (named, keys, expected) in [
            (&[][..], None, "there are no inputs"),
            (&["a", "b"], Some(&["k"][..]), "--keys has 1 key for 2 inputs"),
            (&["a"], Some(&["k", "l"]), "--keys has 2 keys for 1 input"),
            (&["a", "b"], Some(&["k", "k"]), "the key \"k\" stands for both a and b"),
            (&["x=a", "x=b"], None, "the key \"x\" stands for both a and b"),
            (&["x=a", "b"], None, "1 of 2 inputs have a key"),
            (&["x=a"], Some(&["k"]), "both --keys and KEY=PATH"),
            (&["x=", "y=b"], None, "an input has a key but no path"),
            (&["s3://bucket/a.h5ad"], None, "s3://bucket/a.h5ad: inputs are read from"),
        ] {
            let error = resolve(named, keys).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn an_existing_path_wins_over_a_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a=b.h5ad");
        std::fs::write(&path, "").unwrap();
        let text = path.to_string_lossy().into_owned();
        assert_eq!(resolve(&[&text], None), Ok(vec![pair("0", &text)]));
    }

    #[test]
    fn lists() {
        let found: Vec<&OsStr> =
            lines(b"\xef\xbb\xbfa.h5ad\r\n\n# no\n k=b c.zarr \n\xe9\n").collect();
        let latin_1 = OsStr::from_bytes(b"\xe9");
        assert_eq!(found, [OsStr::new("a.h5ad"), OsStr::new("k=b c.zarr"), latin_1]);
    }
}
