//! Plans: what is written is what is read, and an input that is another is noticed.

mod faults;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::*;
use crate::anndata::{Selection, SparseFormat};
use crate::base::Silent;
use crate::concat::{self, ConcatOptions, FillValue, FormatChoice};
use crate::face::zarr::{Geometry, ZarrFormat, ZarrOptions};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// Two inputs of one kind in a directory of their own, and the recipe of both.
fn two_inputs(dir: &Path) -> Recipe {
    let inputs = ["a", "b"].map(|key| {
        let path = dir.join(format!("{key}.h5ad"));
        fs::copy(data("archive_v0.11.4.h5ad"), &path).unwrap();
        Input::new(key, path)
    });
    Recipe { inputs: inputs.into(), ..Recipe::default() }
}

/// Writes the plan of a recipe; gives its path.
fn saved(recipe: &Recipe, dir: &Path) -> PathBuf {
    let path = dir.join("plan.json");
    plan_file::write(&Planned::open(recipe, Limits::default()).unwrap().pinned().unwrap(), &path)
        .unwrap();
    path
}

fn open(recipe: &Recipe) -> Result<Merged, RecipeError> {
    Merged::open(recipe, Limits::default(), &Silent)
}

fn opened_again(plan: &Path, relocations: &[Relocation]) -> Result<Merged, RecipeError> {
    open(&plan_file::read(plan, relocations)?)
}

fn set_modified(path: &Path, time: SystemTime) {
    fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

#[test]
fn two_steps_tell_the_same_as_one() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = two_inputs(dir.path());
    let planned = Planned::open(&recipe, Limits::default()).unwrap();
    let merged = planned.compile(&Silent).unwrap();
    assert_eq!(merged.report, planned.report());
    assert_eq!(merged.report.shape, planned.shape());
    assert_eq!(merged.notices, planned.notices());
    assert_eq!(merged.identities.len(), 2);
    assert_eq!(merged.modified, planned.modified());
    assert!(merged.root.children.contains_key("obs"));
}

#[test]
fn what_is_written_is_what_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let count = |n| std::num::NonZeroU64::new(n);
    let recipe = Recipe {
        selection: Selection::new(&["uns".to_owned()], &["obs/*".to_owned()]).unwrap(),
        options: ConcatOptions {
            axis: concat::Axis::Var,
            join: concat::Join::Outer,
            merge: Some(concat::Merge::Only),
            uns_merge: Some(concat::Merge::Unique),
            label: Some("donor".to_owned()),
            label_values: concat::LabelValues::Integers,
            index_unique: Some("-".to_owned()),
            fill_value: Some(FillValue::Float(f64::NEG_INFINITY)),
            pairwise: concat::Pairwise::Keep,
            sparse_format: FormatChoice::Always(SparseFormat::Csc),
            missing_text: concat::MissingText::Nullable,
        },
        layout: ZarrOptions {
            format: ZarrFormat::V2,
            geometry: Geometry { rows: count(3), elems: count(5), shard_bytes: count(7) },
        },
        ..two_inputs(dir.path())
    };
    let plan = dir.path().join("plan.json");
    plan_file::write(&recipe, &plan).unwrap();
    let back = plan_file::read(&plan, &[]).unwrap();
    assert_eq!(format!("{back:?}"), format!("{recipe:?}"));
    let elsewhere = dir.path().join("again.json");
    plan_file::write(&back, &elsewhere).unwrap();
    assert_eq!(fs::read(plan).unwrap(), fs::read(elsewhere).unwrap());
}

#[test]
fn fill_values_keep_their_kind() {
    let dir = tempfile::tempdir().unwrap();
    let plan = dir.path().join("plan.json");
    for fill in [
        FillValue::Int(5),
        FillValue::Float(5.0),
        FillValue::Float(0.1),
        FillValue::Float(f64::NAN),
        FillValue::Float(f64::INFINITY),
    ] {
        let options = ConcatOptions { fill_value: Some(fill), ..ConcatOptions::default() };
        plan_file::write(&Recipe { options, ..Recipe::default() }, &plan).unwrap();
        let back = plan_file::read(&plan, &[]).unwrap().options.fill_value;
        assert_eq!(format!("{back:?}"), format!("{:?}", Some(fill)));
    }
}

