//! Frames one below the other: `pd.concat(unify_dtypes(frames), join, ignore_index=True)`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};
use rayon::prelude::*;

use crate::anndata::{Elem, Frame};
use crate::base::{DType, ReadError};
use crate::concat::options::Join;
use crate::concat::sparse::Origin;
use crate::concat::texts::TextPlans;
use crate::concat::told::Notice;

use super::categories::{Categories, CategoryType, TextKind};
use super::column::{self, Present, Share, concat_column};
use super::column_type::ColumnType;

/// A frame to concatenate, or the rows of an input that has none.
#[derive(Debug, Clone, Copy)]
pub struct FrameShare<'a> {
    /// The frame.
    pub frame: Option<&'a Frame>,
    /// Number of rows.
    pub len: u64,
    /// Where it comes from, if what was counted of it is to be kept.
    pub origin: Option<&'a Origin>,
}

impl FrameShare<'_> {
    /// The error of a read of this frame, with its file.
    fn blamed(&self, error: ReadError) -> ReadError {
        match self.origin {
            Some(origin) => error.of_file(&origin.file),
            None => error,
        }
    }
}

/// Concatenates the columns of frames; the index is the caller's.
///
/// # Errors
/// The number of the share that could not be read, and why.
pub fn concat_columns(
    shares: &[FrameShare<'_>],
    join: Join,
    path: &str,
    notices: &mut Vec<Notice>,
    texts: &mut TextPlans,
) -> Result<IndexMap<String, Elem>, ReadError> {
    let mut frames = shares
        .par_iter()
        .map(|share| TypedFrame::read(share, path).map_err(|error| share.blamed(error)))
        .collect::<Result<Vec<_>, _>>()?;
    unify_dtypes(&mut frames);
    if join == Join::Outer {
        // pandas leaves out frames without rows and columns, so that they introduce no missing
        // values.
        let filled = |frame: &TypedFrame<'_>| frame.len > 0 || !frame.columns.is_empty();
        if frames.iter().any(filled) {
            frames.retain(filled);
        }
    }
    let names = join_columns(&frames, join);
    tell_dropped(&frames, &names, path, notices);
    let blocks: Vec<Vec<Block>> = frames.iter().map(|frame| frame.blocks(&names)).collect();

    let mut columns = IndexMap::with_capacity(names.len());
    let mut start = 0;
    while start < names.len() {
        // A run is what lies in one block of every frame; pandas concatenates it at once.
        let end = (start + 1..names.len())
            .find(|&at| blocks.iter().any(|blocks| blocks[at] != blocks[start]))
            .unwrap_or(names.len());
        let run = &names[start..end];
        let blocks: Vec<column::Block<'_>> = frames.iter().map(|frame| frame.block(run)).collect();
        for &name in run {
            let shares: Vec<Share<'_>> =
                frames.iter().zip(&blocks).map(|(frame, block)| frame.share(name, block)).collect();
            let path = format!("{path}/{name}");
            let column = concat_column(&shares, &path, notices, texts)
                .map_err(|error| error.within(&path))?;
            columns.insert(name.to_owned(), column);
        }
        start = end;
    }
    Ok(columns)
}

/// A frame whose dtypes are known.
struct TypedFrame<'a> {
    len: u64,
    origin: Option<&'a Origin>,
    columns: IndexMap<&'a str, TypedColumn<'a>>,
}

struct TypedColumn<'a> {
    elem: &'a Elem,
    /// The dtype in the file.
    own: ColumnType,
    /// The dtype after `unify_dtypes`.
    ty: ColumnType,
}

/// Which block of a frame a column lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    Absent,
    Numbers(DType),
    Own(usize),
}

impl<'a> TypedFrame<'a> {
    fn read(share: &FrameShare<'a>, path: &str) -> Result<Self, ReadError> {
        let mut columns = IndexMap::new();
        for (name, elem) in share.frame.iter().flat_map(|frame| &frame.columns) {
            let own =
                ColumnType::of(elem).map_err(|error| error.within(&format!("{path}/{name}")))?;
            columns.insert(name.as_str(), TypedColumn { elem, ty: own.clone(), own });
        }
        Ok(Self { len: share.len, origin: share.origin, columns })
    }

