//! A whole file: its parts, checked against one another, as `anndata.read_h5ad`, `read_zarr` and
//! `AnnData.__init__` put them together.

use std::path::Path;
use std::sync::Arc;

use super::error::{DecodeError, Place};
use super::frame::describe;
use super::{AnnData, Elem, Frame, Mapping, Raw, attrs, element, legacy, names};
use crate::array::{ReshapedText, TextBuf, UnitAxis};
use crate::tree::{ArrayNode, Data, Group, Node};

/// Decodes a file. Only headers are read, what is small and says how to read the rest, and the names
/// of rows where `obsm` or `varm` hold tables.
///
/// Where `anndata` 0.12 reads a file, this gives what it gives. Where it fails because a writer was
/// careless but the meaning is plain (a missing `encoding-version`, a column of shape `(n, 1)`, a
/// mask stored as bytes), this reads on.
///
/// # Errors
/// The first element that contradicts itself, its encoding, or the other elements.
pub fn decode(root: &Group, file: &Path) -> Result<AnnData, DecodeError> {
    let at = Place::root(root, file);
    let says_otherwise = !matches!(attrs::encoding(&root.attrs), "" | "anndata");
    let is_other = says_otherwise || holds_modalities(root);
    let Some(obs_node) = root.children.get("obs").filter(|_| !is_other) else {
        return Err(not_anndata(root, file));
    };
    let x = match root.children.get("X") {
        None => None,
        Some(node) => match element::decode(node, &at.child("X"))? {
            Elem::Null => None,
            x => Some(x),
        },
    };
    let x_shape = x.as_ref().and_then(shape_2d);
    let obs = axis_frame(Some(obs_node), x_shape.map(|shape| shape[0]), &at.child("obs"))?;
    let var_node = root.children.get("var");
    let var = axis_frame(var_node, x_shape.map(|shape| shape[1]), &at.child("var"))?;
    let (n_obs, n_vars) = (obs.len, var.len);
    let x = x.map(|x| as_x(x, [n_obs, n_vars], &at.child("X"))).transpose()?;
    let mapping = |name: &str| decode_mapping(root, name, &at);
    let aligned = |name: &str, axes: &[u64], names: Option<&Frame>| {
        align(mapping(name)?, axes, names, &at.child(name))
    };
    let (uns, uns_unread) = decode_uns(root, &at)?;
    let mut adata = AnnData {
        n_obs,
        n_vars,
        x,
        layers: aligned("layers", &[n_obs, n_vars], None)?,
        obsm: aligned("obsm", &[n_obs], Some(&obs))?,
        varm: aligned("varm", &[n_vars], Some(&var))?,
        obsp: aligned("obsp", &[n_obs, n_obs], None)?,
        varp: aligned("varp", &[n_vars, n_vars], None)?,
        raw: None,
        uns,
        uns_unread,
        obs,
        var,
    };
    move_graphs(&mut adata, &at)?;
    adata.raw = decode_raw(&adata, &at)?;
    legacy::split_multicolumns(&mut adata, &at)?;
    if matches!(obs_node, Node::Array(_)) {
        legacy::clean_uns(&mut adata, &at)?;
    }
    Ok(adata)
}

/// Whether a root is that of a MuData, whose first versions do not say so.
fn holds_modalities(root: &Group) -> bool {
    let has_groups = matches!(root.children.get("mod"), Some(Node::Group(group))
        if group.children.values().any(|node| matches!(node, Node::Group(_))));
    has_groups && !root.children.contains_key("X")
}

