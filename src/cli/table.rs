//! What is told of a table that is given as a list of inputs: how to make a list of it.
//!
//! Separators within quotes separate, too, as they do to awk, which the hint uses.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::words::quoted;
use crate::recipe::Place;

/// What is true of some cells.
type Test = fn(&OsStr) -> bool;

/// Extensions of inputs.
const EXTENSIONS: [&str; 4] = ["h5ad", "zarr", "h5", "h5mu"];

/// The command that makes a list of the table `text` in the file `list`, whose lines are `rows`.
pub fn hint(text: &[u8], rows: &[&OsStr], separator: char, list: &Path) -> String {
    let rows: Vec<Vec<&OsStr>> = rows.iter().map(|row| cells(row, separator)).collect();
    let shown = if separator == '\t' { "\\t".to_owned() } else { separator.to_string() };
    let mut clean = String::new();
    // Neither quotes nor the ends of lines of spreadsheets are a part of keys and paths, nor are blanks.
    if text.iter().any(|byte| b"\"\r".contains(byte)) {
        clean += "{gsub(/[\"\\r]/, \"\")} ";
    }
    if text.windows(2).any(|two| two == [separator as u8, b' '] || two == [b' ', separator as u8]) {
        clean += &format!("{{gsub(/ *{shown} */, \"{shown}\")}} ");
    }
    // Empty lines and comments are lines to awk, too.
    let num_lines = text.trim_ascii_end().split(|&byte| byte == b'\n').count();
    let (all, after_header) = match num_lines == rows.len() {
        true => ("", "NR > 1 "),
        false => ("/^[^#]/ ", "/^[^#]/ && n++ "),
    };
    let list = quoted(list);
    let command =
        |print: &str| format!("awk -F '{shown}' '{clean}{print}' < {list} | anncat ... --from -");
    let Some((path, is_path)) = column_of_paths(&rows) else {
        let command = command(&format!("{after_header}{{print $KEY \"=\" $PATH}}"));
        return format!("{command} with the numbers of the columns in the place of KEY and PATH");
    };
    let has_header = !is_path(cell(&rows[0], path));
    let begin = if has_header { after_header } else { all };
    let records = &rows[usize::from(has_header)..];
    let (number, width) = (path + 1, rows.iter().map(Vec::len).max().unwrap_or_default());
    let is_key = |column: &usize| {
        // Keys that are there twice would be refused.
        let mut seen = HashSet::new();
        records
            .iter()
            .map(|row| cell(row, *column))
            .all(|key| !key.is_empty() && !has_extension(key) && seen.insert(key))
    };
    match (0..width).filter(|column| *column != path).find(is_key) {
        Some(key) => command(&format!("{begin}{{print ${} \"=\" ${number}}}", key + 1)),
        None => command(&format!("{begin}{{print ${number}}}")),
    }
}

/// The column that holds most paths, and what a path is in it. The first row may be a header.
fn column_of_paths(rows: &[Vec<&OsStr>]) -> Option<(usize, Test)> {
    let width = rows.iter().map(Vec::len).max()?;
    // A directory may have the name of a donor: what exists counts where no name tells.
    let by_name_and_place = |cell: &OsStr| has_extension(cell) || Place::parse(cell).path.exists();
    let kinds: [(Test, Test); 2] =
        [(has_extension, by_name_and_place), (by_name_and_place, by_name_and_place)];
    kinds.into_iter().find_map(|(counts, is_path)| {
        let number = |column: usize| rows.iter().filter(|row| counts(cell(row, column))).count();
        let most = (0..width).rev().max_by_key(|&column| number(column))?;
        (number(most) > 0).then_some((most, is_path))
    })
}

fn has_extension(cell: &OsStr) -> bool {
    let place = Place::parse(cell);
    let extension = place.path.extension().unwrap_or_default();
    EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
}

fn cells(row: &OsStr, separator: char) -> Vec<&OsStr> {
    let cells = row.as_bytes().split(|&byte| char::from(byte) == separator);
    cells.map(|cell| OsStr::from_bytes(unquoted(cell.trim_ascii()))).collect()
}

fn unquoted(cell: &[u8]) -> &[u8] {
    cell.strip_prefix(b"\"").and_then(|cell| cell.strip_suffix(b"\"")).unwrap_or(cell)
}

fn cell<'a>(row: &[&'a OsStr], column: usize) -> &'a OsStr {
    row.get(column).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(text: &str) -> String {
        let rows: Vec<&OsStr> = super::super::inputs::lines(text.as_bytes()).collect();
        let told = hint(text.as_bytes(), &rows, ',', Path::new("a list"));
        let print = told.strip_prefix("awk -F ',' '").expect(&told).to_owned();
        print.split("' < 'a list' | anncat ... --from -").next().unwrap().to_owned()
    }

    #[test]
    fn columns_are_found() {
        for (text, expected) in [
            ("donor,path\nd1,a.h5ad\nd2,b.zarr", "NR > 1 {print $1 \"=\" $2}"),
            ("path,donor\na.h5ad,d1\nb.h5ad,d2", "NR > 1 {print $2 \"=\" $1}"),
            ("a.h5ad,d1\nb.h5ad,d2", "{print $2 \"=\" $1}"),
            ("d1,x.h5mu::mod/rna\nd2,x.h5mu::mod/prot", "{print $1 \"=\" $2}"),
            ("d1, a.h5ad\nd2, b.h5ad", "{gsub(/ *, */, \",\")} {print $1 \"=\" $2}"),
            ("# of today\nd,path\nd1,a.h5ad\n\nd2,b.h5ad\n", "/^[^#]/ && n++ {print $1 \"=\" $2}"),
            ("d1,a.h5ad\n# the other\nd2,b.h5ad", "/^[^#]/ {print $1 \"=\" $2}"),
            // What is no key: the same twice, nothing, another path.
            ("sex,donor,path\nf,d1,a.h5\nf,d2,b.h5", "NR > 1 {print $2 \"=\" $3}"),
            ("path,\na.h5ad,\nb.h5ad,", "NR > 1 {print $1}"),
            ("a.h5ad,a.zarr\nb.h5ad,b.zarr", "{print $1}"),
            // A path that exists has any name; so has a donor.
            ("donor,path\nsrc,a.h5ad\ntests,b.h5ad", "NR > 1 {print $1 \"=\" $2}"),
            ("path,donor\nsrc,d1\ntests,d2", "NR > 1 {print $2 \"=\" $1}"),
            ("a,b\nc,d", "NR > 1 {print $KEY \"=\" $PATH}"),
            (
                "\"donor\",\"path\"\n\"d1\",\"a.h5ad\"",
                "{gsub(/[\"\\r]/, \"\")} NR > 1 {print $1 \"=\" $2}",
            ),
        ] {
            assert_eq!(print(text), expected, "{text}");
        }
    }
}
