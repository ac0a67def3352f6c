//! Which file of `src` imports which: read word by word, with re-exports followed to where a thing is defined.

use std::collections::{BTreeMap, BTreeSet};
/// A module, by its path below the crate (`["concat", "names"]`).
type Module = Vec<String>;

/// One file of `src`.
#[derive(Debug, Default)]
struct File {
    /// Path below `src`, without `.rs`.
    name: String,
    /// Modules that it declares.
    children: BTreeSet<String>,
    /// Names that it takes from elsewhere, and from where.
    names: BTreeMap<String, Segments>,
    /// Paths that it takes everything of.
    globs: Vec<Segments>,
    /// Paths that its code names, but what it only hands on of its own children.
    uses: Vec<Segments>,
}

/// Segments of a path.
type Segments = Vec<String>;

/// For each file (`concat/names/axis`) those that it imports. `sources` are names and texts, without
/// those of tests.
pub fn imports(sources: Vec<(String, String)>) -> BTreeMap<String, BTreeSet<String>> {
    let files: BTreeMap<Module, File> =
        sources.into_iter().map(|(name, text)| (module_of(&name), parsed(name, &text))).collect();
    files
        .iter()
        .map(|(module, file)| {
            let found = file.uses.iter().filter_map(|path| resolve(&files, module, path, 0));
            let mut found: BTreeSet<String> = found.map(|m| files[&m].name.clone()).collect();
            found.remove(&file.name);
            (file.name.clone(), found)
        })
        .collect()
}

/// The groups of files that import each other, directly or by way of others in the group.
pub fn circles(imports: &BTreeMap<String, BTreeSet<String>>) -> Vec<BTreeSet<String>> {
    let reach: BTreeMap<&str, BTreeSet<&str>> =
        imports.keys().map(|name| (name.as_str(), reached(imports, name))).collect();
    let mut out: Vec<BTreeSet<String>> = Vec::new();
    for (name, others) in &reach {
        let circle: BTreeSet<String> = others
            .iter()
            .filter(|other| reach.get(*other).is_some_and(|back| back.contains(name)))
            .map(|other| (*other).to_owned())
            .collect();
        if circle.len() > 1 && !out.contains(&circle) {
            out.push(circle);
        }
    }
    out
}

/// All files that one imports, directly or not.
fn reached<'a>(imports: &'a BTreeMap<String, BTreeSet<String>>, from: &str) -> BTreeSet<&'a str> {
    let mut found: BTreeSet<&str> = BTreeSet::new();
    let mut waiting: Vec<&str> = imports[from].iter().map(String::as_str).collect();
    while let Some(next) = waiting.pop() {
        if found.insert(next) {
            waiting.extend(imports.get(next).into_iter().flatten().map(String::as_str));
        }
    }
    found
}

fn module_of(name: &str) -> Module {
    let mut module: Module = name.split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| last == "mod" || last == "lib") {
        module.pop();
    }
    module
}

/// The module whose file defines what `path` names within `module`; `None` for other crates'.
fn resolve(
    files: &BTreeMap<Module, File>,
    module: &Module,
    path: &[String],
    depth: usize,
) -> Option<Module> {
    assert!(depth < 32, "{module:?} names {path:?}, which leads nowhere");
    let mut at = module.clone();
    let mut rest = path;
    match path.first()?.as_str() {
        "crate" => {
            at.clear();
            rest = &rest[1..];
        }
        "self" => rest = &rest[1..],
        "super" => {
            while rest.first().is_some_and(|segment| segment == "super") {
                at.pop();
                rest = &rest[1..];
            }
        }
        first => {
            let file = files.get(&at)?;
            let is_known = file.children.contains(first);
            if !is_known && (depth == 0 || !file.names.contains_key(first)) {
                return None;
            }
        }
    }
    while let Some((segment, tail)) = rest.split_first() {
        let file = files.get(&at)?;
        if file.children.contains(segment) {
            at.push(segment.clone());
            // Declared in the same file, or one that only tests have.
            if !files.contains_key(&at) {
                at.pop();
                break;
            }
        } else if let Some(target) = file.names.get(segment) {
            // A macro is handed on under its own name, from where it is defined.
            if target.first() == Some(segment) && target.len() == 1 {
                return Some(at);
            }
            let full: Segments = target.iter().chain(tail).cloned().collect();
            return resolve(files, &at, &full, depth + 1);
        } else {
            let found = file.globs.iter().find_map(|glob| {
                let target = resolve(files, &at, glob, depth + 1)?;
                // A glob of an enum's variants leads to the file that has the enum.
                let known = files.get(&target).filter(|_| target != at)?;
                (known.names.contains_key(segment) || known.children.contains(segment))
                    .then_some(target)
            });
            return found.map_or(Some(at), |found| resolve_in(files, &found, rest, depth));
        }
        rest = tail;
    }
    Some(at)
}

