//! What a selection leaves of a tree.

use super::*;
use crate::anndata::{Rule, Selection};

fn names(group: &Group, path: &str) -> Vec<String> {
    let group = match path {
        "" => group,
        path => match group.get(path) {
            Some(Node::Group(group)) => group,
            other => panic!("{path} is {other:?}"),
        },
    };
    group.children.keys().cloned().collect()
}

/// A file with a table, a mapping and a dict in a dict.
fn file() -> Group {
    let column = || array(&encoded("array", "0.2.0"), ints(&[1, 2]));
    let dict = |children| group(&encoded("dict", "0.1.0"), children);
    root(vec![
        ("X", array(&encoded("array", "0.2.0"), ints(&[1, 2]))),
        ("obs", frame_node(&["x", "y"], vec![("n", column()), ("m", column())])),
        ("var", frame_node(&["g"], vec![])),
        ("obsm", dict(vec![("a", column()), ("b", column())])),
        ("uns", dict(vec![("d", dict(vec![("e", column())])), ("f", column())])),
    ])
}

fn selected(drop: &[&str], keep: &[&str]) -> (Group, Vec<bool>) {
    let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    let selection = Selection::new(&owned(drop), &owned(keep)).unwrap();
    let mut root = file();
    let matched = selection.apply(&mut root);
    (root, matched)
}

#[test]
fn nothing_is_touched_without_a_pattern() {
    let (root, matched) = selected(&[], &[]);
    assert_eq!(format!("{root:?}"), format!("{:?}", file()));
    assert!(matched.is_empty());
}

#[test]
fn patterns_stop_at_slashes_and_take_all_that_is_below() {
    let (root, matched) = selected(&["obsm/*", "uns/d", "o*", "*/e", "none"], &[]);
    assert_eq!(matched, [true, true, true, false, false]);
    // `o*` is obs, too: its columns go, its index stays.
    assert_eq!(names(&root, ""), ["X", "obs", "var", "uns"]);
    assert_eq!(names(&root, "obs").len(), 1);
    assert_eq!(names(&root, "uns"), ["f"]);
}

#[test]
fn the_order_of_columns_loses_what_is_dropped() {
    let (root, _) = selected(&["/obs/n/"], &[]);
    let Some(Node::Group(obs)) = root.get("obs") else { panic!("there is no obs") };
    assert_eq!(obs.attrs.get("column-order"), Some(&Attr::StrList(vec!["m".to_owned()])));
    let decoded = crate::anndata::decode(&root, std::path::Path::new("a")).unwrap();
    assert_eq!(decoded.obs.columns.keys().collect::<Vec<_>>(), ["m"]);
}

#[test]
fn what_is_kept_is_what_is_left() {
    let (root, matched) = selected(&["uns/f"], &["uns", "obs/m"]);
    assert_eq!(matched, [true, true, true]);
    assert_eq!(names(&root, ""), ["obs", "var", "uns"]);
    assert_eq!(names(&root, "uns"), ["d"]);
    let decoded = crate::anndata::decode(&root, std::path::Path::new("a")).unwrap();
    assert_eq!(decoded.obs.columns.keys().collect::<Vec<_>>(), ["m"]);
    assert_eq!((decoded.n_obs, decoded.n_vars), (2, 1));
}

#[test]
fn patterns_that_are_none_say_so() {
    for text in ["", "/", "obs/[a"] {
        let error = Selection::new(&[], &[text.to_owned()]).unwrap_err().to_string();
        assert!(error.contains("--keep") && error.contains("hint: "), "{error}");
    }
    let selection = Selection::new(&["a".to_owned()], &["b".to_owned()]).unwrap();
    assert_eq!(selection.rules().collect::<Vec<_>>(), [(Rule::Drop, "a"), (Rule::Keep, "b")]);
}
