//! A whole AnnData as the tree that anndata 0.12 writes.

use super::attrs::set_encoding;
use super::error::EncodeError;
use super::{AnnData, Elem, Mapping, element, frame};
use crate::tree::{Group, Node};

/// Fails as [`encode`] would for a table whose names clash, also when matrices are planned only.
///
/// # Errors
/// A table whose names clash, or that cannot be read.
pub fn check_tables(adata: &AnnData) -> Result<(), EncodeError> {
    frame::encode(&adata.obs, "/obs")?;
    frame::encode(&adata.var, "/var")?;
    if let Some(raw) = &adata.raw {
        frame::encode(&raw.var, "/raw/var")?;
        check_tables_in(&raw.varm, "/raw/varm")?;
    }
    check_tables_in(&adata.obsm, "/obsm")?;
    check_tables_in(&adata.varm, "/varm")?;
    check_tables_in(&adata.uns, "/uns")
}

fn check_tables_in(mapping: &Mapping, at: &str) -> Result<(), EncodeError> {
    for (key, elem) in mapping {
        let at = format!("{at}/{key}");
        match elem {
            Elem::Frame(table) => drop(frame::encode(table, &at)?),
            Elem::Dict(inner) | Elem::Object(_, inner) => check_tables_in(inner, &at)?,
            _ => {}
        }
    }
    Ok(())
}

/// Encodes an AnnData as `AnnData.write_h5ad` and `write_zarr` do: their keys, order and attributes.
/// Strings are not turned into categoricals (`strings_to_categoricals` is the writer's choice, not
/// a part of the object). All arrays stay lazy.
///
/// # Errors
/// A sparse matrix that is planned but not compiled; a table whose names clash.
pub fn encode(adata: &AnnData) -> Result<Group, EncodeError> {
    let mut root = Group::default();
    set_encoding(&mut root.attrs, "anndata", "0.1.0");
    let put = |root: &mut Group, name: &str, node: Node| {
        root.children.insert(name.to_owned(), node);
    };
    if let Some(x) = &adata.x {
        put(&mut root, "X", element::encode(x, "/X")?);
    }
    if let Some(raw) = &adata.raw {
        let mut group = Group::default();
        set_encoding(&mut group.attrs, "raw", "0.1.0");
        put(&mut group, "X", element::encode(&raw.x, "/raw/X")?);
        put(&mut group, "var", Node::Group(frame::encode(&raw.var, "/raw/var")?));
        put(
            &mut group,
            "varm",
            Node::Group(element::encode_mapping("dict", &raw.varm, "/raw/varm")?),
        );
        put(&mut root, "raw", Node::Group(group));
    }
    put(&mut root, "obs", Node::Group(frame::encode(&adata.obs, "/obs")?));
    put(&mut root, "var", Node::Group(frame::encode(&adata.var, "/var")?));
    for (name, mapping) in [
        ("obsm", &adata.obsm),
        ("varm", &adata.varm),
        ("obsp", &adata.obsp),
        ("varp", &adata.varp),
        ("layers", &adata.layers),
        ("uns", &adata.uns),
    ] {
        let group = element::encode_mapping("dict", mapping, &format!("/{name}"))?;
        put(&mut root, name, Node::Group(group));
    }
    Ok(root)
}