fn resolve_in(
    files: &BTreeMap<Module, File>,
    module: &Module,
    rest: &[String],
    depth: usize,
) -> Option<Module> {
    let path: Segments = std::iter::once("self".to_owned()).chain(rest.iter().cloned()).collect();
    resolve(files, module, &path, depth + 1)
}

/// A token as far as imports need it: a word, `::`, or any other character that is no blank.
type Token<'a> = &'a str;

/// The tokens of a file, without comments, strings, and what only tests have.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut all = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let len = if first.is_whitespace() {
            first.len_utf8()
        } else if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(len) = literal_len(rest) {
            len
        } else {
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            let len = match rest.find(|c: char| !is_word(c)).unwrap_or(rest.len()) {
                0 if rest.starts_with("::") => 2,
                0 => first.len_utf8(),
                len => len,
            };
            all.push(&rest[..len]);
            len
        };
        rest = &rest[len..];
    }
    without_tests(&all)
}

/// The length of a string or character that a text begins with.
fn literal_len(text: &str) -> Option<usize> {
    let quote = text.trim_start_matches('b');
    if text.len() - quote.len() > 1 {
        return None;
    }
    if let Some(raw) = quote.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        let body = raw[hashes..].strip_prefix('"')?;
        let end = format!("\"{}", &raw[..hashes]);
        return Some(text.len() - body.len() + body.find(&end)? + end.len());
    }
    let delimiter = quote.chars().next().filter(|c| ['"', '\''].contains(c))?;
    let mut escaped = false;
    for (at, c) in quote.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == delimiter => return Some(text.len() - quote.len() + at + 1),
            _ => {}
        }
        // A lifetime: no second quote follows.
        let is_lifetime = quote[1..].chars().nth(1) != Some('\'') && !quote[1..].starts_with('\\');
        if delimiter == '\'' && is_lifetime {
            return Some(text.len() - quote.len() + 1);
        }
    }
    None
}

/// Tokens without the items under `#[cfg(test)]`.
fn without_tests<'a>(all: &[Token<'a>]) -> Vec<Token<'a>> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < all.len() {
        if all[at..].starts_with(&MARK) {
            at += MARK.len();
            // To the end of the item: a semicolon, or the brace that closes what it opens.
            let mut depth = 0;
            while at < all.len() {
                match all[at] {
                    "{" | "(" | "[" => depth += 1,
                    "}" | ")" | "]" => depth -= 1,
                    _ => {}
                }
                at += 1;
                let ends = all[at - 1] == ";" || (all[at - 1] == "}" && all.get(at) != Some(&";"));
                if depth == 0 && ends {
                    break;
                }
            }
        } else {
            kept.push(all[at]);
            at += 1;
        }
    }
    kept
}