/// What a root that is no AnnData is, as far as it shows.
fn not_anndata(root: &Group, file: &Path) -> DecodeError {
    let has = |name| root.children.contains_key(name);
    let groups = |name: &str| -> Vec<String> {
        let Some(Node::Group(group)) = root.children.get(name) else { return Vec::new() };
        let groups = group.children.iter().filter(|(_, node)| matches!(node, Node::Group(_)));
        groups.map(|(key, _)| format!("{}::{name}/{key}", file.display())).collect()
    };
    let (modalities, tables) = (groups("mod"), groups("tables"));
    let encoding = attrs::encoding(&root.attrs);
    let what = if encoding == "MuData" || holds_modalities(root) {
        format!(
            "it is a MuData with several modalities\n  hint: name the one that is meant: {}",
            or_other(&modalities)
        )
    } else if !tables.is_empty() || root.attrs.contains_key("spatialdata_attrs") {
        format!(
            "it is a SpatialData store\n  hint: name the table that is meant: {}",
            or_other(&tables)
        )
    } else if !matches!(encoding, "" | "anndata") {
        format!(
            "it says that it holds {encoding:?}\n  hint: if an AnnData is in it, name its group: {}::GROUP",
            file.display()
        )
    } else if has("matrix") {
        "it looks like a loom or 10x file\n  hint: convert it with scanpy (read_loom, read_10x_h5)"
            .to_owned()
    } else {
        "it has no `obs`".to_owned()
    };
    DecodeError::NotAnnData { file: file.to_path_buf(), what }
}

/// Some names, or that there are none.
fn or_other(names: &[String]) -> String {
    const SHOWN: usize = 6;
    match names {
        [] => "it holds none".to_owned(),
        names => {
            let more = if names.len() > SHOWN { ", ..." } else { "" };
            format!("{}{more}", names[..names.len().min(SHOWN)].join(", "))
        }
    }
}

/// Keys of the root that are no part of an AnnData, and that nobody reads.
#[must_use]
pub fn unknown_parts(root: &Group) -> Vec<String> {
    const PARTS: [&str; 10] =
        ["X", "obs", "var", "layers", "obsm", "varm", "obsp", "varp", "uns", "raw"];
    let is_unknown = |key: &&String| !PARTS.contains(&key.as_str()) && !key.starts_with("raw.");
    root.children.keys().filter(is_unknown).map(|key| format!("/{key}")).collect()
}

/// `obs`, `var` or `raw/var`, with an index of strings. Where the file says nothing, as many rows as
/// `X` has, if it has any.
fn axis_frame(
    node: Option<&Node>,
    x_extent: Option<u64>,
    at: &Place<'_>,
) -> Result<Frame, DecodeError> {
    let Some(node) = node else {
        return Ok(names::unnamed_frame(x_extent.unwrap_or(0)));
    };
    let decoded = match node {
        Node::Array(ArrayNode { data: Data::Record(records), .. }) => legacy::frame(records, at)?,
        node => match element::decode(node, at)? {
            Elem::Frame(frame) => frame,
            Elem::Dict(columns) if columns.is_empty() => {
                names::unnamed_frame(x_extent.unwrap_or(0))
            }
            Elem::Dict(columns) => legacy::frame_of_dict(columns, at)?,
            other => {
                return Err(at.fail(format!("expected a table, found {}", describe(&other))));
            }
        },
    };
    names::with_string_index(decoded, at)
}

fn shape_2d(elem: &Elem) -> Option<[u64; 2]> {
    let shape = match elem {
        Elem::Dense(array) => array.shape(),
        Elem::Text(text) => text.shape(),
        Elem::Sparse(matrix) => &matrix.shape,
        _ => return None,
    };
    match shape {
        &[rows, columns] => Some([rows, columns]),
        _ => None,
    }
}

/// `X`, checked. A vector stands for a matrix of one row or column, as anndata 0.6 squeezed them.
fn as_x(x: Elem, shape: [u64; 2], at: &Place<'_>) -> Result<Elem, DecodeError> {
    let x = match x {
        Elem::Dense(array) if array.shape() == [shape[0]] && shape[1] == 1 => {
            Elem::Dense(UnitAxis::insert(array, 1))
        }
        Elem::Dense(array) if array.shape() == [shape[1]] && shape[0] == 1 => {
            Elem::Dense(UnitAxis::insert(array, 0))
        }
        x => x,
    };
    match (&x, shape_2d(&x)) {
        (_, Some(found)) if found == shape => Ok(x),
        (_, Some(found)) => Err(at.fail(format!(
            "has shape {} × {}, but there are {} observations and {} variables",
            found[0], found[1], shape[0], shape[1]
        ))),
        (_, None) => {
            let found = describe(&x);
            Err(at.fail(format!("expected a matrix of two dimensions, found {found}")))
        }
    }
}