#[test]
fn what_is_no_plan_of_this_version_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let plan = dir.path().join("plan.json");
    plan_file::write(&Recipe::default(), &plan).unwrap();
    let good = fs::read_to_string(&plan).unwrap();
    for (text, expected) in [
        ("{}".to_owned(), "this is no plan"),
        ("cell,gene".to_owned(), "this is no plan"),
        (good.replace("\"anncat-plan\": 1", "\"anncat-plan\": 2"), "of version 2"),
        (good.replace("\"join\"", "\"jion\""), "unknown field `jion`"),
        (good.replace("\"zarr-format\": 3", "\"zarr-format\": 4"), "no zarr format 4"),
    ] {
        fs::write(&plan, &text).unwrap();
        let error = plan_file::read(&plan, &[]).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("plan.json"), "{error}");
        assert!(error.contains("hint: "), "{error}");
    }
    assert!(plan_file::read(&dir.path().join("none"), &[]).is_err());
}

#[test]
fn only_a_plan_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let plan = dir.path().join("plan.json");
    fs::write(&plan, "precious").unwrap();
    let refused = plan_file::write(&Recipe::default(), &plan);
    assert!(matches!(refused, Err(RecipeError::PlanExists { .. })));
    assert_eq!(fs::read_to_string(&plan).unwrap(), "precious");
    fs::remove_file(&plan).unwrap();
    plan_file::write(&Recipe::default(), &plan).unwrap();
    plan_file::write(&Recipe::default(), &plan).unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn an_input_that_was_written_to_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let plan = saved(&two_inputs(dir.path()), dir.path());
    opened_again(&plan, &[]).unwrap();
    let later = SystemTime::now() + Duration::from_secs(9);
    set_modified(&dir.path().join("b.h5ad"), later);
    let error = opened_again(&plan, &[]).unwrap_err();
    assert!(matches!(&error, RecipeError::Inputs { first, others }
        if matches!(**first, InputError::Changed { .. }) && others.is_empty()));
    assert!(error.to_string().contains("b.h5ad: this is not the input"), "{error}");
    // Another file of another size in its place, with the time of the old one.
    let old = fs::metadata(dir.path().join("a.h5ad")).unwrap().modified().unwrap();
    fs::copy(data("archive_v0.7.8.h5ad"), dir.path().join("a.h5ad")).unwrap();
    set_modified(&dir.path().join("a.h5ad"), old);
    let error = opened_again(&plan, &[]).unwrap_err().to_string();
    assert!(error.contains("a.h5ad") && error.contains("b.h5ad"), "{error}");
}

#[test]
fn copies_are_known_by_time_or_by_content() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let plan = saved(&two_inputs(here.path()), here.path());
    let copied = there.path().join("moved");
    fs::create_dir(&copied).unwrap();
    for name in ["a.h5ad", "b.h5ad", "plan.json"] {
        // As plain `cp` does: the time is new.
        fs::copy(here.path().join(name), copied.join(name)).unwrap();
        set_modified(&copied.join(name), SystemTime::now() + Duration::from_secs(9));
    }
    // The plan and its inputs together, and the old plan with the inputs elsewhere.
    let moved = Relocation { old: here.path().canonicalize().unwrap(), new: copied.clone() };
    opened_again(&copied.join("plan.json"), &[]).unwrap();
    opened_again(&plan, std::slice::from_ref(&moved)).unwrap();
    // A byte of the copy is another.
    let path = copied.join("b.h5ad");
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&path, bytes).unwrap();
    let error = opened_again(&plan, &[moved]).unwrap_err().to_string();
    assert!(error.contains("moved/b.h5ad: this is not the input"), "{error}");
    assert!(error.contains("its content is another"), "{error}");
}

#[test]
fn relocations_move_whole_names_or_are_refused() {
    let moved = Relocation { old: "/data/a".into(), new: "/mnt".into() };
    let to = |path: &str| moved.apply(Path::new(path)).map(|path| path.display().to_string());
    assert_eq!(to("/data/a/x.h5ad").as_deref(), Some("/mnt/x.h5ad"));
    assert_eq!(to("/data/a").as_deref(), Some("/mnt"));
    assert_eq!(to("/data/ab/x.h5ad"), None);
    let dir = tempfile::tempdir().unwrap();
    let plan = saved(&two_inputs(dir.path()), dir.path());
    let error = plan_file::read(&plan, &[moved]).unwrap_err().to_string();
    assert!(error.contains("no input of the plan lies in /data/a"), "{error}");
    assert!(error.contains("a.h5ad"), "{error}");
}
