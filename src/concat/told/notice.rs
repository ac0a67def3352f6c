//! What a concatenation drops, converts or replaces, for people and for `inspect --json`.

use std::fmt;

use serde::Serialize;

/// Something that a reader of the result would not expect from reading the inputs. Serialised with
/// its kind in `notice`, in kebab case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "notice", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
#[non_exhaustive]
pub enum Notice {
    /// The label replaces a column that the inputs have.
    LabelReplacesColumn {
        /// Path of the column.
        element: String,
    },
    /// An inner join keeps no name: no name is in all inputs.
    NothingInCommon {
        /// Path of the axis.
        element: String,
        /// The first name of some inputs, with the file.
        examples: Vec<String>,
    },
    /// An inner join drops names that not every input has.
    NamesDropped {
        /// Path of the axis.
        element: String,
        /// How many names are kept.
        kept: u64,
        /// How many names are lost, of how many, in which file; the largest loss first.
        lost: Vec<String>,
    },
    /// One file or store is there more than once.
    SameInput {
        /// Its paths.
        files: Vec<String>,
    },
    /// Inputs were given keys that nothing in the result shows.
    KeysUnused {
        /// The keys.
        keys: Vec<String>,
    },
    /// `X` is left out: not every input has one, and the join is inner.
    XLeftOut {
        /// Files without `X`.
        missing_in: Vec<String>,
    },
    /// `X` is filled where an input has none.
    XFilled {
        /// Files without `X`.
        missing_in: Vec<String>,
    },
    /// `raw` is left out: not every input has one.
    RawLeftOut {
        /// Files without `raw`.
        missing_in: Vec<String>,
    },
    /// An element is left out because nothing can combine it.
    LeftOut {
        /// Path of the element.
        element: String,
        /// Why.
        reason: String,
    },
    /// Elements of the other axis or of `uns` are not kept, because no strategy was given.
    NotMerged {
        /// Paths of the elements.
        elements: Vec<String>,
        /// The option that would keep them.
        option: &'static str,
    },
    /// Elements are not kept, because the join is inner and some inputs lack them.
    NotInAll {
        /// Paths of the elements.
        elements: Vec<String>,
    },
    /// Elements are not kept, because the inputs do not agree in what the strategy asks for.
    NotAgreed {
        /// Paths of the elements.
        elements: Vec<String>,
        /// The strategy, as an option.
        option: &'static str,
    },
    /// An array keeps its first columns only: the join is inner, and some input has no more.
    ColumnsCut {
        /// Path of the array.
        element: String,
        /// How many are kept.
        kept: u64,
    },
    /// Records of an awkward array keep the fields that every input has.
    FieldsNotInAll {
        /// Path of the array.
        element: String,
        /// The fields that are left out.
        fields: Vec<String>,
    },
    /// Entries of dense arrays that an input lacks are filled with NaN.
    FilledWithNan {
        /// Paths of the arrays.
        elements: Vec<String>,
    },
    /// Arrays get another dtype.
    ArraysConverted {
        /// Paths of the arrays.
        elements: Vec<String>,
        /// The dtypes that they have in the inputs.
        from: Vec<String>,
        /// The dtype of the result.
        to: String,
    },
    /// Columns get a type of another kind.
    ColumnsConverted {
        /// Paths of the columns.
        elements: Vec<String>,
        /// What they are in the inputs.
        from: Vec<String>,
        /// What they become.
        to: String,
        /// Whether some input lacks them.
        missing: bool,
    },
    /// Pairwise elements are not kept.
    PairwiseNotKept {
        /// Paths of the elements.
        elements: Vec<String>,
    },
    /// A column that mixes kinds is written as text.
    ColumnBecomesText {
        /// Path of the column.
        element: String,
        /// The kinds it mixes.
        kinds: Vec<String>,
    },
    /// Text of which some is missing stays text: its distinct values are too many for categories.
    TooManyCategories {
        /// Path of the column.
        element: String,
        /// Bytes that distinct values may take.
        most_bytes: u64,
    },
    /// A column of nullable integers and floats is written as floats with NaN.
    NullableBecomesFloat {
        /// Path of the column.
        element: String,
    },
    /// A boolean array becomes numbers because values are introduced that are no booleans.
    BoolBecomesNumber {
        /// Path of the element.
        element: String,
        /// The new dtype.
        dtype: String,
    },
    /// A pattern matches no element of any input.
    PatternUnused {
        /// `--drop` or `--keep`.
        option: &'static str,
        /// The pattern.
        pattern: String,
    },
    /// Files hold parts that AnnData does not have.
    PartsUnknown {
        /// Paths of the parts.
        elements: Vec<String>,
        /// The files.
        files: Vec<String>,
    },
    /// Nothing is filled with the fill value.
    FillUnused {
        /// Why.
        because: String,
    },
    /// Inputs hold one matrix in several encodings; some are converted.
    SparseConverted {
        /// Path of the element.
        element: String,
        /// The encoding of the result.
        to: &'static str,
        /// Files whose matrix is converted.
        files: Vec<String>,
    },
}