    /// The columns of a run that the frame has.
    fn block(&self, run: &[&str]) -> column::Block<'a> {
        let columns = run.iter().filter_map(|name| self.columns.get(name));
        column::Block::new(columns.map(|column| column.elem).collect())
    }

    fn share<'b>(&self, name: &str, block: &'b column::Block<'b>) -> Share<'b>
    where
        'a: 'b,
    {
        let column = self.columns.get(name).map(|column| Present {
            elem: column.elem,
            own: column.own.clone(),
            ty: column.ty.clone(),
            origin: self.origin.map(|origin| Origin {
                element: format!("{}/{name}", origin.element),
                ..origin.clone()
            }),
        });
        let file = self.origin.map(|origin| &**origin.file);
        Share { column, len: self.len, block, file }
    }

    /// The block of each of the result's columns. Numbers of one dtype share a block, but where the
    /// frame has to be reindexed and they are not evenly spaced within it (`only_slice`).
    fn blocks(&self, names: &[&str]) -> Vec<Block> {
        let unchanged = names.len() == self.columns.len() && names.iter().eq(self.columns.keys());
        let mut ranks: HashMap<DType, i64> = HashMap::new();
        let mut places: HashMap<&str, i64> = HashMap::new();
        for (name, column) in &self.columns {
            if let ColumnType::Number(dtype) = &column.ty {
                let rank = ranks.entry(*dtype).or_default();
                places.insert(name, *rank);
                *rank += 1;
            }
        }
        let mut blocks: Vec<Block> = names
            .iter()
            .enumerate()
            .map(|(at, name)| match self.columns.get(name).map(|column| &column.ty) {
                None => Block::Absent,
                Some(ColumnType::Number(dtype)) => Block::Numbers(*dtype),
                Some(_) => Block::Own(at),
            })
            .collect();
        if unchanged {
            return blocks;
        }
        let mut start = 0;
        while start < blocks.len() {
            let end = (start..blocks.len())
                .find(|&at| blocks[at] != blocks[start])
                .unwrap_or(blocks.len());
            let at: Vec<i64> = names[start..end]
                .iter()
                .map(|name| places.get(name).copied().unwrap_or(0))
                .collect();
            let step = if at.len() > 1 { at[1] - at[0] } else { 1 };
            let even = step != 0 && at.windows(2).all(|pair| pair[1] - pair[0] == step);
            if matches!(blocks[start], Block::Numbers(_)) && !even {
                for (offset, block) in blocks[start..end].iter_mut().enumerate() {
                    *block = Block::Own(start + offset);
                }
            }
            start = end;
        }
        blocks
    }
}

/// The columns of the result: inner keeps the order of the first frame, outer that of appearance.
fn join_columns<'a>(frames: &[TypedFrame<'a>], join: Join) -> Vec<&'a str> {
    let Some((first, rest)) = frames.split_first() else { return Vec::new() };
    match join {
        Join::Inner => first
            .columns
            .keys()
            .copied()
            .filter(|name| rest.iter().all(|frame| frame.columns.contains_key(name)))
            .collect(),
        Join::Outer => {
            let mut names: IndexSet<&str> = IndexSet::new();
            for frame in frames {
                names.extend(frame.columns.keys().copied());
            }
            names.into_iter().collect()
        }
    }
}

/// Tells which columns an inner join drops.
fn tell_dropped(frames: &[TypedFrame<'_>], names: &[&str], path: &str, notices: &mut Vec<Notice>) {
    let kept: HashSet<&str> = names.iter().copied().collect();
    let all: IndexSet<&str> =
        frames.iter().flat_map(|frame| frame.columns.keys().copied()).collect();
    let elements: Vec<String> = all
        .into_iter()
        .filter(|name| !kept.contains(name))
        .map(|name| format!("{path}/{name}"))
        .collect();
    if !elements.is_empty() {
        Notice::NotInAll { elements }.tell(notices);
    }
}

/// anndata's `unify_dtypes`: categoricals get one list of categories, and booleans that will be
/// missing somewhere become nullable.
fn unify_dtypes(frames: &mut [TypedFrame<'_>]) {
    let mut names: IndexSet<String> = IndexSet::new();
    for frame in frames.iter() {
        names.extend(frame.columns.keys().map(|&name| name.to_owned()));
    }
    for name in &names {
        let types: Vec<&ColumnType> = frames
            .iter()
            .filter_map(|frame| frame.columns.get(name.as_str()))
            .map(|column| &column.ty)
            .collect();
        let has_missing = types.len() < frames.len();
        let Some(target) = unified(&types, has_missing) else { continue };
        for frame in frames.iter_mut() {
            // `astype` leaves alone what is of an equal dtype: the order of unordered categories.
            if let Some(column) = frame.columns.get_mut(name.as_str())
                && !column.ty.equals(&target)
            {
                column.ty = target.clone();
            }
        }
    }
}

/// anndata's `try_unifying_dtype`.
fn unified(types: &[&ColumnType], has_missing: bool) -> Option<ColumnType> {
    let is_bool = |ty: &&ColumnType| {
        matches!(ty, ColumnType::Number(DType::Bool) | ColumnType::Masked(DType::Bool))
    };
    if has_missing && types.iter().all(is_bool) {
        return Some(ColumnType::Masked(DType::Bool));
    }
    let categories: Vec<&Arc<CategoryType>> = types
        .iter()
        .map(|ty| if let ColumnType::Category(category) = ty { Some(category) } else { None })
        .collect::<Option<_>>()?;
    let lists: Vec<&Categories> = categories.iter().map(|category| &category.categories).collect();
    let all = Categories::union(&lists);
    if !categories.iter().any(|category| category.ordered) {
        let categories = match all {
            Some(all) => all.natsorted(),
            // Categories that mix text and numbers cannot be written as such.
            None => Categories::mixed(&lists),
        };
        return Some(ColumnType::Category(Arc::new(CategoryType {
            categories,
            ordered: false,
            text: TextKind::Object,
        })));
    }
    let Some(all) = all else { return Some(ColumnType::Object) };
    let mut filled = categories.iter().filter(|category| category.categories.len() > 0).peekable();
    let first = filled.peek().map(|first| Arc::clone(first));
    if let Some(first) = first
        && filled.all(|category| category.ordered && category.categories.equals(&all))
    {
        return Some(ColumnType::Category(first));
    }
    Some(ColumnType::Object)
}
