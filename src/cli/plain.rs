//! Text for a terminal: names come from files, and may hold anything.
//!
//! Characters that a terminal would obey are shown as escapes, and what is endless is cut. `--json`
//! has names as they are.

use std::fmt::Write;

/// Words longer than this are cut in the middle: no path that is typed is as long.
const LONGEST_WORD: usize = 512;
/// What is kept of such a word, at its beginning and at its end.
const KEPT: (usize, usize) = (192, 64);
/// Lines longer than this are cut at the end.
const LONGEST_LINE: usize = 8 << 10;

/// What begins the lines after the first of what is told.
const MARKS: [&str; 2] = ["  hint: ", "  also: "];

/// The text with what a terminal would obey escaped, and endless words cut. Lines end where what
/// follows is marked, and nowhere else: a name may hold ends of lines, too.
pub(super) fn plain(text: &str) -> String {
    let mut lines = text.split('\n');
    let mut out = plain_line(lines.next().unwrap_or_default());
    for line in lines {
        let is_marked = MARKS.iter().any(|mark| line.starts_with(mark));
        out.push_str(if is_marked { "\n" } else { "\\n" });
        out.push_str(&plain_line(line));
    }
    out
}

/// As [`plain`], for what has to stay on one line.
pub(super) fn plain_cell(text: &str) -> String {
    plain_line(text)
}

fn plain_line(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut num_chars = 0;
    for word in line.split_inclusive(' ') {
        let len = word.chars().count();
        if len > LONGEST_WORD {
            let (first, last) = KEPT;
            word.chars().take(first).for_each(|char| push(&mut out, char));
            let _ = write!(out, "…[{} characters]…", len - first - last);
            word.chars().skip(len - last).for_each(|char| push(&mut out, char));
        } else {
            word.chars().for_each(|char| push(&mut out, char));
        }
        num_chars += len.min(LONGEST_WORD);
        if num_chars > LONGEST_LINE {
            out.push('…');
            break;
        }
    }
    out
}

fn push(out: &mut String, char: char) {
    if char != '\t' && (char.is_control() || turns_text(char)) {
        out.extend(char.escape_default());
    } else {
        out.push(char);
    }
}

/// Marks of direction make a terminal show characters in another order than they stand in.
const fn turns_text(char: char) -> bool {
    matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_that_it_would_obey() {
        assert_eq!(
            plain("error: \u{1b}[2Jx\r\n  hint: é × 細胞"),
            "error: \\u{1b}[2Jx\\r\n  hint: é × 細胞"
        );
        assert_eq!(plain("\u{9b}31m\u{7f}\u{202e}abc"), "\\u{9b}31m\\u{7f}\\u{202e}abc");
        assert_eq!(plain_cell("a\nb"), "a\\nb");
        assert_eq!(plain("/obs/a\nerror: b\n  also: c"), "/obs/a\\nerror: b\n  also: c");
    }

    #[test]
    fn endless_names_are_cut_and_long_paths_are_not() {
        let path = format!("/{}/x.h5ad", "d".repeat(400));
        assert_eq!(plain(&path), path);
        let name = "n".repeat(1 << 20);
        let told = plain(&format!("the column \"{name}\" is dropped\n  hint: x"));
        assert!(told.len() < 400 && told.ends_with("is dropped\n  hint: x"), "{told}");
        assert!(told.contains("[1048323 characters]"), "{told}");
        assert!(plain(&"short ".repeat(1 << 20)).len() < 2 * LONGEST_LINE);
    }
}