impl Notice {
    /// Adds this notice to others. What happens to several elements alike is told once.
    pub fn tell(self, notices: &mut Vec<Self>) {
        for known in &mut *notices {
            match (&self, known) {
                (Self::NotInAll { elements: more }, Self::NotInAll { elements })
                | (Self::FilledWithNan { elements: more }, Self::FilledWithNan { elements }) => {
                    elements.extend_from_slice(more);
                    return;
                }
                (
                    Self::ArraysConverted { elements: more, from, to },
                    Self::ArraysConverted { elements, from: from_too, to: to_too },
                ) if (from, to) == (&*from_too, &*to_too) => {
                    elements.extend_from_slice(more);
                    return;
                }
                (
                    Self::ColumnsConverted { elements: more, from, to, missing },
                    Self::ColumnsConverted {
                        elements,
                        from: from_too,
                        to: to_too,
                        missing: missing_too,
                    },
                ) if (from, to, missing) == (&*from_too, &*to_too, &*missing_too) => {
                    elements.extend_from_slice(more);
                    return;
                }
                _ => {}
            }
        }
        notices.push(self);
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LabelReplacesColumn { element } => write!(
                f,
                "{element}: the label replaces the column of this name\n  \
                 hint: choose another --label to keep it"
            ),
            Self::NothingInCommon { element, examples } => write!(
                f,
                "{element} is empty in the result: no name is in all inputs ({})\n  \
                 hint: give all files the same kind of names, or keep all with --join outer",
                FirstFew(examples)
            ),
            Self::NamesDropped { element, kept, lost } => write!(
                f,
                "{element} keeps the {kept} names that every input has; lost are {}\n  \
                 hint: --join outer keeps all, filled where they are missing",
                FirstFew(lost)
            ),
            Self::SameInput { files } => write!(
                f,
                "the same input is there more than once: {}\n  \
                 hint: leave it out where its rows are not meant to be repeated",
                FirstFew(files)
            ),
            Self::KeysUnused { keys } => write!(
                f,
                "the keys are not in the result: {}\n  \
                 hint: --label COLUMN keeps them in a column, --index-unique SEP in the names",
                FirstFew(keys)
            ),
            Self::XLeftOut { missing_in } => write!(
                f,
                "/X is left out: there is none in {}\n  \
                 hint: --join outer keeps it, filled where it is missing",
                FirstFew(missing_in)
            ),
            Self::XFilled { missing_in } => {
                write!(f, "/X is filled for {}, which has none", FirstFew(missing_in))
            }
            Self::RawLeftOut { missing_in } => write!(
                f,
                "/raw is left out: there is none in {}\n  \
                 hint: set adata.raw in these files, or leave them out",
                FirstFew(missing_in)
            ),
            Self::LeftOut { element, reason } => write!(f, "{element} is left out: {reason}"),
            Self::NotMerged { elements, option } => write!(
                f,
                "not kept: {}\n  hint: {option} same|unique|first|only keeps them by that rule",
                FirstFew(elements)
            ),
            Self::NotInAll { elements } => write!(
                f,
                "not kept, because not every input has them: {}\n  \
                 hint: --join outer keeps them, filled where they are missing",
                FirstFew(elements)
            ),
            Self::NotAgreed { elements, option } => write!(
                f,
                "not kept, because the inputs do not agree in them ({option}): {}",
                FirstFew(elements)
            ),
            Self::ColumnsCut { element, kept } => write!(
                f,
                "{element} keeps its first {kept} columns, as many as every input has (columns \
                 without names are joined by position)\n  \
                 hint: --join outer keeps all, filled where they are missing"
            ),
            Self::FieldsNotInAll { element, fields } => write!(
                f,
                "{element} loses fields of its records that not every input has: {}\n  \
                 hint: --join outer keeps the records of each input as they are",
                FirstFew(fields)
            ),
            Self::FilledWithNan { elements } => write!(
                f,
                "entries that an input lacks become NaN: {}\n  \
                 hint: --fill-value 0 fills dense arrays with zeros",
                FirstFew(elements)
            ),
            Self::ArraysConverted { elements, from, to } => {
                let from = from.join(" with ");
                write!(f, "arrays of {from} become {to}: {}", FirstFew(elements))
            }
            Self::ColumnsConverted { elements, from, to, missing } => {
                let why = if *missing { ", because some inputs lack them" } else { "" };
                let from = from.join(" with ");
                write!(f, "columns of {from} become {to}{why}: {}", FirstFew(elements))
            }
            Self::TooManyCategories { element, most_bytes } => write!(
                f,
                "{element} stays text (nullable-string-array, which anndata reads from 0.11 on): its \
                 distinct values take more than {} MiB\n  \
                 hint: --missing-text categorical makes it categorical all the same",
                most_bytes >> 20
            ),
            Self::PairwiseNotKept { elements } => write!(
                f,
                "not kept: {}\n  hint: --pairwise keeps them, block-diagonal",
                FirstFew(elements)
            ),
            Self::ColumnBecomesText { element, kinds } => write!(
                f,
                "{element} mixes {} and becomes text\n  \
                 hint: give the column one type in every file to keep it",
                kinds.join(" with ")
            ),
            Self::NullableBecomesFloat { element } => write!(
                f,
                "{element} mixes nullable integers with floats and becomes floats with NaN"
            ),
            Self::BoolBecomesNumber { element, dtype } => {
                write!(f, "{element} is boolean with values introduced and becomes {dtype}")
            }
            Self::PatternUnused { option, pattern } => write!(
                f,
                "{option} {pattern:?} matches nothing in any input\n  \
                 hint: `anncat inspect` lists the elements by their paths"
            ),
            Self::PartsUnknown { elements, files } => write!(
                f,
                "not read, because AnnData has no such parts: {} (in {})",
                FirstFew(elements),
                FirstFew(files)
            ),
            Self::FillUnused { because } => {
                write!(f, "--fill-value has no effect: {because}")
            }
            Self::SparseConverted { element, to, files } => write!(
                f,
                "{element} becomes {to}: converted from another encoding in {}",
                FirstFew(files)
            ),
        }
    }
}

/// The first few of many.
pub struct FirstFew<'a>(pub &'a [String]);

impl fmt::Display for FirstFew<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 5;
        f.write_str(&self.0[..self.0.len().min(SHOWN)].join(", "))?;
        if self.0.len() > SHOWN {
            write!(f, " and {} more", self.0.len() - SHOWN)?;
        }
        Ok(())
    }
}