/// One of the mappings of an AnnData. Older files hold `obsm` and `varm` as an array of records, a
/// field a key.
fn decode_mapping(parent: &Group, name: &str, at: &Place<'_>) -> Result<Mapping, DecodeError> {
    let at = at.child(name);
    match parent.children.get(name) {
        None => Ok(Mapping::new()),
        Some(Node::Array(ArrayNode { data: Data::Record(records), .. })) => {
            legacy::mapping(records, &at)
        }
        Some(node) => match element::decode(node, &at)? {
            Elem::Dict(mapping) => Ok(mapping),
            Elem::Null => Ok(Mapping::new()),
            other => Err(at.fail(format!("expected a dict, found {}", describe(&other)))),
        },
    }
}

/// `uns`, and what in it is of a kind that is not read.
fn decode_uns(
    root: &Group,
    at: &Place<'_>,
) -> Result<(Mapping, Vec<(String, DecodeError)>), DecodeError> {
    let (mut uns, mut unread) = (Mapping::new(), Vec::new());
    match root.children.get("uns") {
        Some(Node::Group(group)) if element::is_dict(group) => {
            let at = at.child("uns");
            for (key, node) in &group.children {
                match element::decode(node, &at.child(key)) {
                    Ok(elem) => {
                        uns.insert(key.clone(), elem);
                    }
                    Err(error @ DecodeError::Unread { .. }) if !is_needed(key) => {
                        unread.push((key.clone(), error));
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        _ => uns = decode_mapping(root, "uns", at)?,
    }
    Ok((uns, unread))
}

/// Whether a key of `uns` says something of other elements, in files of older versions.
fn is_needed(key: &str) -> bool {
    key == "neighbors" || key.ends_with("_categories") || key.contains("_keys_multicol")
}

/// Checks that elements have the extents of their axes (`AlignedMappingBase._validate_value`), and
/// frames the names of the axis, where they are given. A vector becomes a matrix of one column.
fn align(
    mapping: Mapping,
    axes: &[u64],
    names: Option<&Frame>,
    at: &Place<'_>,
) -> Result<Mapping, DecodeError> {
    mapping
        .into_iter()
        .map(|(key, elem)| {
            let at = at.child(&key);
            let elem = match elem {
                Elem::Dense(array) if array.shape().len() == 1 => {
                    Elem::Dense(UnitAxis::insert(array, 1))
                }
                Elem::Text(text) if text.shape().len() == 1 => {
                    let shape = [text.shape()[0], 1];
                    Elem::Text(ReshapedText::shared(text, &shape))
                }
                Elem::Record(records) if records.shape.len() == 1 => {
                    let mut matrix = Arc::unwrap_or_clone(records);
                    matrix.shape.push(1);
                    Elem::Record(Arc::new(matrix))
                }
                elem => elem,
            };
            let frame_shape;
            let found: &[u64] = match &elem {
                Elem::Dense(array) => array.shape(),
                Elem::Text(text) => text.shape(),
                Elem::Sparse(matrix) => &matrix.shape,
                Elem::Frame(table) => {
                    frame_shape = [table.len, table.columns.len() as u64];
                    &frame_shape
                }
                Elem::Awkward(array) => std::slice::from_ref(&array.len),
                Elem::Record(records) => &records.shape,
                Elem::Dict(inner) => {
                    return Err(at.fail(match inner.keys().next() {
                        Some(inner) => format!(
                            "expected an array, found a dict; a name with a slash in it \
                             (\"{key}/{inner}\") makes one\n  hint: rename the element in the file"
                        ),
                        None => "expected an array, found a group with nothing in it".to_owned(),
                    }));
                }
                other => {
                    let found = describe(other);
                    return Err(at.fail(format!("expected an array, found {found}")));
                }
            };
            // An awkward array or record array tells only its outer extent.
            if found.is_empty() || found.iter().zip(axes).any(|(found, expected)| found != expected)
            {
                return Err(at.fail(format!("has shape {found:?}, expected {axes:?} first")));
            }
            if let (Elem::Frame(table), Some(names)) = (&elem, names) {
                check_names(&table.index, &names.index, &at)?;
            }
            Ok((key, elem))
        })
        .collect()
}

/// Checks that a table's rows are named as those of its axis, in their order.
fn check_names(index: &Elem, names: &Elem, at: &Place<'_>) -> Result<(), DecodeError> {
    const BATCH: u64 = 1 << 16;
    // Other kinds become strings, in ways of their own.
    let (Elem::Text(index), Elem::Text(names)) = (index, names) else { return Ok(()) };
    if Arc::ptr_eq(index, names) {
        return Ok(());
    }
    let len = names.num_elements();
    for start in (0..len).step_by(BATCH as usize) {
        let range = start..(start + BATCH).min(len);
        let (mut found, mut expected) = (TextBuf::new(), TextBuf::new());
        index.read_range(range.clone(), &mut found)?;
        names.read_range(range, &mut expected)?;
        if let Some((found, expected)) =
            found.iter().zip(expected.iter()).find(|(found, expected)| found != expected)
        {
            return Err(at.fail(format!(
                "its index does not match the names of its axis: it has {found:?} where {expected:?} \
                 is\n  hint: give the table the index of the axis (df.index = adata.obs_names), in its \
                 order"
            )));
        }
    }
    Ok(())
}

/// anndata's `_move_adj_mtx`: graphs that older versions kept in `uns["neighbors"]`.
fn move_graphs(adata: &mut AnnData, at: &Place<'_>) -> Result<(), DecodeError> {
    let Some(Elem::Dict(neighbors)) = adata.uns.get_mut("neighbors") else {
        return Ok(());
    };
    let mut moved = Mapping::new();
    for key in ["distances", "connectivities"] {
        if neighbors.get(key).is_some_and(|graph| shape_2d(graph).is_some())
            && let Some(graph) = neighbors.shift_remove(key)
        {
            moved.insert(key.to_owned(), graph);
        }
    }
    let at = at.child("uns").child("neighbors");
    adata.obsp.extend(align(moved, &[adata.n_obs, adata.n_obs], None, &at)?);
    Ok(())
}

/// `raw`, as a group or as the keys `raw.X`, `raw.var` and `raw.varm` of anndata 0.6 and before.
fn decode_raw(adata: &AnnData, at: &Place<'_>) -> Result<Option<Raw>, DecodeError> {
    const PARTS: [&str; 3] = ["X", "var", "varm"];
    let root = at.root;
    let modern = match root.children.get("raw") {
        Some(Node::Group(group)) if PARTS.iter().any(|part| group.children.contains_key(*part)) => {
            Some(group)
        }
        Some(Node::Array(ArrayNode { data: Data::Unreadable(why), .. })) => {
            return Err(at.child("raw").unread(why));
        }
        // anndata's reader makes nothing of it.
        _ => None,
    };
    let is_old = root.children.keys().any(|key| key.starts_with("raw."));
    let (parent, prefix, at) = match modern {
        Some(_) if is_old => {
            return Err(at.child("raw").fail("the file has both `raw` and `raw.X`"));
        }
        Some(group) => (group, "", at.child("raw")),
        None if root.children.contains_key("raw.X") => (root, "raw.", at.clone()),
        None => return Ok(None),
    };
    let part = |name: &str| format!("{prefix}{name}");
    let at_x = at.child(&part("X"));
    let x = match parent.children.get(&part("X")) {
        None => Elem::Null,
        Some(x) => element::decode(x, &at_x)?,
    };
    if matches!(x, Elem::Null) {
        // `Raw.__init__` without X takes all of its parent.
        let x = adata.x.clone().ok_or_else(|| at_x.fail("is missing"))?;
        return Ok(Some(Raw { x, var: adata.var.clone(), varm: adata.varm.clone() }));
    }
    let x_extent = shape_2d(&x).map(|shape| shape[1]);
    let var = axis_frame(parent.children.get(&part("var")), x_extent, &at.child(&part("var")))?;
    let x = as_x(x, [adata.n_obs, var.len], &at_x)?;
    let varm = decode_mapping(parent, &part("varm"), &at)?;
    let varm = align(varm, &[var.len], Some(&var), &at.child(&part("varm")))?;
    Ok(Some(Raw { x, var, varm }))
}
