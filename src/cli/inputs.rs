//! Which inputs a command line names, under which keys.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;

use super::usage;

/// Where else inputs are named.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Inputs")]
pub struct InputArgs {
    /// Read more inputs, after those named, from FILE, or from the standard input with -: one a
    /// line, relative to the working directory; lines that begin with # are left out
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
}

/// An input with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedInput {
    /// The key.
    pub key: String,
    /// The file or directory.
    pub path: PathBuf,
}

impl InputArgs {
    /// All inputs in order: those of the command line, then those of `--from`.
    ///
    /// # Errors
    /// There are none, the list cannot be read, or keys are missing, too many or twice the same.
    pub fn resolve(&self, named: &[OsString], keys: Option<&[String]>) -> Result<Vec<KeyedInput>> {
        let mut specs: Vec<Spec> = named.iter().map(|text| Spec::parse(text)).collect();
        if let Some(list) = &self.from {
            specs.extend(lines(&read_list(list)?).map(Spec::parse));
        }
        if specs.is_empty() {
            return Err(usage(
                "there are no inputs\n  hint: name at least one .h5ad file or .zarr directory",
            ));
        }
        for Spec { path, .. } in &specs {
            let path = path.to_string_lossy();
            if path.is_empty() {
                return Err(usage("an input has a key but no path\n  hint: write KEY=PATH"));
            }
            if path.contains("://") && !Path::new(path.as_ref()).exists() {
                return Err(usage(format!(
                    "{path}: inputs are read from this machine's files only\n  hint: download it first"
                )));
            }
        }
        let inputs = assign_keys(specs, keys)?;
        let mut seen: HashMap<&str, &Path> = HashMap::with_capacity(inputs.len());
        for input in &inputs {
            if let Some(first) = seen.insert(&input.key, &input.path) {
                return Err(usage(format!(
                    "the key {:?} stands for both {} and {}\n  hint: give every input its own key",
                    input.key,
                    first.display(),
                    input.path.display()
                )));
            }
        }
        Ok(inputs)
    }
}

fn assign_keys(specs: Vec<Spec>, keys: Option<&[String]>) -> Result<Vec<KeyedInput>> {
    let num_keyed = specs.iter().filter(|spec| spec.key.is_some()).count();
    if let Some(keys) = keys {
        if num_keyed > 0 {
            return Err(usage("both --keys and KEY=PATH are given\n  hint: use one of them"));
        }
        if keys.len() != specs.len() {
            return Err(usage(format!(
                "--keys names {} of {} inputs\n  hint: give one key for each input",
                keys.len(),
                specs.len()
            )));
        }
        return Ok(specs
            .into_iter()
            .zip(keys)
            .map(|(spec, key)| KeyedInput { key: key.clone(), path: spec.path })
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
        .map(|(n, spec)| KeyedInput {
            // anndata.concat numbers inputs without keys.
            key: spec.key.unwrap_or_else(|| n.to_string()),
            path: spec.path,
        })
        .collect())
}

/// `PATH` or `KEY=PATH`.
struct Spec {
    key: Option<String>,
    path: PathBuf,
}

impl Spec {
    /// What exists under the whole text is a path, even with `=` in its name.
    fn parse(text: &OsStr) -> Self {
        let bytes = text.as_bytes();
        let equals = bytes.iter().position(|&byte| byte == b'=');
        let split = equals.map(|at| (&bytes[..at], OsStr::from_bytes(&bytes[at + 1..])));
        match split.and_then(|(key, path)| Some((std::str::from_utf8(key).ok()?, path))) {
            Some((key, path)) if !key.is_empty() && !Path::new(text).exists() => {
                Self { key: Some(key.to_owned()), path: path.into() }
            }
            _ => Self { key: None, path: text.into() },
        }
    }
}

fn read_list(list: &Path) -> Result<Vec<u8>> {
    if list == Path::new("-") {
        let mut text = Vec::new();
        std::io::stdin()
            .read_to_end(&mut text)
            .context("cannot read the list of inputs from the standard input")?;
        return Ok(text);
    }
    std::fs::read(list)
        .with_context(|| format!("{}: cannot read the list of inputs", list.display()))
}

/// One input a line; empty lines and lines that begin with `#` are left out.
fn lines(text: &[u8]) -> impl Iterator<Item = &OsStr> {
    let lines = text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    lines.filter(|line| !line.is_empty() && !line.starts_with(b"#")).map(OsStr::from_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(named: &[&str], keys: Option<&[&str]>) -> Result<Vec<(String, String)>, String> {
        let named: Vec<OsString> = named.iter().map(OsString::from).collect();
        let keys: Option<Vec<String>> =
            keys.map(|keys| keys.iter().map(|&key| key.to_owned()).collect());
        let inputs = InputArgs { from: None }
            .resolve(&named, keys.as_deref())
            .map_err(|error| error.to_string())?;
        Ok(inputs
            .into_iter()
            .map(|input| (input.key, input.path.to_string_lossy().into_owned()))
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
            (&["a", "b"], Some(&["k"][..]), "--keys names 1 of 2 inputs"),
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
        let found: Vec<&OsStr> = lines(b"a.h5ad\r\n\n# no\n k=b c.zarr \n\xe9\n").collect();
        let latin_1 = OsStr::from_bytes(b"\xe9");
        assert_eq!(found, [OsStr::new("a.h5ad"), OsStr::new("k=b c.zarr"), latin_1]);
    }
}