fn parsed(name: String, text: &str) -> File {
    let tokens = tokens(text);
    let mut file = File { name, ..File::default() };
    for pair in
        tokens.windows(3).filter(|three| three[0] == "mod" && [";", "{"].contains(&three[2]))
    {
        file.children.insert(pair[1].to_owned());
    }
    let mut at = 0;
    while at < tokens.len() {
        let is_path = is_name(tokens[at]) && tokens.get(at + 1) == Some(&"::");
        if tokens[at] == "use" {
            let is_handed_on = at > 0 && [")", "pub"].contains(&tokens[at - 1]);
            at = file.tree(&tokens, at + 1, &[], is_handed_on);
        } else if tokens[at] == "pub" && tokens.get(at + 1) == Some(&"(") {
            at += tokens[at..].iter().position(|token| *token == ")").unwrap_or(1);
        } else if is_path {
            let mut path = vec![tokens[at].to_owned()];
            while tokens.get(at + 1) == Some(&"::")
                && tokens.get(at + 2).is_some_and(|t| is_name(t))
            {
                at += 2;
                path.push(tokens[at].to_owned());
            }
            file.uses.push(path);
            at += 1;
        } else {
            at += 1;
        }
    }
    file
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

impl File {
    /// Takes in the `use` whose tree begins at `at`, below `path`; gives where it ends.
    fn tree(
        &mut self,
        tokens: &[Token<'_>],
        mut at: usize,
        path: &[String],
        hands_on: bool,
    ) -> usize {
        let mut path = path.to_vec();
        loop {
            match tokens[at] {
                "::" => at += 1,
                "{" => {
                    at += 1;
                    while tokens[at] != "}" {
                        at = self.tree(tokens, at, &path, hands_on);
                        at += usize::from(tokens[at] == ",");
                    }
                    return at + 1;
                }
                "*" => {
                    self.globs.push(path.clone());
                    self.uses.push(path);
                    return at + 1;
                }
                name => {
                    if name != "self" || path.is_empty() {
                        path.push(name.to_owned());
                    }
                    at += 1;
                    if tokens[at] == "::" {
                        continue;
                    }
                    let mut known_as = path.last().cloned().unwrap_or_default();
                    if tokens[at] == "as" {
                        known_as = tokens[at + 1].to_owned();
                        at += 2;
                    }
                    self.name(path, known_as, hands_on);
                    return at;
                }
            }
        }
    }

    fn name(&mut self, path: Segments, known_as: String, hands_on: bool) {
        // What a module hands on of its own children is no import: it is the children's door.
        let is_door = hands_on && (path[0] == "self" || self.children.contains(&path[0]));
        if !is_door {
            self.uses.push(path.clone());
        }
        self.names.insert(known_as, path);
    }
}

fn given(sources: &[(&str, &str)]) -> BTreeMap<String, BTreeSet<String>> {
    imports(sources.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect())
}

#[test]
fn what_is_handed_on_is_imported_from_where_it_is_defined() {
    let found = given(&[
        ("lib", "pub mod a; mod b;"),
        ("a/mod", "mod deep; pub use deep::Thing as Known; pub struct Own;"),
        ("a/deep", "pub struct Thing;"),
        ("b", "use crate::a::{Known, Own}; fn f() { crate::a::missing!(); }"),
    ]);
    assert_eq!(found["b"], ["a/deep", "a/mod"].map(str::to_owned).into());
    assert!(found["a/mod"].is_empty() && found["lib"].is_empty());
}

#[test]
fn paths_within_code_and_macros_count_and_tests_do_not() {
    let found = given(&[
        ("lib", "mod a; mod b; mod c; mod d;"),
        ("a", "fn f(x: super::b::X) -> bool { matches!(x, super::c::Y) }"),
        ("b", "pub struct X; #[cfg(test)] mod tests { use crate::d::Z; }"),
        ("c", "pub struct Y;"),
        ("d", "pub struct Z;"),
    ]);
    assert_eq!(found["a"], ["b", "c"].map(str::to_owned).into());
    assert!(found["b"].is_empty());
}

#[test]
fn circles_of_any_length_are_found() {
    let found = given(&[
        ("lib", "mod a; mod b; mod c; mod d;"),
        ("a", "use super::b::B; pub struct A;"),
        ("b", "use super::c::C; pub struct B;"),
        ("c", "use super::{a::A, d::D}; pub struct C;"),
        ("d", "pub struct D;"),
    ]);
    assert_eq!(circles(&found), [["a", "b", "c"].map(str::to_owned).into()]);
}
